//! Measures the token cache: what a hit costs by the size of the token, and what a flood of distinct tokens does to it.
//!
//! A hit is told from a miss by its allocations, which do not depend on the machine. The run fails when a flood takes more memory than
//! the bounds of the cache, or evicts tokens that are in use.
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

mod turns;

use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;

use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::{JwtVerifier, Verifier as _};
use portcullis_bench_report::{Cell, Report, Table, number};
use portcullis_testing::TestIssuer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use turns::{medians, now};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many tokens and bytes the flooded caches may have.
const TOKENS: u64 = 1_000;
const BYTES: u64 = 1 << 20;
/// How many tokens are in use during a flood. Each is used once for so many tokens of the flood.
const IN_USE: usize = 20;
const BETWEEN: usize = 200;
/// The largest part of an RS256 verification for a hit of a token of about 1 kB.
const HIT_LIMIT: f64 = 0.015;

fn main() -> ExitCode {
    let mut report = Report::start("cache");
    let rounds = report.rounds(400);
    report.add(hits(rounds));
    report.add(floods(if report.is_quick() { 4_000 } else { 20_000 }));
    report.finish()
}

fn hits(rounds: usize) -> Table {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let (plain, caching) = (issuer.verifier().build().unwrap(), issuer.verifier().cache_tokens(1_000).build().unwrap());
    let mut table = Table::new("hits by size", [("verify", "us"), ("hit", "ns"), ("of 1 kB verified", "part")]);
    let reference = token(&issuer, 0, 1_000);
    for bytes in [500, 1_000, 4_000, 14_000] {
        let token = token(&issuer, 1, bytes);
        let first = || verify(&plain, &token);
        let hit = || verify(&caching, &token);
        let of_reference = || verify(&plain, &reference);
        let [first, hit, of_reference] = medians(rounds, [&first, &hit, &of_reference]);
        let part = number(hit / of_reference);
        let part = if bytes == 1_000 { part.must_be_at_most(HIT_LIMIT) } else { part };
        table.row(format!("{} bytes", token.len()), [number(first / 1e3), number(hit), part]);
    }
    table
}

/// Sends many distinct tokens, between which a few are used again and again.
fn floods(tokens: usize) -> Table {
    let mut table = Table::new(
        "floods of distinct tokens",
        [("tokens", "count"), ("kept bytes", "bytes"), ("uses", "count"), ("uses that missed", "count")],
    );
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    for (name, entries, bytes, is_forged) in [
        ("good, bound of 1,000 tokens", TOKENS, u64::MAX, false),
        ("good, bound of 1 MiB", u64::MAX, BYTES, false),
        ("forged, bound of 1,000 tokens", TOKENS, u64::MAX, true),
    ] {
        let builder = issuer.verifier().cache_tokens(entries.min(1_000_000)).cache_bytes(bytes.min(1 << 30));
        let verifier = builder.build().unwrap();
        let in_use: Vec<String> = (0..IN_USE).map(|at| token(&issuer, at, 600)).collect();
        for _ in 0..5 {
            in_use.iter().for_each(|token| verify(&verifier, token));
        }
        let hit = allocations(&verifier, &in_use[0]);
        let (before, mut missed, mut uses) = (Region::new(ALLOCATOR), 0, 0);
        for at in 0..tokens {
            let sent = token(&issuer, IN_USE + at, 600);
            if is_forged {
                let (input, _) = sent.rsplit_once('.').unwrap();
                let forged = format!("{input}.{}", "A".repeat(43));
                assert!(now(verifier.verify(&Credential::bearer(&forged))).is_err());
            } else {
                verify(&verifier, &sent);
            }
            if at % BETWEEN < IN_USE {
                uses += 1;
                missed += usize::from(allocations(&verifier, &in_use[at % BETWEEN]) > hit);
            }
        }
        let change = before.change();
        let kept = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
        // Forged tokens must keep nothing. The good ones: the bytes that the cache may have, or an entry with its contents.
        let bound = match (is_forged, bytes) {
            (true, _) => 0.0,
            (false, u64::MAX) => TOKENS as f64 * 4_096.0,
            (false, bytes) => bytes as f64,
        };
        table.row(
            name,
            [
                Cell::count(tokens),
                number(kept).must_be_at_most(bound),
                Cell::count(uses),
                Cell::count(missed).must_be_at_most(0.0),
            ],
        );
    }
    table
}

fn token(issuer: &TestIssuer, number: usize, bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(500) * 3 / 4);
    issuer.token().subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5").claim("jti", number).claim("filler", filler).sign()
}

fn verify(verifier: &JwtVerifier, token: &str) {
    assert!(now(verifier.verify(&Credential::bearer(black_box(token)))).is_ok());
}

fn allocations(verifier: &JwtVerifier, token: &str) -> usize {
    let region = Region::new(ALLOCATOR);
    verify(verifier, token);
    let change = region.change();
    change.allocations + change.reallocations
}
