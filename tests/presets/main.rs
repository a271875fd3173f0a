//! Tests that all presets pass.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod given;
mod instances;
mod odd_claims;
mod options;
mod tokens;
