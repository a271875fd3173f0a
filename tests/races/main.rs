//! Every order in which two threads can use the decisions about key fetches.
//!
//! The modules below are the files of the core, with the lock of loom in place of the one of the standard library. loom runs
//! each test once for every possible order of the steps of its threads. A caller that is never woken is a deadlock there, and
//! fails the test. `CONTRIBUTING.md` says how to run them.
#![cfg(loom)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    reason = "the core uses more of these files than the tests do"
)]

#[path = "../../crates/portcullis/src/budget.rs"]
mod budget;
mod jose;
mod keys;
