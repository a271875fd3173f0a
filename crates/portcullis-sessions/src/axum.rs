//! The routes of sessions on Axum.
//!
//! A service with a login, its own tokens, and a route for verified callers:
//!
//! ```
#![doc = include_str!("../docs/first_route_axum.rs")]
//! ```

use std::convert::Infallible;

use ::axum::Router;
use ::axum::body::{Body, Bytes};
use ::axum::extract::FromRequestParts;
use ::axum::http::request::Parts;
use ::axum::http::{HeaderName, HeaderValue, StatusCode};
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::post;
use portcullis::Refusal;
use portcullis::adapter::RequestView;

use crate::events::{BackchannelLogout, EventReceiver, EventRequest, EventResponse, MAX_BODY_BYTES, TOO_LONG};
use crate::request::SessionRequest;
use crate::web::{SessionResponse, WebSessions};

/// Returns the routes `POST {path}/refresh` and `POST {path}/logout`, to be merged into the router of the service. After
/// [`WebSessions::allow_get`] they also answer GET.
pub fn routes<S: Clone + Send + Sync + 'static>(web: &WebSessions) -> Router<S> {
    let (refresh, log_out) = (web.clone(), web.clone());
    let refresh = async move |request: SessionRequest, body: Bytes| answer(refresh.refresh(&request, &body).await);
    let log_out = async move |request: SessionRequest, body: Bytes| answer(log_out.log_out(&request, &body).await);
    let at = |route: &str| format!("{}/{route}", web.path());
    let (mut refreshes, mut logouts) = (post(refresh.clone()), post(log_out.clone()));
    if web.gets_are_allowed() {
        (refreshes, logouts) = (refreshes.get(refresh), logouts.get(log_out));
    }
    Router::new().route(&at("refresh"), refreshes).route(&at("logout"), logouts)
}

/// Returns the route `POST {path}` for logout tokens (OpenID Connect Back-Channel Logout 1.0).
///
/// ```
#[doc = include_str!("../docs/first_receivers_axum.rs")]
/// ```
pub fn backchannel_logout<S: Clone + Send + Sync + 'static>(path: &str, logout: &BackchannelLogout) -> Router<S> {
    let logout = logout.clone();
    let receive = async move |request: EventRequest, body: Body| logout.receive(&request, &bounded(body).await).await;
    Router::new().route(path, post(receive))
}

/// Returns the route `POST {path}` for pushed security events (RFC 8935).
pub fn security_events<S: Clone + Send + Sync + 'static>(path: &str, receiver: &EventReceiver) -> Router<S> {
    let receiver = receiver.clone();
    let receive = async move |request: EventRequest, body: Body| receiver.receive(&request, &bounded(body).await).await;
    Router::new().route(path, post(receive))
}

async fn bounded(body: Body) -> Bytes {
    ::axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_else(|_| Bytes::from_static(&TOO_LONG))
}

impl<S: Send + Sync> FromRequestParts<S> for EventRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&View(parts)))
    }
}

impl IntoResponse for EventResponse {
    fn into_response(self) -> Response {
        response(self.status, self.headers, self.body)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&View(parts)))
    }
}

impl IntoResponse for SessionResponse {
    fn into_response(self) -> Response {
        response(self.status, self.headers, self.body)
    }
}

fn answer(answer: Result<SessionResponse, Refusal>) -> Response {
    match answer {
        Ok(answer) => answer.into_response(),
        Err(Refusal { status, headers, body, .. }) => response(status, headers, body),
    }
}

fn response<N: AsRef<str>>(status: u16, headers: Vec<(N, String)>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

struct View<'p>(&'p Parts);

impl RequestView for View<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.headers.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> std::borrow::Cow<'_, str> {
        self.0.method.as_str().into()
    }
}
