//! The service on Axum.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{Response, Sse};
use axum::routing::{get, post};
use futures_core::Stream;
use portcullis_axum::{Auth, AuthLayer, Gate, HasGate, Rejection, Watch, websocket};

use crate::running::Running;
use crate::service::Service;

impl HasGate for Service {
    fn gate(&self) -> Option<&Gate> {
        Some(self.gate())
    }
}

pub(crate) fn serve(service: &Service) -> Running {
    let routes = Router::new()
        .route("/socket", get(connect))
        .route("/first", get(connect_anonymous))
        .route("/ticket", post(ticket))
        .route("/events", get(events).layer(AuthLayer::new(service.streams())));
    Running::axum(routes.with_state(service.clone()))
}

async fn ticket(State(service): State<Service>, auth: Auth) -> Result<String, Rejection> {
    Ok(service.gate().issue_ticket(service.tickets(), &auth)?)
}

async fn events(State(service): State<Service>, auth: Auth) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(service.watch(&auth).limit(service.ticks(|| Ok(Event::default().data("tick")))))
}

async fn connect(State(service): State<Service>, auth: Auth, fields: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let watch = service.watch(&auth);
    upgrade.protocols(websocket::select_subprotocol(&fields, ["chat.v2"])).on_upgrade(|socket| async move {
        let _open = service.begin();
        serve_socket(socket, watch).await;
    })
}

async fn connect_anonymous(State(service): State<Service>, upgrade: WebSocketUpgrade) -> Response {
    websocket::first_message(upgrade, service.first_message(), |socket, watch| async move {
        let _open = service.begin();
        serve_socket(socket, service.watch(watch.caller())).await;
    })
}

async fn serve_socket(mut socket: WebSocket, watch: Watch) {
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
