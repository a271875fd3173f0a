//! A refusal as a response.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use portcullis::Refusal;

/// The answer to a request that is not let in: the gate's [`Refusal`], byte by byte.
#[derive(Clone, Debug)]
pub struct Rejection(Box<Refusal>);

impl Rejection {
    /// Returns the refusal, with its reason.
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
        portcullis_tower::response(*self.0).map(Body::from)
    }
}
