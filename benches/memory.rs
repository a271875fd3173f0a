//! Measures how much memory a key, an issuer and a cached token take, and what a flood of distinct tokens does to the token cache.
//!
//! A hit of the cache is told from a miss by its allocations, which do not depend on the machine. The run fails when a flood takes
//! more memory than the bounds of the cache, or evicts tokens that are in use.
//!
//! `cargo bench -p portcullis-benches --bench memory`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

use std::alloc::System;
use std::process::ExitCode;
use std::sync::Arc;

use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, KeyProvider, VerifyingKey};
use portcullis::{Audience, JwtVerifier, Verifier as _};
use portcullis_bench_report::{Cell, Report, Table, now, number};
use portcullis_testing::TestIssuer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many tokens and bytes the flooded caches may have.
const TOKENS: u64 = 1_000;
const BYTES: u64 = 1 << 20;
/// How many tokens are in use during a flood. Each is used once for so many tokens of the flood.
const IN_USE: usize = 20;
const BETWEEN: usize = 200;

fn main() -> ExitCode {
    let mut report = Report::start("memory");
    report.add(sizes(&report));
    report.add(floods(if report.is_quick() { 4_000 } else { 20_000 }));
    report.finish()
}

fn sizes(report: &Report) -> Table {
    let count = if report.is_quick() { 500 } else { 4_000 };
    let mut table = Table::new("memory", [("allocated", "bytes"), ("resident", "bytes")]);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let key = TestIssuer::from_algorithms([algorithm]).first_key().jwk().to_string();
        grow(&mut table, &format!("a key, {algorithm}"), count, |at| {
            Arc::new(VerifyingKey::from_jwk(&key).unwrap().with_id(format!("key-{at:05}")))
        });
    }
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let keys: Arc<dyn KeyProvider> = Arc::new(FixedKeys::key(issuer.first_key().verifying_key()));
    grow(&mut table, "an issuer, without its keys", count, |at| {
        let url = format!("https://issuer-{at:05}.example");
        JwtVerifier::builder(url, Audience::any_of(["api"]), Arc::clone(&keys)).algorithms([Algorithm::Rs256]).build()
    });
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    for bytes in [600, 4_000] {
        let verifier = issuer.verifier().cache_tokens(100_000).build().unwrap();
        let filler = "x".repeat(bytes * 3 / 4 - 300);
        let tokens: Vec<String> = (0..count)
            .map(|at| issuer.token().claim("jti", format!("token-{at}")).claim("a", &filler).sign())
            .collect();
        let name = format!("a cached token of {} bytes", tokens[0].len());
        grow(&mut table, &name, count, |at| {
            verify(&verifier, &tokens[at]);
        });
    }
    table
}

/// Makes `count` things, and adds a row with the memory of one. They stay, so that the next ones need new memory.
fn grow<T>(table: &mut Table, name: &str, count: usize, mut make: impl FnMut(usize) -> T) {
    let mut made = Vec::with_capacity(count);
    let (region, resident_before) = (Region::new(ALLOCATOR), resident());
    made.extend((0..count).map(&mut make));
    let change = region.change();
    let allocated = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    let grown = resident() - resident_before;
    std::mem::forget(made);
    table.row(name, [number(allocated / count as f64), number(grown.max(0.0) / count as f64)]);
}

/// The resident memory of this process in bytes, as Linux counts it in pages.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1_024.0
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
    issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .claim("jti", format!("token-{number}"))
        .claim("filler", filler)
        .sign()
}

fn verify(verifier: &JwtVerifier, token: &str) {
    now(verifier.verify(&Credential::bearer(token))).map(drop).expect("a good token");
}

fn allocations(verifier: &JwtVerifier, token: &str) -> usize {
    let region = Region::new(ALLOCATOR);
    verify(verifier, token);
    let change = region.change();
    change.allocations + change.reallocations
}
