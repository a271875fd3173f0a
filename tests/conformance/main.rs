//! Published vectors, and another implementation, against the library.
//!
//! The vectors are read from the folder that `PORTCULLIS_VECTORS` names, else from `shared/vectors` beside the clone;
//! without it these tests say that they are skipped. Every file is counted: what was accepted, what was rejected, and
//! what is not taken at its word, with the reason. Signed tokens as such go through the real command; see the tests of
//! `portcullis-cli`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and what these count is to be read"
)]

mod differential;
mod encrypted;
mod http;
mod keys;
mod signatures;
mod tokens;
mod vectors;
