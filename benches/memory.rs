//! Measures how much memory a key, an issuer and a cached token take.
//!
//! *allocated* is what the Rust allocator counts. Keys also have memory of AWS-LC, which it does not count: *resident* is how much the
//! memory of the process grows.
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
use portcullis_bench_report::{Report, Table, number};
use portcullis_testing::TestIssuer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let mut report = Report::start("memory");
    let count = if report.is_quick() { 500 } else { 4_000 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
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
        let tokens: Vec<String> =
            (0..count).map(|at| issuer.token().claim("jti", at).claim("a", &filler).sign()).collect();
        let name = format!("a cached token of {} bytes", tokens[0].len());
        grow(&mut table, &name, count, |at| {
            runtime.block_on(verifier.verify(&Credential::bearer(&tokens[at]))).map(drop).unwrap();
        });
    }
    report.add(table);
    report.finish()
}

/// Makes `count` things, keeps them, and adds a row with the memory of one.
fn grow<T>(table: &mut Table, name: &str, count: usize, mut make: impl FnMut(usize) -> T) {
    let mut made = Vec::with_capacity(count);
    let (region, resident_before) = (Region::new(ALLOCATOR), resident());
    made.extend((0..count).map(&mut make));
    let change = region.change();
    let allocated = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    let grown = resident() - resident_before;
    table.row(name, [number(allocated / count as f64), number(grown.max(0.0) / count as f64)]);
}

/// The resident memory of this process in bytes, as Linux counts it in pages.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1_024.0
}
