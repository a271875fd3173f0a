//! Compares the library with published vectors and with another implementation.
//!
//! The vectors are read from the folder that `PORTCULLIS_VECTORS` names, otherwise from `shared/vectors` next to the clone.
//! Without that folder the tests print that they are skipped. For each file the tests print how many vectors were
//! accepted, how many were rejected, and which published results are overruled and why. The tests of `portcullis-cli` give
//! the vectors of signed tokens to the real command.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and the counts are printed to be read"
)]

mod differential;
mod encrypted;
mod http;
mod keys;
mod signatures;
mod tokens;
mod vectors;
