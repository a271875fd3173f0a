//! Measures what a token in the token cache costs, by the size of the token, and what a cached session check adds. `memory` floods
//! the cache.
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
use std::time::Duration;

use portcullis::adapter::{Credential, HeaderList};
use portcullis::jose::Algorithm;
use portcullis::{Gate, JwtVerifier, Policy, Verifier as _};
use portcullis_bench_report::{Report, Table, Turns, now, number};
use portcullis_sessions::{AuthFacts, MemoryStore, OpenSessionCheck, Sessions, SuccessorKeys};
use portcullis_testing::TestIssuer;

/// The largest part of an RS256 verification for a hit of a token of about 1 kB.
const HIT_LIMIT: f64 = 0.015;
/// The largest part of an RS256 verification that a cached session check may add.
const SESSION_LIMIT: f64 = 0.012;

fn main() -> ExitCode {
    let mut report = Report::start("cache");
    let rounds = report.rounds(2_000);
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    report.add(hits(&issuer, rounds));
    report.add(session_check(&issuer, rounds));
    report.finish()
}

fn hits(issuer: &TestIssuer, rounds: usize) -> Table {
    let (plain, caching) = (issuer.verifier().build().unwrap(), issuer.verifier().cache_tokens(1_000).build().unwrap());
    let reference = token(issuer, 1_000);
    let columns = [("verify", "us"), ("hit", "ns"), ("of the same token", "part"), ("of 1 kB verified", "part")];
    let mut table = Table::new("hits by size", columns);
    for bytes in [500, 1_000, 2_000, 4_000, 8_000, 14_000] {
        let token = token(issuer, bytes);
        let first = || verify(&plain, &token);
        let hit = || verify(&caching, &token);
        let turns = Turns::run(rounds, [&first, &hit, &|| verify(&plain, &reference)]);
        let part = number(turns.ratio(1, 2));
        let part = if bytes == 1_000 { part.must_be_at_most(HIT_LIMIT) } else { part };
        table.row(
            format!("{} bytes", token.len()),
            [number(turns.median(0) / 1e3), number(turns.median(1)), number(turns.ratio(1, 0)), part],
        );
    }
    table
}

/// A gate with a cached session check, next to the same gate without it. Both have the token in their caches.
fn session_check(issuer: &TestIssuer, rounds: usize) -> Table {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).build().unwrap();
    let login = runtime.block_on(sessions.start("alice", AuthFacts::now())).unwrap();
    let token = issuer.token().subject("alice").claim("sid", login.session.id).sign();
    let gate = || Gate::new(issuer.verifier().cache_tokens(1_000).build().unwrap());
    let check = OpenSessionCheck::new(sessions).cached(Duration::from_secs(60)).unwrap();
    let (plain, checking, verifier) = (gate(), gate().with_check(check), issuer.verifier().build().unwrap());
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let policy = Policy::authenticated();
    // The first request asks the store.
    assert!(runtime.block_on(checking.admit(&request, &policy)).is_ok());
    let admit = |gate: &Gate| drop(black_box(now(gate.admit(black_box(&request), &policy)).expect("a good request")));
    let turns = Turns::run(rounds, [&|| admit(&plain), &|| admit(&checking), &|| verify(&verifier, &token)]);
    let mut table = Table::new("session check", [("request", "ns"), ("added, of RS256", "part")]);
    table.row("none", [number(turns.median(0)), "".into()]);
    let added = number(turns.part(1, 0, 2)).at_most(SESSION_LIMIT);
    table.row("cached answer", [number(turns.median(1)), added]);
    table
}

fn token(issuer: &TestIssuer, bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(500) * 3 / 4);
    issuer.token().subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5").claim("filler", filler).sign()
}

fn verify(verifier: &JwtVerifier, token: &str) {
    let credential = Credential::bearer(black_box(token));
    drop(black_box(now(verifier.begin(&credential).finish()).expect("a good token")));
}
