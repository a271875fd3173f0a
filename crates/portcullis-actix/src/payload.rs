//! Reading bodies before the handler does, and putting them back.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::{Method, Version};
use actix_web::web::Bytes;
use futures_core::Stream;

/// Whether a body follows the head of a request over HTTP/2. It looks only at OPTIONS, because only a preflight must have
/// no body. What it reads of the body is put back.
pub(crate) fn has_unannounced_body(request: &mut ServiceRequest) -> bool {
    if request.method() != Method::OPTIONS || request.version() != Version::HTTP_2 {
        return false;
    }
    let mut payload = request.take_payload();
    // A stream that is pending is not at its end. The handler that reads it later is woken by its own context.
    let first = match Pin::new(&mut payload).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(None) => return false,
        Poll::Ready(Some(first)) => Some(first),
        Poll::Pending => None,
    };
    request.set_payload(put_back(first.into_iter().collect(), payload));
    true
}

/// Reads the body, and returns it again. The first value is `None` if it has more than `limit` bytes, or cannot be read to its
/// end.
pub(crate) async fn read(mut payload: Payload, limit: usize) -> (Option<Vec<u8>>, Payload) {
    let (mut pieces, mut whole) = (VecDeque::new(), Vec::new());
    loop {
        match poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await {
            None => return (Some(whole), put_back(pieces, Payload::None)),
            // Empty pieces take memory, and a client can send any number of them over HTTP/2.
            Some(Ok(piece)) if piece.is_empty() => {}
            Some(Ok(piece)) => {
                whole.extend_from_slice(&piece);
                pieces.push_back(Ok(piece));
                if whole.len() > limit {
                    return (None, put_back(pieces, payload));
                }
            }
            Some(Err(error)) => {
                pieces.push_back(Err(error));
                return (None, put_back(pieces, payload));
            }
        }
    }
}

fn put_back(pieces: VecDeque<Result<Bytes, PayloadError>>, rest: Payload) -> Payload {
    Payload::Stream { payload: Box::pin(PutBack { pieces, rest }) }
}

/// A body whose first pieces were read.
struct PutBack {
    pieces: VecDeque<Result<Bytes, PayloadError>>,
    rest: Payload,
}

impl Stream for PutBack {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = self.get_mut();
        match body.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(piece)),
            None => Pin::new(&mut body.rest).poll_next(context),
        }
    }
}
