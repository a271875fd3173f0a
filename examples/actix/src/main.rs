//! An API on Actix Web with public, private, scoped and optional routes.
//!
//! `cargo run -p example-actix` starts it with an embedded issuer and prints commands to try. With the variables of an
//! identity provider, for example `AUTH0_DOMAIN` and `AUTH0_AUDIENCE`, it accepts the tokens of that provider.
//! With `PORTCULLIS_INTROSPECTION_URL`, `PORTCULLIS_CLIENT_ID` and `PORTCULLIS_CLIENT_SECRET_FILE` next to `PORTCULLIS_ISSUER`
//! and `PORTCULLIS_AUDIENCE`, it accepts opaque tokens too.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::process::ExitCode;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use example_environment::Environment;
use portcullis_actix::{Auth, Authorized, Gate, MaybeAuth, Policy, Require, scopes};
use serde_json::{Value, json};

struct ReadMessages;

impl Require for ReadMessages {
    fn policy() -> Policy {
        scopes("read:messages")
    }
}

fn routes(gate: Gate) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(web::Data::new(gate))
            .route("/api/public", web::get().to(public))
            .route("/api/private", web::get().to(private))
            .route("/api/private-scoped", web::get().to(private_scoped))
            .route("/api/greeting", web::get().to(greeting))
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/readyz", web::get().to(ready));
    }
}

async fn public() -> Json<Value> {
    Json(json!({"message": "Hello from a public endpoint."}))
}

async fn private(auth: Auth<Value>) -> Json<Value> {
    Json(auth.claims)
}

async fn private_scoped(_: Authorized<ReadMessages>) -> Json<Value> {
    Json(json!({"message": "Hello from a private endpoint. You may read messages."}))
}

async fn greeting(auth: MaybeAuth) -> Json<Value> {
    let name = auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous");
    Json(json!({"greeting": format!("hello, {name}")}))
}

/// Says whether keys are cached. Until then, each probe makes the next attempt that is due.
async fn ready(gate: web::Data<Gate>) -> HttpResponse {
    let keys = gate.ready().await;
    let mut response = if keys.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(json!({"ready": keys.ready, "keys": keys.keys}))
}

#[actix_web::main]
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
    let environment = Environment::read()?;
    let gate = environment.gate.clone();
    let server =
        HttpServer::new(move || App::new().configure(routes(gate.clone()))).bind(("127.0.0.1", environment.port))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
        for line in environment.lines_to_try(address.port()) {
            println!("\n{line}");
        }
    }
    // Actix handles Ctrl-C: it waits for running requests and stops.
    server.run().await?;
    Ok(())
}

/// Returns the filter in `RUST_LOG`. The default shows refusals and fetches.
fn log_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,portcullis=debug".into())
}

#[cfg(test)]
mod tests {
    use portcullis_testing::{TestIssuer, open_routes_of_actix};

    use super::*;

    #[actix_web::test]
    async fn only_these_routes_are_open() {
        let app = App::new().configure(routes(TestIssuer::new().gate()));
        let routes = ["public", "private", "private-scoped", "greeting"].map(|name| format!("/api/{name}"));
        let paths = routes.iter().map(String::as_str).chain(["/healthz", "/readyz"]);
        let open = open_routes_of_actix(app, paths.map(|path| ("GET", path))).await;
        assert_eq!(open, ["GET /api/public 200", "GET /api/greeting 200", "GET /healthz 200", "GET /readyz 200"]);
    }
}
