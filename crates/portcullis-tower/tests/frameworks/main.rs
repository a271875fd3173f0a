//! The layer on frameworks that build on tower: hyper's server, tonic and warp. `portcullis-axum` has the tests on axum.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod hyper;
mod tonic;
mod warp;
