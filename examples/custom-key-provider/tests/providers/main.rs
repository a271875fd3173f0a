//! Keys that are added and removed, and key providers that misbehave, through both adapters.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic; clippy does not recognize these functions as tests"
)]

mod folder;
mod misbehaving;
mod service;
mod support;
mod table;
