//! The routes of sessions on Actix Web.
//!
//! A service with a login, its own tokens, and a route for verified callers:
//!
//! ```
#![doc = include_str!("../docs/first_route_actix.rs")]
//! ```

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use portcullis::Refusal;
use portcullis::adapter::RequestView;

use crate::events::{BackchannelLogout, EventReceiver, EventRequest, EventResponse, MAX_BODY_BYTES, TOO_LONG};
use crate::request::SessionRequest;
use crate::web::{SessionResponse, WebSessions};

/// Adds the routes `POST {path}/refresh` and `POST {path}/logout` to the service. After [`WebSessions::allow_get`] they also
/// answer GET.
pub fn routes(web: &WebSessions) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let ([for_refresh, for_logout], gets_are_allowed) = ([web.clone(), web.clone()], web.gets_are_allowed());
    move |service| {
        let path = for_refresh.path().to_owned();
        let refresh = move |request: SessionRequest, body: Bytes| {
            let sessions = for_refresh.clone();
            async move { answer(sessions.refresh(&request, &body).await) }
        };
        let log_out = move |request: SessionRequest, body: Bytes| {
            let sessions = for_logout.clone();
            async move { answer(sessions.log_out(&request, &body).await) }
        };
        if gets_are_allowed {
            service.route(&format!("{path}/refresh"), web::get().to(refresh.clone()));
            service.route(&format!("{path}/logout"), web::get().to(log_out.clone()));
        }
        service.route(&format!("{path}/refresh"), web::post().to(refresh));
        service.route(&format!("{path}/logout"), web::post().to(log_out));
    }
}

/// Adds the route `POST {path}` for logout tokens (OpenID Connect Back-Channel Logout 1.0).
///
/// ```
#[doc = include_str!("../docs/first_receivers_actix.rs")]
/// ```
pub fn backchannel_logout(path: &str, logout: &BackchannelLogout) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (path, logout) = (path.to_owned(), logout.clone());
    move |service| {
        let receive = move |request: EventRequest, body: web::Payload| {
            let logout = logout.clone();
            async move { logout.receive(&request, &bounded(body).await).await }
        };
        service.route(&path, web::post().to(receive));
    }
}

/// Adds the route `POST {path}` for pushed security events (RFC 8935).
pub fn security_events(path: &str, receiver: &EventReceiver) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (path, receiver) = (path.to_owned(), receiver.clone());
    move |service| {
        let receive = move |request: EventRequest, body: web::Payload| {
            let receiver = receiver.clone();
            async move { receiver.receive(&request, &bounded(body).await).await }
        };
        service.route(&path, web::post().to(receive));
    }
}

async fn bounded(body: web::Payload) -> Bytes {
    match body.to_bytes_limited(MAX_BODY_BYTES).await {
        Ok(Ok(body)) => body,
        _ => Bytes::from_static(&TOO_LONG),
    }
}

impl FromRequest for EventRequest {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(&View { headers: request.headers(), method: request.method() })))
    }
}

impl Responder for EventResponse {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        response(self.status, self.headers, self.body)
    }
}

impl FromRequest for SessionRequest {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(&View { headers: request.headers(), method: request.method() })))
    }
}

impl Responder for SessionResponse {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        response(self.status, self.headers, self.body)
    }
}

fn answer(answer: Result<SessionResponse, Refusal>) -> HttpResponse {
    match answer {
        Ok(SessionResponse { status, headers, body }) => response(status, headers, body),
        Err(Refusal { status, headers, body, .. }) => response(status, headers, body),
    }
}

fn response<N: AsRef<str>>(status: u16, headers: Vec<(N, String)>, body: String) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value)) {
            response.append_header((name, value));
        }
    }
    response.body(body)
}

/// The whole request cannot be shared between threads.
struct View<'r> {
    headers: &'r HeaderMap,
    method: &'r Method,
}

impl RequestView for View<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.get_all(name).for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }
}
