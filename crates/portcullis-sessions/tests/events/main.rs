//! Receivers of logout tokens and of security events: what they accept, what they refuse, and what that does to access tokens.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the helpers of tests fail and print as tests do"
)]

mod confusion;
mod logout;
mod polled;
mod provider;
mod pushed;
mod routes;
