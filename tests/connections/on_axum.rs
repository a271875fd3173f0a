//! The service on Axum.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::Event;
use axum::response::{Response, Sse};
use axum::routing::get;
use futures_core::Stream;
use portcullis_axum::{Auth, Gate, HasGate, Watch};

use crate::running::Running;
use crate::service::Service;

impl HasGate for Service {
    fn gate(&self) -> Option<&Gate> {
        Some(self.gate())
    }
}

pub(crate) fn serve(service: &Service) -> Running {
    let routes = Router::new().route("/socket", get(connect)).route("/events", get(events));
    Running::axum(routes.with_state(service.clone()))
}

async fn events(State(service): State<Service>, auth: Auth) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(service.watch(&auth).limit(service.ticks(|| Ok(Event::default().data("tick")))))
}

async fn connect(State(service): State<Service>, auth: Auth, upgrade: WebSocketUpgrade) -> Response {
    let watch = service.watch(&auth);
    upgrade.on_upgrade(|socket| async move {
        let _open = service.begin();
        serve_socket(socket, watch).await;
    })
}

async fn serve_socket(mut socket: WebSocket, watch: Watch) {
    let Err(ended) = watch.run(echo(&mut socket)).await else { return };
    let close = CloseFrame { code: ended.websocket_close_code(), reason: ended.description().to_owned().into() };
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.send(Message::Close(Some(close)))).await;
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
