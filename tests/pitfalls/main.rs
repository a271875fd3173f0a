//! One named test for each fault that verifiers of tokens had before this one: the fault, and beside it the good twin
//! that still passes. All of them go through the public interface.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod advisories;
mod algorithms;
mod claims;
mod dependencies;
mod documents;
mod headers;
mod http;
mod key_sets;
mod leaks;
mod providers_md;
mod support;
mod threats_md;
mod times;
mod token_cache;
