//! Processes that are killed with SIGKILL: at each step of each request, in the middle of writes, and the Redis server itself.
//! Also what a store demands of a Redis server: settings and TLS.

#![cfg(unix)]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the helpers of tests fail and print as tests do"
)]

mod at_named_steps;
mod in_writes;
mod process;
mod redis_server;
mod redis_tls;
mod requests;
mod server;
mod stopping;
mod stores;
