//! Measures what refused requests cost, as a part of the cost of a verification with RS256.
//!
//! The first tables have the refusals of every day: by verifiers, and with the response of an adapter. The last one is about
//! attackers: of many kinds of requests that are hard to read, the costliest one at each gate.
//!
//! `cargo bench -p portcullis-benches --bench reject`, or only some of the last table, with words in the names of gates or kinds:
//! `-- "20 Azure" cookies`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench may fail by panicking"
)]

mod attempt;
mod gates;
mod hard;
mod kinds;
mod tokens;
mod usual;

use std::process::ExitCode;

use portcullis_bench_report::Report;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _in_runtime = runtime.enter();
    let mut report = Report::start("reject");
    if report.words().is_empty() {
        usual::add_to(&mut report, &runtime);
    }
    hard::add_to(&mut report, &runtime);
    report.finish()
}
