//! An API on Actix Web with public, private, scoped and optional routes.
//!
//! `cargo run -p example-actix` starts it with an embedded issuer and prints commands to try. With the variables of an
//! identity provider, for example `AUTH0_DOMAIN` and `AUTH0_AUDIENCE`, it accepts the tokens of that provider.
//! With `PORTCULLIS_INTROSPECTION_URL`, `PORTCULLIS_CLIENT_ID` and `PORTCULLIS_CLIENT_SECRET_FILE` next to `PORTCULLIS_ISSUER`
//! and `PORTCULLIS_AUDIENCE`, it accepts opaque tokens too.
//!
//! The API page is at `/docs`. Its document is made from the extractors of the handlers.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

mod docs;
mod metrics;

use std::process::ExitCode;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::{self, Json};
use actix_web::{App, Error, HttpResponse, HttpServer, get};
use example_environment::{Environment, Metrics};
use portcullis_actix::openapi::SecuritySchemes;
use portcullis_actix::{Auth, Authorized, Gate, MaybeAuth, OpenApiGuards, Policy, Require, scopes};
use serde_json::{Value, json};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;

struct ReadMessages;

impl Require for ReadMessages {
    fn policy() -> Policy {
        scopes("read:messages")
    }
}

fn app(
    gate: &Gate,
    metrics: Metrics,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<>,
> {
    let (api, document) = api(gate);
    api.configure(docs::routes(document))
        .configure(metrics::routes(metrics))
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/readyz", web::get().to(ready))
}

/// Returns the routes with the document that describes them.
fn api(
    gate: &Gate,
) -> (
    App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<>,
    >,
    utoipa::openapi::OpenApi,
) {
    let (api, mut document) = App::new()
        .into_utoipa_app()
        .openapi(docs::Api::openapi())
        .app_data(web::Data::new(gate.clone()))
        .service(public)
        .service(private.extracting::<Auth>(gate))
        .service(private_scoped.extracting::<Authorized<ReadMessages>>(gate))
        .service(greeting.extracting::<MaybeAuth>(gate))
        .split_for_parts();
    SecuritySchemes::of(gate).modify(&mut document);
    (api, document)
}

/// Open to everyone
#[utoipa::path(responses((status = 200, description = "A message", body = Value)))]
#[get("/api/public")]
async fn public() -> Json<Value> {
    Json(json!({"message": "Hello from a public endpoint."}))
}

/// The claims of the caller
#[utoipa::path(responses((status = 200, description = "The claims", body = Value)))]
#[get("/api/private")]
async fn private(auth: Auth<Value>) -> Json<Value> {
    Json(auth.claims)
}

/// Needs the scope read:messages
#[utoipa::path(responses((status = 200, description = "A message", body = Value)))]
#[get("/api/private-scoped")]
async fn private_scoped(_: Authorized<ReadMessages>) -> Json<Value> {
    Json(json!({"message": "Hello from a private endpoint. You may read messages."}))
}

/// Greets the caller, if there is one
#[utoipa::path(responses((status = 200, description = "A greeting", body = Value)))]
#[get("/api/greeting")]
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
    let metrics = Metrics::install()?;
    actix_web::rt::spawn(metrics.clone().keep_up());
    let environment = Environment::read()?;
    let gate = environment.gate.clone();
    let server = HttpServer::new(move || app(&gate, metrics.clone())).bind(("127.0.0.1", environment.port))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
        println!("the API page: http://{address}/docs");
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
    use portcullis_testing::{TestIssuer, document_differences_of_actix, open_routes_of_actix};

    use super::*;

    #[actix_web::test]
    async fn only_these_routes_are_open() {
        let app = app(&TestIssuer::new().gate(), Metrics::without_recorder().unwrap());
        let routes = ["public", "private", "private-scoped", "greeting"].map(|name| format!("/api/{name}"));
        let paths =
            routes.iter().map(String::as_str).chain(["/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"]);
        let open = open_routes_of_actix(app, paths.map(|path| ("GET", path))).await;
        let expected = ["/api/public", "/api/greeting", "/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"];
        assert_eq!(open, expected.map(|path| format!("GET {path} 200")));
    }

    #[actix_web::test]
    async fn document_says_what_the_extractors_demand() {
        let claims = json!({"sub": "alice"});
        let differences = document_differences_of_actix(&claims, |gate| api(&gate)).await;
        assert_eq!(differences, [""; 0]);
    }
}
