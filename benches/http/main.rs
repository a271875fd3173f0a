//! Measures what authentication costs a service: in process, through a router of Axum and an application of Actix, and over
//! the loopback interface, where `wrk` sends requests on 64 connections to a server with one core.
//!
//! In process, all contenders take turns in one run. Over the loopback interface, they take turns of seconds, and each server
//! measures its own limits: a route without authentication, and one that only checks a signature.
//!
//! `cargo bench -p portcullis-benches --bench http`          needs the Debian packages `wrk` and `util-linux`, and two cores
//! `cargo bench -p portcullis-benches --bench http -- in-process`
//! `bash benches/peers/run.sh http`                          also with servers of other libraries

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench may fail by panicking"
)]

mod actix_app;
mod axum_app;
mod in_process;
mod loopback;
mod nothing;
mod server;
mod wrk;

use std::process::ExitCode;

use portcullis_bench_report::Report;

fn main() -> ExitCode {
    let mut report = Report::start("http");
    let words: Vec<String> = report.words().to_vec();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The bench starts itself with these words.
        ["serve", "axum"] => {
            axum_app::serve();
            return ExitCode::SUCCESS;
        }
        ["serve", "actix", path] => {
            actix_app::serve(path);
            return ExitCode::SUCCESS;
        }
        ["in-process"] => report.add(in_process::run(report.rounds(in_process::ROUNDS))),
        [] => {
            report.add(in_process::run(report.rounds(in_process::ROUNDS)));
            report.add(loopback::run(report.is_quick()));
        }
        _ => {
            println!("unknown arguments: {words:?}");
            return ExitCode::from(2);
        }
    }
    report.finish()
}
