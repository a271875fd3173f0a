//! Tests configurations as a service uses them: from files and variables to a gate that checks requests.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

#[path = "../child.rs"]
mod child;
mod environment;
mod fetching;
mod hosts;
mod key_files;
#[path = "../log.rs"]
mod log;
mod production;
mod schema;
mod tokens;
mod twins;
