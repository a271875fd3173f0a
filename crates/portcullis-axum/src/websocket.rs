//! WebSockets: the subprotocol to select, and the first message that has the token.
//!
//! # The token as a subprotocol
//!
//! A page calls `new WebSocket(url, ["bearer", token, "chat.v2"])`. The gate reads the token
//! ([`TokenSource::websocket_protocol`](crate::TokenSource::websocket_protocol)), and the handler selects `chat.v2`:
//!
//! ```
//! # #[cfg(feature = "ws")] {
//! use axum::extract::State;
//! use axum::extract::ws::{WebSocket, WebSocketUpgrade};
//! use axum::http::HeaderMap;
//! use axum::response::Response;
//! use portcullis_axum::{Auth, Gate, Watch, websocket};
//!
//! async fn connect(State(gate): State<Gate>, auth: Auth, fields: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
//!     let watch = gate.watch(&auth);
//!     let selected = websocket::select_subprotocol(&fields, ["chat.v2"]);
//!     upgrade.protocols(selected).on_upgrade(|socket| serve(socket, watch))
//! }
//!
//! async fn serve(mut socket: WebSocket, watch: Watch) {
//!     // `talk` stops when the client disconnects, and when the caller may no longer be connected.
//!     let Err(ended) = watch.run(talk(&mut socket)).await else { return };
//!     websocket::close(socket, &ended).await;
//! }
//! # async fn talk(_: &mut WebSocket) {}
//! # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(connect))
//! #     .with_state(portcullis_testing::TestIssuer::new().gate());
//! # }
//! ```
//!
//! # The token in the first message
//!
//! ```
//! # #[cfg(feature = "ws")] {
//! use axum::extract::State;
//! use axum::extract::ws::{WebSocket, WebSocketUpgrade};
//! use axum::response::Response;
//! use portcullis_axum::websocket::{self, FirstMessage};
//! use portcullis_axum::{Gate, Watch};
//!
//! async fn connect(State(gate): State<Gate>, upgrade: WebSocketUpgrade) -> Response {
//!     websocket::first_message(upgrade, FirstMessage::new(&gate), serve)
//! }
//!
//! async fn serve(mut socket: WebSocket, watch: Watch) {
//!     let caller = watch.caller().clone();
//!     let Err(ended) = watch.run(talk(&mut socket, caller.subject())).await else { return };
//!     websocket::close(socket, &ended).await;
//! }
//! # async fn talk(_: &mut WebSocket, _: Option<&str>) {}
//! # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(connect))
//! #     .with_state(portcullis_testing::TestIssuer::new().gate());
//! # }
//! ```

#[cfg(feature = "ws")]
use std::time::Duration;

#[cfg(feature = "ws")]
use axum::extract::ws::{CloseFrame, Message, OnFailedUpgrade, WebSocket, WebSocketUpgrade};
#[cfg(feature = "ws")]
use axum::response::Response;
use http::HeaderMap;
#[cfg(feature = "ws")]
use portcullis::{AuthError, Watch};

#[cfg(feature = "remote")]
pub use portcullis::websocket::{FirstMessage, NotAdmitted};

use crate::view::Fields;

/// How long a client may take for the closing handshake.
#[cfg(feature = "ws")]
const CLOSING: Duration = Duration::from_secs(5);

/// Returns the subprotocol to select for the handshake with these header fields: the first of `supported` that the client offers,
/// else the word `bearer` in front of a token, and never a name that holds a token.
/// [`portcullis::websocket::select_subprotocol`] says more.
pub fn select_subprotocol<'s>(fields: &HeaderMap, supported: impl IntoIterator<Item = &'s str>) -> Option<&'s str> {
    portcullis::websocket::select_subprotocol(&Fields(fields), supported)
}

/// Finishes the handshake of anyone, and calls `serve` when the first message has a good token. Otherwise the connection is closed
/// with a code that says why ([`FirstMessage`]).
///
/// The limit of later messages ([`FirstMessage::max_later_bytes`]) replaces those of `upgrade`. A longer message ends the
/// connection.
#[cfg(feature = "ws")]
#[cfg_attr(docsrs, doc(cfg(feature = "ws")))]
pub fn first_message<F, S, Served>(upgrade: WebSocketUpgrade<F>, first: FirstMessage, serve: S) -> Response
where
    F: OnFailedUpgrade,
    S: FnOnce(WebSocket, Watch) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let (_, max_bytes) = first.limits();
    upgrade.max_message_size(max_bytes).max_frame_size(max_bytes).on_upgrade(move |mut socket| async move {
        match first.admit(receive(&mut socket)).await {
            Ok(watch) => serve(socket, watch).await,
            Err(error) => {
                if let Some((code, reason)) = error.close() {
                    send_close(socket, code, reason).await;
                }
            }
        }
    })
}

/// Closes a connection that has to end, with the code and the sentence of `ended`. It waits for the client for at most five
/// seconds.
#[cfg(feature = "ws")]
#[cfg_attr(docsrs, doc(cfg(feature = "ws")))]
pub async fn close(socket: WebSocket, ended: &AuthError) {
    send_close(socket, ended.websocket_close_code(), ended.description()).await;
}

#[cfg(feature = "ws")]
async fn receive(socket: &mut WebSocket) -> Result<String, NotAdmitted> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => return Err(NotAdmitted::NotText),
            // The answer to a ping is sent by axum.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(NotAdmitted::Left),
        }
    }
}

#[cfg(feature = "ws")]
async fn send_close(mut socket: WebSocket, code: u16, reason: &str) {
    let close = CloseFrame { code, reason: reason.into() };
    // The rest is read, because a connection that ends with unread bytes is reset, and the client then sees no code. A client that
    // does not answer must not keep the connection open.
    let closing = async {
        if socket.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(CLOSING, closing).await;
}
