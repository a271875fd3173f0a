//! The service over HTTP: each route of its contract, and each way in which it refuses.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod accounts;
mod browser;
mod configuration;
mod contract;
mod cross_site;
mod instances;
mod proxy;
mod races;
mod refusals;
mod service;
mod walk_through;
