//! A refusal as an error and a response.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use portcullis::{Reason, Refusal};

/// The response to a request that is refused: the gate's [`Refusal`], byte for byte.
///
/// A rejection that is dropped unread is logged as an error, because Actix does that when a handler takes `Option<Auth>`
/// ([`MaybeAuth`](crate::MaybeAuth) is the right type).
#[derive(Debug)]
pub struct Rejection {
    refusal: Box<Refusal>,
    seen: AtomicBool,
}

impl Rejection {
    /// Returns the refusal, with its reason.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        self.seen.store(true, Ordering::Relaxed);
        &self.refusal
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self { refusal: Box::new(refusal), seen: AtomicBool::new(false) }
    }
}

impl Drop for Rejection {
    fn drop(&mut self) {
        if !*self.seen.get_mut() {
            tracing::error!(
                status = self.refusal.status,
                reason = self.refusal.reason.map(Reason::as_str),
                "a refused request goes on to its handler: for an optional credential take MaybeAuth, never Option<Auth>"
            );
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refusal.reason {
            Some(reason) => write!(f, "refused with {}: {reason}", self.refusal.status),
            None => write!(f, "refused with {}", self.refusal.status),
        }
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        status_code(self.refusal.status)
    }

    fn error_response(&self) -> HttpResponse {
        let refusal = self.refusal();
        let headers = refusal.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        response(refusal.status, headers, refusal.body.clone())
    }
}

/// Makes a response of the plain values of a gate. Fields that HTTP cannot send are left out; the gate's own fields can always
/// be sent.
pub(crate) fn response<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: String,
) -> HttpResponse {
    let mut response = HttpResponse::with_body(status_code(status), BoxBody::new(body));
    for (name, value) in headers {
        if let (Some(name), Ok(value)) = (name_of(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// The name of a field, unless HTTP cannot send it. Those of most refusals are not parsed.
fn name_of(name: &str) -> Option<HeaderName> {
    match name {
        "www-authenticate" => Some(WWW_AUTHENTICATE),
        "cache-control" => Some(CACHE_CONTROL),
        "content-type" => Some(CONTENT_TYPE),
        other => HeaderName::try_from(other).ok(),
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
