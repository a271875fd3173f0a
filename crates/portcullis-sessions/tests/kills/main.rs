//! Processes that are killed with SIGKILL: at each step of each request, in the middle of writes, and the Redis server itself.

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
mod requests;
mod stopping;
mod stores;
