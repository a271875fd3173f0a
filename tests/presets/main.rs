//! All presets of providers together: what none of them may do.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod instances;
mod odd_claims;
