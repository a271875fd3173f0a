//! Requests that are hard to read: the costliest at each gate.

use portcullis::Gate;
use portcullis::jose::Algorithm;
use portcullis_bench_report::{Cell, Report, Table, Turns, number};
use portcullis_testing::TestIssuer;
use tokio::runtime::Runtime;

use crate::attempt::Attempt;
use crate::tokens::filler;
use crate::{gates, kinds};

/// The largest part of a verification that a refusal may cost. A machine with other work needs a margin over the tenth that
/// is the goal, and 180 cookies at a gate with five cookie names cost 0.15.
const LIMIT: f64 = 0.16;
/// Below this, a kind is not measured again.
const GOAL: f64 = 0.1;
const ROUNDS: usize = 20;
/// How often a kind is measured that seems to miss the goal: other processes can only make it slower.
const TRIES: usize = 4;
/// The sizes of the tokens, in bytes. The last is the limit.
const SIZES: [usize; 4] = [100, 1_000, 4_000, 16_384];
const COLUMNS: [(&str, &str); 5] =
    [("100 B", "part"), ("1 kB", "part"), ("4 kB", "part"), ("16 kB", "part"), ("costliest at 16 kB", "")];

pub(crate) fn add_to(report: &mut Report, runtime: &Runtime) {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let good = Attempt::bearer(&issuer.gate(), &issuer.token().sign());
    assert!(good.passes(), "the premise");
    let words = report.words().to_vec();
    let is_wanted = |gate: &str, kind: &str| {
        words.is_empty() || words.iter().any(|word| gate.contains(&**word) || kind.contains(&**word))
    };
    let mut table = Table::new("requests that are hard to read", COLUMNS);
    for (name, gate, issuers) in gates::all(&issuer, runtime) {
        let (mut costliest, mut which) = ([0.0_f64; SIZES.len()], "");
        for (kind, make) in kinds::all().filter(|(kind, _)| is_wanted(name, kind)) {
            for (at, size) in SIZES.into_iter().enumerate() {
                let attempt = make(&gate, &issuers, size);
                assert!(!attempt.passes(), "{kind} of {size} bytes passes at {name}");
                let part = measure(&attempt, &good);
                if at + 1 == SIZES.len() && part > costliest[at] {
                    which = kind;
                }
                if part > LIMIT || !words.is_empty() {
                    println!("{name}, {kind}, {size} bytes: {part:.3} of a verification");
                }
                costliest[at] = costliest[at].max(part);
            }
        }
        let cells = costliest.into_iter().map(|part| number(part).must_be_at_most(LIMIT));
        table.row(name, cells.chain([Cell::from(which)]));
    }
    report.add(table);
    if words.is_empty() {
        report.add(cached_for_another_audience(&issuer, &good));
    }
}

/// A token that the issuer signed, so that it has no limit. Its signature is in the cache, and its claims are checked each time.
fn cached_for_another_audience(issuer: &TestIssuer, good: &Attempt) -> Table {
    let caching = Gate::new(issuer.verifier().cache_tokens(1_000).build().expect("complete"));
    let cells = SIZES.map(|size| {
        let token = issuer.token().audience("other").claim("a", filler(size.saturating_sub(700) * 3 / 4, 0)).sign();
        let attempt = Attempt::bearer(&caching, &token);
        assert!(!attempt.passes(), "the signature is checked and cached");
        number(measure(&attempt, good))
    });
    let mut table = Table::new("in the token cache", [COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3]]);
    table.row("for another audience", cells);
    table
}

/// The cost of `attempt` as a part of `good`. Of several tries the least counts.
fn measure(attempt: &Attempt, good: &Attempt) -> f64 {
    let (refuse, admit) = (|| assert!(!attempt.passes()), || assert!(good.passes()));
    let mut least = f64::MAX;
    for _ in 0..TRIES {
        least = least.min(Turns::run(ROUNDS, [&refuse, &admit]).ratio(0, 1));
        if least <= GOAL {
            break;
        }
    }
    least
}
