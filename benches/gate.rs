//! Measures what a gate adds to the verification of a bearer token, and what proofs of possession add to the gate.
//!
//! They add less than the noise of a signature check. So both gates and the verifier verify a token of the token cache, and
//! the differences are taken as parts of a verification with RS256. All contenders take turns in one run, so that other
//! load on the machine affects them equally.
//!
//! `cargo bench -p portcullis-benches --bench gate`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use portcullis::adapter::{Credential, HeaderList};
use portcullis::possession::{ClientCertificates, Dpop};
use portcullis::{Gate, JwtVerifier, Policy, Verifier as _};
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_testing::TestIssuer;

const ROUNDS: usize = 2_000;
/// The largest part of a verification with RS256 that a gate may add: it looks at each byte of the field, and checks the
/// policy.
const GATE_LIMIT: f64 = 0.025;
/// The largest part of a verification with RS256 that a gate may add for a bearer token if it accepts proofs of possession.
const PROOFS_LIMIT: f64 = 0.01;

/// The contenders, in their order.
const RS256: usize = 0;
const ALONE: usize = 1;
const PLAIN: usize = 2;
const BOUND: usize = 3;

fn main() -> ExitCode {
    let mut report = Report::start("gate");
    let turns = contest(report.rounds(ROUNDS));
    let mut table = Table::new("what is added", [("cost", "ns"), ("of RS256", "part")]);
    for (name, at, less, limit) in
        [("a gate", PLAIN, ALONE, GATE_LIMIT), ("accepting proofs of possession", BOUND, PLAIN, PROOFS_LIMIT)]
    {
        let cost = number(turns.median(at) - turns.median(less));
        table.row(name, [cost, number(turns.part(at, less, RS256)).must_be_at_most(limit)]);
    }
    report.add(table);
    report.finish()
}

fn contest(rounds: usize) -> Turns<4> {
    let issuer = TestIssuer::new();
    let token = issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .sign();
    let verifier = issuer.verifier().build().expect("complete");
    let cached = Arc::new(issuer.verifier().cache_tokens(1_000).build().expect("complete"));
    let plain = Gate::new(Arc::clone(&cached));
    let bound = plain.clone().with_client_certificates(ClientCertificates::from_tls());
    let bound = bound.with_public_url("https://api.example.com").unwrap().with_dpop(Dpop::accepted()).unwrap();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]).with_original_path("/orders");
    let policy = Policy::authenticated();

    // As a gate calls a verifier.
    let verify = |verifier: &JwtVerifier| {
        let credential = Credential::bearer(black_box(&token));
        assert!(now(verifier.begin(&credential).finish()).is_ok());
    };
    let admit = |gate: &Gate| assert!(now(gate.admit(black_box(&request), &policy)).is_ok());
    Turns::run(rounds, [&|| verify(&verifier), &|| verify(&cached), &|| admit(&plain), &|| admit(&bound)])
}
