//! Recipes for services that copy this example: short, without a framework, and tested.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod api_keys;
mod email_verification;
mod password_reset;
