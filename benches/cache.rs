//! Measures what a token in the token cache costs, by the size of the token. `memory` floods the cache.
//!
//! The run fails when a hit of a token of 1 kB costs more than its part of a verification.
//!
//! `cargo bench -p portcullis-benches --bench cache`

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

use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Verifier as _};
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_testing::TestIssuer;

/// The largest part of an RS256 verification for a hit of a token of about 1 kB.
const HIT_LIMIT: f64 = 0.015;

fn main() -> ExitCode {
    let mut report = Report::start("cache");
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let (plain, caching) = (issuer.verifier().build().unwrap(), issuer.verifier().cache_tokens(1_000).build().unwrap());
    let reference = token(&issuer, 1_000);
    let columns = [("verify", "us"), ("hit", "ns"), ("of the same token", "part"), ("of 1 kB verified", "part")];
    let mut table = Table::new("hits by size", columns);
    for bytes in [500, 1_000, 2_000, 4_000, 8_000, 14_000] {
        let token = token(&issuer, bytes);
        let first = || verify(&plain, &token);
        let hit = || verify(&caching, &token);
        let turns = Turns::run(report.rounds(2_000), [&first, &hit, &|| verify(&plain, &reference)]);
        let part = number(turns.ratio(1, 2));
        let part = if bytes == 1_000 { part.must_be_at_most(HIT_LIMIT) } else { part };
        table.row(
            format!("{} bytes", token.len()),
            [number(turns.median(0) / 1e3), number(turns.median(1)), number(turns.ratio(1, 0)), part],
        );
    }
    report.add(table);
    report.finish()
}

fn token(issuer: &TestIssuer, bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(500) * 3 / 4);
    issuer.token().subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5").claim("filler", filler).sign()
}

fn verify(verifier: &JwtVerifier, token: &str) {
    let credential = Credential::bearer(black_box(token));
    drop(black_box(now(verifier.begin(&credential).finish()).expect("a good token")));
}
