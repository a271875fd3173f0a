//! What a JWKS or discovery endpoint can do wrong, at the level of the network: seventy numbered faults, each served by
//! a real server on this machine, and each with what callers then get and what the provider sees of it.
//!
//! Deadlines of the network are real and short; every other time is a manual clock's.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod answers;
mod bodies;
mod connections;
mod discovery;
mod freshness;
mod key_members;
mod outages;
mod pitfalls_keys;
mod rotation;
mod runtimes;
mod support;
mod tls;
