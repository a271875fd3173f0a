//! One test for each known fault of other token verifiers: the bad token is refused, and a good one is still accepted. All
//! tests use the public interface.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod advisories;
mod algorithms;
#[path = "../child.rs"]
mod child;
mod claims;
mod dependencies;
mod documents;
mod headers;
mod http;
mod key_sets;
mod leaks;
mod promises_md;
mod providers_md;
mod rotations;
mod standards_md;
mod support;
mod threats_md;
mod times;
mod token_cache;
