//! The seams of the core, each used through every adapter: extractor, layer and middleware, with and without nesting.
//!
//! Each test asks the same request in each [`Way`]. Refusals are compared whole: status, fields and body.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

#[path = "../certificates.rs"]
mod certificates;
mod client_certificates;
mod evidence;
#[path = "../monitoring.rs"]
mod expressions;
mod metrics;
mod monitoring;
mod page;
mod policies;
mod recipes;
mod refusals;
mod response_fields;
mod schemes;
mod session_checks;
mod spans;
mod target_uri;
mod token_sources;
mod ways;
