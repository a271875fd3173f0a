//! Keys that come and go, and providers that misbehave, through both adapters.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod folder;
mod misbehaving;
mod support;
mod table;
