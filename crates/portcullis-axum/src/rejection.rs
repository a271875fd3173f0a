//! A refusal as a response.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use portcullis::Refusal;

/// The answer to a request that is not let in: the gate's [`Refusal`], byte by byte.
#[derive(Clone, Debug)]
pub struct Rejection(Box<Refusal>);

impl Rejection {
    /// The refusal, with its reason.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let Refusal { status, headers, body, .. } = *self.0;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            // What is no header field can't be sent; the gate's own always are.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}
