//! Tokens that are bound to a key: which requests prove it, and what the others are told.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod frameworks;
mod modes;
mod nonces;
mod proofs;
mod rfc_9449;
mod support;
