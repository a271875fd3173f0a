//! WebSockets: the subprotocol to select, and the first message that has the token.
//!
//! # The token as a subprotocol
//!
//! A page calls `new WebSocket(url, ["bearer", token, "chat.v2"])`. The gate reads the token
//! ([`TokenSource::websocket_protocol`](crate::TokenSource::websocket_protocol)), and the handler selects `chat.v2`:
//!
//! ```
//! # #[cfg(feature = "ws")] {
//! use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
//! use actix_ws::{MessageStream, Session};
//! use portcullis_actix::{Auth, Gate, Watch, websocket};
//!
//! async fn connect(
//!     gate: web::Data<Gate>,
//!     auth: Auth,
//!     request: HttpRequest,
//!     body: web::Payload,
//! ) -> Result<HttpResponse, Error> {
//!     let selected = websocket::select_subprotocol(&request, ["chat.v2"]);
//!     let (response, session, messages) =
//!         actix_ws::handle_with_protocols(&request, body, selected.as_slice())?;
//!     rt::spawn(serve(session, messages, gate.watch(&auth)));
//!     Ok(response)
//! }
//!
//! async fn serve(session: Session, messages: MessageStream, watch: Watch) {
//!     // `talk` stops when the client disconnects, and when the caller may no longer be connected.
//!     let Err(ended) = watch.run(talk(session.clone(), messages)).await else { return };
//!     websocket::close(session, &ended).await;
//! }
//! # async fn talk(_: Session, _: MessageStream) {}
//! # let _ = actix_web::App::new().route("/", web::get().to(connect));
//! # }
//! ```
//!
//! # The token in the first message
//!
//! ```
//! # #[cfg(feature = "ws")] {
//! use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
//! use actix_ws::{MessageStream, Session};
//! use portcullis_actix::websocket::{self, FirstMessage};
//! use portcullis_actix::{Gate, Watch};
//!
//! async fn connect(gate: web::Data<Gate>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
//!     let (response, session, messages) = actix_ws::handle(&request, body)?;
//!     rt::spawn(websocket::first_message(session, messages, FirstMessage::new(&gate), serve));
//!     Ok(response)
//! }
//!
//! async fn serve(session: Session, messages: MessageStream, watch: Watch) {
//!     let caller = watch.caller().clone();
//!     let Err(ended) = watch.run(talk(session.clone(), messages, caller.subject())).await else { return };
//!     websocket::close(session, &ended).await;
//! }
//! # async fn talk(_: Session, _: MessageStream, _: Option<&str>) {}
//! # let _ = actix_web::App::new().route("/", web::get().to(connect));
//! # }
//! ```

#[cfg(feature = "ws")]
use std::time::Duration;

use actix_web::HttpRequest;
#[cfg(feature = "ws")]
use actix_web::rt::time::timeout;
#[cfg(feature = "ws")]
use actix_ws::{CloseReason, Item, Message, MessageStream, ProtocolError, Session};
#[cfg(feature = "ws")]
use portcullis::{AuthError, Watch};

#[cfg(feature = "remote")]
pub use portcullis::websocket::{FirstMessage, NotAdmitted};

use crate::view::view;

/// How long a client may take for the closing handshake.
#[cfg(feature = "ws")]
const CLOSING: Duration = Duration::from_secs(5);

/// Returns the subprotocol to select for the handshake `request`: the first of `supported` that the client offers, else the word
/// `bearer` in front of a token, and never a name that holds a token. [`portcullis::websocket::select_subprotocol`] says more.
pub fn select_subprotocol<'s>(request: &HttpRequest, supported: impl IntoIterator<Item = &'s str>) -> Option<&'s str> {
    portcullis::websocket::select_subprotocol(&view(request), supported)
}

/// Reads the first message of a connection, and calls `serve` when it has a good token. Otherwise the connection is closed with a
/// code that says why ([`FirstMessage`]).
///
/// The limit of later messages ([`FirstMessage::max_later_bytes`]) replaces that of `messages`. It counts for each frame.
#[cfg(feature = "ws")]
#[cfg_attr(docsrs, doc(cfg(feature = "ws")))]
pub async fn first_message<S, Served>(session: Session, messages: MessageStream, first: FirstMessage, serve: S)
where
    S: FnOnce(Session, MessageStream, Watch) -> Served,
    Served: Future<Output = ()>,
{
    let (max_bytes, max_later_bytes) = first.limits();
    let mut messages = messages.max_frame_size(max_later_bytes);
    match first.admit(receive(&mut session.clone(), &mut messages, max_bytes)).await {
        Ok(watch) => serve(session, messages, watch).await,
        Err(error) => {
            if let Some((code, reason)) = error.close() {
                send_close(session, code, reason).await;
                // The rest is read, because a connection that ends with unread bytes is reset, and the client then sees no code.
                let _ = timeout(CLOSING, async { while let Some(Ok(_)) = messages.recv().await {} }).await;
            }
        }
    }
}

/// Closes a connection that has to end, with the code and the sentence of `ended`. It waits for at most five seconds until the frame
/// can be sent.
#[cfg(feature = "ws")]
#[cfg_attr(docsrs, doc(cfg(feature = "ws")))]
pub async fn close(session: Session, ended: &AuthError) {
    send_close(session, ended.websocket_close_code(), ended.description()).await;
}

/// Returns the first message. It may be in several frames.
#[cfg(feature = "ws")]
async fn receive(session: &mut Session, messages: &mut MessageStream, max_bytes: usize) -> Result<String, NotAdmitted> {
    let mut text = Vec::new();
    loop {
        let (part, is_last) = match messages.recv().await {
            Some(Ok(Message::Text(whole))) => return Ok(whole.to_string()),
            Some(Ok(Message::Continuation(Item::FirstText(part) | Item::Continue(part)))) => (part, false),
            Some(Ok(Message::Continuation(Item::Last(part)))) => (part, true),
            Some(Ok(Message::Binary(_) | Message::Continuation(Item::FirstBinary(_)))) => {
                return Err(NotAdmitted::NotText);
            }
            Some(Ok(Message::Ping(bytes))) => {
                session.pong(&bytes).await.map_err(|_| NotAdmitted::Left)?;
                continue;
            }
            Some(Ok(Message::Pong(_) | Message::Nop)) => continue,
            Some(Err(ProtocolError::Overflow)) => return Err(NotAdmitted::TooLarge),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(NotAdmitted::Left),
        };
        text.extend_from_slice(&part);
        if text.len() > max_bytes {
            return Err(NotAdmitted::TooLarge);
        }
        if is_last {
            return String::from_utf8(text).map_err(|_| NotAdmitted::NotText);
        }
    }
}

#[cfg(feature = "ws")]
async fn send_close(session: Session, code: u16, reason: &str) {
    let close = CloseReason { code: code.into(), description: Some(reason.to_owned()) };
    // A client that does not read must not keep the connection open.
    let _ = timeout(CLOSING, session.close(Some(close))).await;
}
