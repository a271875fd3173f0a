//! The service on Axum.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::sse::Event;
use axum::response::{Response, Sse};
use axum::routing::{get, post};
use futures_core::Stream;
use portcullis_axum::websocket::{self, FirstMessage};
use portcullis_axum::{Auth, AuthLayer, Gate, HasGate, Rejection, Watch, resource_metadata_routes};
use tower_http::cors::CorsLayer;

use super::service::Service;

impl HasGate for Service {
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}

/// Pages of `origin` may send these requests, and read these fields of the responses.
fn cors(origin: HeaderValue) -> CorsLayer {
    CorsLayer::new()
        .allow_origin([origin])
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("dpop"),
            HeaderName::from_static("mcp-protocol-version"),
            HeaderName::from_static("mcp-session-id"),
        ])
        .expose_headers([
            WWW_AUTHENTICATE,
            RETRY_AFTER,
            HeaderName::from_static("dpop-nonce"),
            HeaderName::from_static("mcp-session-id"),
        ])
}

pub(super) fn app(service: Service, origin: &str) -> Router {
    let metadata = resource_metadata_routes(&service.gate);
    let guarded = Router::new()
        .route("/mcp", post(|| async { "{}" }))
        .route("/me", get(me).delete(|| async { "deleted" }))
        .route("/ticket", post(ticket))
        .layer(AuthLayer::new(service.gate.clone()));
    let streams = service.gate.clone().with_tickets(&service.tickets);
    Router::new()
        .merge(guarded)
        .route("/bound", get(me).layer(AuthLayer::new(service.bound.clone())))
        .route("/events", get(events).layer(AuthLayer::new(streams)))
        .route("/socket", get(connect))
        .route("/first", get(connect_anonymous))
        // The CORS layer is around the guards, so pages can read refusals too.
        .layer(cors(origin.parse().unwrap()))
        // The metadata has its own CORS fields, for pages of every origin.
        .merge(metadata)
        .with_state(service)
}

async fn me(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn ticket(State(service): State<Service>, auth: Auth) -> Result<String, Rejection> {
    Ok(service.gate.issue_ticket(&service.tickets, &auth)?)
}

async fn events(State(service): State<Service>, auth: Auth) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(service.gate.watch(&auth).limit(service.ticks(|| Ok(Event::default().data("tick")))))
}

async fn connect(State(service): State<Service>, auth: Auth, fields: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let watch = service.gate.watch(&auth);
    let selected = websocket::select_subprotocol(&fields, ["chat.v2"]);
    upgrade.protocols(selected).on_upgrade(|socket| serve(socket, watch))
}

async fn connect_anonymous(State(service): State<Service>, upgrade: WebSocketUpgrade) -> Response {
    websocket::first_message(upgrade, FirstMessage::new(&service.gate), serve)
}

async fn serve(mut socket: WebSocket, watch: Watch) {
    // `echo` stops when the client disconnects, and when the caller may no longer be connected.
    let Err(ended) = watch.run(echo(&mut socket)).await else { return };
    websocket::close(socket, &ended).await;
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
