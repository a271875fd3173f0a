//! Whether a request has a body that no header field announces.

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
    request.set_payload(Payload::Stream { payload: Box::pin(Peeked { first, rest: payload }) });
    true
}

/// A body whose first piece was read.
struct Peeked {
    first: Option<Result<Bytes, PayloadError>>,
    rest: Payload,
}

impl Stream for Peeked {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let peeked = self.get_mut();
        match peeked.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut peeked.rest).poll_next(context),
        }
    }
}
