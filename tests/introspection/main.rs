//! Opaque tokens (RFC 7662) and signed answers (RFC 9701), against an endpoint that answers in every way.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod answers;
mod bound;
mod cache;
mod clients;
mod configuration;
mod load;
#[path = "../log.rs"]
mod log;
mod requests;
mod signed;
mod support;
