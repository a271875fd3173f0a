//! An API on Axum with public, private, scoped and optional routes.
//!
//! `cargo run -p example-axum` starts it with an embedded issuer and prints commands to try. With the variables of an
//! identity provider, for example `AUTH0_DOMAIN` and `AUTH0_AUDIENCE`, it accepts the tokens of that provider.
//! With `PORTCULLIS_INTROSPECTION_URL`, `PORTCULLIS_CLIENT_ID` and `PORTCULLIS_CLIENT_SECRET_FILE` next to `PORTCULLIS_ISSUER`
//! and `PORTCULLIS_AUDIENCE`, it accepts opaque tokens too.
//!
//! The API page is at `/docs`. Its document is made from the extractors of the handlers.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

mod docs;
mod metrics;

use std::process::ExitCode;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use example_environment::{Environment, Metrics};
use portcullis_axum::openapi::SecuritySchemes;
use portcullis_axum::{Auth, Authorized, Gate, OpenApiGuards, Policy, Require, scopes};
use serde_json::{Value, json};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

struct ReadMessages;

impl Require for ReadMessages {
    fn policy() -> Policy {
        scopes("read:messages")
    }
}

fn app(gate: Gate, metrics: Metrics) -> Router {
    let (api, document) = api(&gate);
    api.merge(docs::routes(document))
        .merge(metrics::routes(metrics))
        .route("/healthz", get(StatusCode::OK))
        .route("/readyz", get(ready))
        .with_state(gate)
}

/// Returns the routes with the document that describes them.
fn api(gate: &Gate) -> (Router<Gate>, utoipa::openapi::OpenApi) {
    let (api, mut document) = OpenApiRouter::with_openapi(docs::Api::openapi())
        .routes(routes!(public))
        .routes(routes!(private).extracting::<Auth>(gate))
        .routes(routes!(private_scoped).extracting::<Authorized<ReadMessages>>(gate))
        .routes(routes!(greeting).extracting::<Option<Auth>>(gate))
        .split_for_parts();
    SecuritySchemes::of(gate).modify(&mut document);
    (api, document)
}

/// Open to everyone
#[utoipa::path(get, path = "/api/public", responses((status = 200, description = "A message", body = Value)))]
async fn public() -> Json<Value> {
    Json(json!({"message": "Hello from a public endpoint."}))
}

/// The claims of the caller
#[utoipa::path(get, path = "/api/private", responses((status = 200, description = "The claims", body = Value)))]
async fn private(auth: Auth<Value>) -> Json<Value> {
    Json(auth.claims)
}

/// Needs the scope read:messages
#[utoipa::path(get, path = "/api/private-scoped", responses((status = 200, description = "A message", body = Value)))]
async fn private_scoped(_: Authorized<ReadMessages>) -> Json<Value> {
    Json(json!({"message": "Hello from a private endpoint. You may read messages."}))
}

/// Greets the caller, if there is one
#[utoipa::path(get, path = "/api/greeting", responses((status = 200, description = "A greeting", body = Value)))]
async fn greeting(auth: Option<Auth>) -> Json<Value> {
    let name = auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous");
    Json(json!({"greeting": format!("hello, {name}")}))
}

/// Says whether keys are cached. Until then, each probe makes the next attempt that is due.
async fn ready(State(gate): State<Gate>) -> (StatusCode, Json<Value>) {
    let keys = gate.ready().await;
    let status = if keys.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": keys.ready, "keys": keys.keys})))
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(log_filter()).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = Metrics::install()?;
    tokio::spawn(metrics.clone().keep_up());
    let environment = Environment::read()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", environment.port)).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!("the API page: http://{address}/docs");
    for line in environment.lines_to_try(address.port()) {
        println!("\n{line}");
    }
    axum::serve(listener, app(environment.gate.clone(), metrics)).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C can't be heard: {error}");
        std::future::pending::<()>().await;
    }
}

/// Returns the filter in `RUST_LOG`. The default shows refusals and fetches.
fn log_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,portcullis=debug".into())
}

#[cfg(test)]
mod tests {
    use portcullis_testing::{TestIssuer, document_differences_of_axum, open_routes_of_axum};

    use super::*;

    #[tokio::test]
    async fn only_these_routes_are_open() {
        let app = app(TestIssuer::new().gate(), Metrics::without_recorder().unwrap());
        let routes = ["public", "private", "private-scoped", "greeting"].map(|name| format!("/api/{name}"));
        let paths =
            routes.iter().map(String::as_str).chain(["/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"]);
        let open = open_routes_of_axum(app, paths.map(|path| ("GET", path))).await;
        let expected = ["/api/public", "/api/greeting", "/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"];
        assert_eq!(open, expected.map(|path| format!("GET {path} 200")));
    }

    #[tokio::test]
    async fn document_says_what_the_extractors_demand() {
        let claims = json!({"sub": "alice"});
        let differences = document_differences_of_axum(&claims, |gate| {
            let (api, document) = api(&gate);
            (api.with_state(gate), document)
        })
        .await;
        assert_eq!(differences, [""; 0]);
    }
}
