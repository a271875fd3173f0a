//! Counts the allocations of a verification, of a repeated token, and of jsonwebtoken 11. The counts do not depend on the machine.
//!
//! The run fails when a verification or a repeated token allocates more often than it may.
//!
//! `cargo bench -p portcullis-benches --bench allocations`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod contests;

use std::alloc::System;
use std::process::ExitCode;

use contests::{Claims, Contest, OwnedClaims, SIZES};
use portcullis::jose::Algorithm;
use portcullis_bench_report::{Cell, Report, Table};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LIMIT: f64 = 3.0;
const REPEATED_LIMIT: f64 = 1.0;

fn main() -> ExitCode {
    let mut report = Report::start("allocations");
    let columns = || [("verify", "count"), ("repeated", "count"), ("jsonwebtoken", "count")];
    let mut table = Table::new("allocations", columns());
    for (name, contest) in Contest::all() {
        table.row(&name, counts(&name, &contest));
    }
    report.add(table);
    let mut table = Table::new("RS256 by size", columns());
    for contest in SIZES.map(Contest::of_size) {
        table.row(format!("{} bytes", contest.token.len()), counts("RS256", &contest));
    }
    report.add(table);
    let mut table = Table::new("typed claims", [("verify", "count"), ("jsonwebtoken", "count")]);
    let contest = Contest::new(Algorithm::Rs256);
    let ours = allocations(&|| drop(contest.verify().claims::<OwnedClaims>().expect("claims of these types")));
    let theirs = allocations(&|| contest.jsonwebtoken::<OwnedClaims>());
    table.row("RS256, eleven owned members", [ours, theirs].map(Cell::count));
    report.add(table);
    report.finish()
}

/// A signature with ML-DSA is longer than the buffer on the stack, so there the limit is a goal.
fn counts(name: &str, contest: &Contest) -> [Cell; 3] {
    let verify = Cell::count(allocations(&|| drop(contest.verify())));
    let verify = if name.starts_with("ML-DSA") { verify.at_most(LIMIT) } else { verify.must_be_at_most(LIMIT) };
    let repeated = Cell::count(allocations(&|| contest.repeated())).must_be_at_most(REPEATED_LIMIT);
    let theirs = if contest.has_jsonwebtoken() {
        Cell::count(allocations(&|| contest.jsonwebtoken::<Claims>()))
    } else {
        "not supported".into()
    };
    [verify, repeated, theirs]
}

/// Counts the allocations of the second call: the first one fills caches.
fn allocations(contender: &dyn Fn()) -> usize {
    contender();
    let region = Region::new(ALLOCATOR);
    contender();
    let change = region.change();
    change.allocations + change.reallocations
}
