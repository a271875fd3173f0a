//! The recipes on Axum.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::routing::get;
use portcullis_axum::adapter::hide_parameters;
use portcullis_axum::{Auth, AuthLayer, Authorized, Gate, HasGate, Policy, Require, scopes};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;

use super::Ask;

/// In place of the pool of a database.
#[derive(Clone)]
struct Pool;

impl Pool {
    async fn orders_of(&self, _subject: &str) -> u64 {
        3
    }
}

#[derive(Clone)]
struct AppState {
    gate: Gate,
    pool: Pool,
}

impl HasGate for AppState {
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}

async fn me(State(state): State<AppState>, auth: Auth) -> String {
    let subject = auth.subject().unwrap_or_default();
    format!("{subject} has {} orders", state.pool.orders_of(subject).await)
}

struct ReadOrders;

impl Require for ReadOrders {
    fn policy() -> Policy {
        scopes("orders:read")
    }
}

struct WriteOrders;

impl Require for WriteOrders {
    fn policy() -> Policy {
        scopes("orders:write")
    }
}

async fn list_orders(_: Authorized<ReadOrders>) -> &'static str {
    "the orders"
}

async fn create_order(_: Authorized<WriteOrders>) -> &'static str {
    "created"
}

#[derive(Deserialize)]
struct OfTenant {
    org_id: String,
}

async fn documents(Path(tenant): Path<String>, auth: Auth<OfTenant>) -> Result<String, StatusCode> {
    // 404 instead of 403, so that callers do not learn which tenants exist.
    if auth.claims.org_id == tenant { Ok(format!("documents of {tenant}")) } else { Err(StatusCode::NOT_FOUND) }
}

async fn forward(auth: Auth) -> String {
    // The value of `Authorization` for the next service, also if a cookie had the token.
    format!("Bearer {}", auth.raw_token().unwrap_or_default())
}

/// The log has no token of a URL.
pub(super) fn with_log(routes: Router) -> Router {
    let log = TraceLayer::new_for_http().make_span_with(|request: &Request<Body>| {
        let uri = hide_parameters(&request.uri().to_string(), &["access_token", "ticket"]);
        tracing::info_span!("request", method = %request.method(), uri)
    });
    routes.layer(log)
}

pub(super) async fn ask_with_log(gate: &Gate, target: &str) -> u16 {
    let app = with_log(Router::new().route("/events", get(|_: Auth| async {})).with_state(gate.clone()));
    let request = Request::get(target).body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap().status().as_u16()
}

pub(super) fn with_cors(routes: Router, gate: Gate) -> Router {
    let cors = CorsLayer::new()
        .allow_origin([HeaderValue::from_static("https://app.example.com")])
        .allow_headers([AUTHORIZATION, HeaderName::from_static("dpop")])
        .expose_headers([WWW_AUTHENTICATE, HeaderName::from_static("dpop-nonce")]);
    routes.layer(AuthLayer::new(gate)).layer(cors)
}

/// The exposed fields in the answer to a request without a token from a page of that origin.
pub(super) async fn exposed(gate: &Gate) -> (u16, String) {
    let app = with_cors(Router::new().route("/", get(|| async { "" })), gate.clone());
    let request = Request::get("/").header("origin", "https://app.example.com").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_ascii_lowercase();
    (response.status().as_u16(), exposed)
}

fn app(state: AppState) -> Router {
    // The layer guards only the routes that are there when it is added.
    let api = Router::new()
        .route("/private", get(|| async { "private" }))
        .layer(AuthLayer::new(state.gate.clone()))
        .route("/version", get(|| async { "1.0" }));
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(list_orders).post(create_order))
        .route("/tenants/{tenant}/documents", get(documents))
        .route("/forward", get(forward))
        .nest("/api", api)
        .with_state(state)
}

pub(super) async fn answer(gate: &Gate, ask: &Ask) -> (u16, String) {
    let mut request = Request::builder().method(ask.method).uri(ask.path);
    for (name, value) in &ask.fields {
        request = request.header(*name, value);
    }
    let state = AppState { gate: gate.clone(), pool: Pool };
    let response = app(state).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
