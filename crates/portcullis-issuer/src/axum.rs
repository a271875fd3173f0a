//! The documents as routes of Axum.
//!
//! A service that issues its own tokens, and a route for verified callers:
//!
//! ```
#![doc = include_str!("../docs/first_route_axum.rs")]
//! ```

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::axum::Router;
use ::axum::body::{Body, Bytes};
use ::axum::http::header::IF_NONE_MATCH;
use ::axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::{MethodRouter, any};
use http_body::Frame;

use crate::documents::{Document, DocumentResponse};
use crate::issuer::Issuer;

/// Returns the routes of all documents of `issuer`, to be merged into the router of the service.
///
/// Behind a proxy that strips a prefix, add each [`document`] at the path that the service gets.
pub fn documents<S: Clone + Send + Sync + 'static>(issuer: &Issuer) -> Router<S> {
    let add = |router: Router<S>, each| router.route(&issuer.path(each), document(issuer, each));
    Document::ALL.iter().copied().fold(Router::new(), add)
}

/// Returns the route of one document.
///
/// ```
/// use axum::Router;
/// use portcullis_issuer::{Document, Issuer, axum::document};
///
/// fn behind_a_proxy(issuer: &Issuer) -> Router {
///     Router::new().route("/jwks.json", document(issuer, Document::Jwks))
/// }
/// ```
pub fn document<S: Clone + Send + Sync + 'static>(issuer: &Issuer, document: Document) -> MethodRouter<S> {
    let issuer = issuer.clone();
    any(async move |method: Method, headers: HeaderMap| {
        let tags: Vec<_> = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
        let tags = (!tags.is_empty()).then(|| tags.join(","));
        issuer.document(document).await.respond(method.as_str(), tags.as_deref())
    })
}

impl IntoResponse for DocumentResponse {
    fn into_response(self) -> Response {
        let has_content = !matches!(self.status, 204 | 304);
        let mut response = Response::new(if has_content { Body::from(self.body) } else { Body::new(NoContent) });
        // Statuses and fields are those of this crate, so they can always be sent.
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A body of unknown length, without content. To a HEAD request, axum would add the length 0 of an empty body, which must
/// not be in a 304 (RFC 9110 §8.6).
struct NoContent;

impl http_body::Body for NoContent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
