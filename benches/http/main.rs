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
mod server;
#[path = "../turns.rs"]
mod turns;
mod wrk;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // The bench starts itself with these arguments.
        ["serve", "axum"] => axum_app::serve(),
        ["serve", "actix"] => actix_app::serve(),
        ["in-process"] => in_process::run(false),
        ["--quick"] => {
            in_process::run(true);
            loopback::run(true);
        }
        [] => {
            in_process::run(false);
            loopback::run(false);
        }
        _ => {
            println!("unknown arguments: {arguments:?}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
