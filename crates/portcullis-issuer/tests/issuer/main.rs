//! The issuer without a web framework: keys, tokens, rotation, stores.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod keys;
mod rotation;
mod stores;
mod support;
mod tokens;
