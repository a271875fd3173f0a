//! Seventy numbered faults of JWKS and discovery endpoints. For each fault a real server on this machine misbehaves, and
//! the tests check what callers get and which requests the server receives.
//!
//! Network time limits are real and short. All other times are those of a manual clock.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod answers;
mod bodies;
mod callbacks;
#[path = "../child.rs"]
mod child;
#[cfg(feature = "client-features")]
mod client_features;
mod connections;
mod discovery;
mod freshness;
mod key_members;
mod loaded;
#[path = "../log.rs"]
mod log;
mod outages;
mod pitfalls_keys;
mod requests;
mod rotation;
mod rotation_seconds;
mod runtimes;
mod stress;
mod support;
mod tls;
mod waiting;
