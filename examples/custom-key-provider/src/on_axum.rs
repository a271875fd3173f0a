//! The routes on Axum.

use axum::Router;
use axum::routing::get;
use portcullis_axum::{Auth, Gate};

/// `GET /` greets verified callers.
pub fn app(gate: Gate) -> Router {
    Router::new().route("/", get(hello)).with_state(gate)
}

async fn hello(auth: Auth) -> String {
    format!("hello, {}\n", auth.subject().unwrap_or("anonymous"))
}
