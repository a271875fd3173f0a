//! Configurations as a service uses them: files and variables, up to a gate that answers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod environment;
mod fetching;
mod schema;
mod twins;
