//! Compares the cost of a verification with the bare signature check with a prepared key, and with jsonwebtoken 11.
//!
//! All contenders take turns in one run, so that other load on the machine affects them equally. The run fails when a limit is
//! broken that must hold. `allocations` counts allocations, in its own process, because counting takes time.
//!
//! `cargo bench -p portcullis-benches --bench verify`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod contests;

use std::hint::black_box;
use std::process::ExitCode;

use contests::{Claims, Contest, OwnedClaims, SIZES};
use portcullis::jose::Algorithm;
use portcullis_bench_report::{Cell, Report, Table, Turns, number};

const ROUNDS: usize = 2_000;
/// The largest part of a verification with RS256 that a token in the token cache may cost, for every algorithm.
const REPEATED_LIMIT: f64 = 0.015;

/// The contenders, in their order.
const BARE: usize = 0;
const OURS: usize = 1;
const THEIRS: usize = 2;
const REPEATED: usize = 3;
const REFERENCE: usize = 4;
const CHECK: usize = 5;

fn main() -> ExitCode {
    let mut report = Report::start("verify");
    let rounds = report.rounds(ROUNDS);
    let rs256 = Contest::new(Algorithm::Rs256);
    report.add(algorithms(rounds, &rs256));
    report.add(ways(rounds, &rs256));
    report.add(typed(rounds, &rs256));
    report.add(sizes(rounds / 2));
    report.finish()
}

/// The largest ratio of a verification with all checks to the bare signature check, and whether it must hold.
fn limited(name: &str, ratio: f64) -> Cell {
    let ratio = number(ratio);
    match name {
        "RS256" => ratio.must_be_at_most(1.05),
        "PS256" => ratio.at_most(1.05),
        "RS256, 4096 bits" | "ES256" => ratio.at_most(1.02),
        "ES384" => ratio.at_most(1.01),
        "EdDSA" => ratio.at_most(1.025),
        "HS256" => ratio.at_most(2.3),
        _ => ratio,
    }
}

fn algorithms(rounds: usize, rs256: &Contest) -> Table {
    let mut table = Table::new(
        "algorithms",
        [
            ("bare", "us"),
            ("check", "ratio"),
            ("verify", "us"),
            ("ratio", "ratio"),
            ("jsonwebtoken", "us"),
            ("its ratio", "ratio"),
            ("repeated", "ns"),
            ("of RS256", "part"),
        ],
    );
    for (name, contest) in Contest::all() {
        let turns = run(&contest, rounds, rs256);
        let [their_time, their_ratio] = theirs(&contest, &turns);
        table.row(
            &name,
            [
                number(turns.median(BARE) / 1e3),
                number(turns.ratio(CHECK, BARE)),
                number(turns.median(OURS) / 1e3),
                limited(&name, turns.ratio(OURS, BARE)),
                their_time,
                their_ratio,
                number(turns.median(REPEATED)),
                number(turns.ratio(REPEATED, REFERENCE)).must_be_at_most(REPEATED_LIMIT),
            ],
        );
    }
    table
}

/// The two ways to call a verifier: as a gate does, and the method that returns a future.
fn ways(rounds: usize, rs256: &Contest) -> Table {
    let ours = || drop(black_box(rs256.verify()));
    let turns = Turns::run(
        rounds,
        [&|| rs256.bare(), &ours, &|| rs256.awaited(), &|| rs256.repeated(), &|| rs256.repeated_awaited()],
    );
    let columns = [("verify", "us"), ("ratio", "ratio"), ("repeated", "ns"), ("of verify", "part")];
    let mut table = Table::new("RS256, by method", columns);
    for (name, verify, repeated) in [("Verifier::begin, as a gate", 1, 3), ("Verifier::verify", 2, 4)] {
        let ratios = [turns.ratio(verify, 0), turns.ratio(repeated, 1)].map(number);
        let [verify, repeated] = [number(turns.median(verify) / 1e3), number(turns.median(repeated))];
        let [ratio, part] = ratios;
        table.row(name, [verify, ratio, repeated, part]);
    }
    table
}

/// Eleven typed claims in their own memory, by RS256, here and with jsonwebtoken.
fn typed(rounds: usize, rs256: &Contest) -> Table {
    let ours = || drop(black_box(rs256.verify().claims::<OwnedClaims>().expect("claims of these types")));
    let turns = Turns::run(rounds, [&|| rs256.bare(), &ours, &|| rs256.jsonwebtoken::<OwnedClaims>()]);
    let [their_time, their_ratio] = theirs(rs256, &turns);
    let mut table = Table::new(
        "typed claims",
        [("bare", "us"), ("verify", "us"), ("ratio", "ratio"), ("jsonwebtoken", "us"), ("its ratio", "ratio")],
    );
    table.row(
        "RS256, eleven owned members",
        [
            number(turns.median(BARE) / 1e3),
            number(turns.median(OURS) / 1e3),
            number(turns.ratio(OURS, BARE)).at_most(1.09),
            their_time,
            their_ratio,
        ],
    );
    table
}

/// Tokens of several sizes, by RS256.
fn sizes(rounds: usize) -> Table {
    let mut table = Table::new(
        "sizes",
        [
            ("bare", "us"),
            ("verify", "us"),
            ("ratio", "ratio"),
            ("jsonwebtoken", "us"),
            ("its ratio", "ratio"),
            ("repeated", "ns"),
            ("of the same token", "part"),
        ],
    );
    for contest in SIZES.map(Contest::of_size) {
        let turns = run(&contest, rounds, &contest);
        let [their_time, their_ratio] = theirs(&contest, &turns);
        table.row(
            format!("{} bytes", contest.token.len()),
            [
                number(turns.median(BARE) / 1e3),
                number(turns.median(OURS) / 1e3),
                number(turns.ratio(OURS, BARE)),
                their_time,
                their_ratio,
                number(turns.median(REPEATED)),
                number(turns.ratio(REPEATED, OURS)),
            ],
        );
    }
    table
}

/// Measures the bare check, this library, jsonwebtoken, this library with a cached token, the verification of `reference`, and the
/// signature check of this library.
fn run(contest: &Contest, rounds: usize, reference: &Contest) -> Turns<6> {
    let [ours, reference] = [contest, reference].map(|contest| move || drop(black_box(contest.verify())));
    let theirs = || contest.jsonwebtoken::<Claims>();
    Turns::run(rounds, [&|| contest.bare(), &ours, &theirs, &|| contest.repeated(), &reference, &|| contest.check()])
}

/// What jsonwebtoken costs, and its ratio to the bare check. A verification that is slower than jsonwebtoken has lost.
fn theirs<const N: usize>(contest: &Contest, turns: &Turns<N>) -> [Cell; 2] {
    if !contest.has_jsonwebtoken() {
        return ["not supported".into(), "".into()];
    }
    let ratio = number(turns.ratio(THEIRS, BARE)).must_be_at_least(turns.ratio(OURS, BARE));
    [number(turns.median(THEIRS) / 1e3), ratio]
}
