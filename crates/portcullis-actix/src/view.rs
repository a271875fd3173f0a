//! An Actix request as the core sees it.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::dev::AppConfig;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::http::{Method, Uri};
use portcullis::adapter::RequestView;

/// The parts that may be shared between threads, which the request as a whole may not.
pub(crate) struct HttpRequestView<'a> {
    headers: &'a HeaderMap,
    method: &'a Method,
    uri: &'a Uri,
    config: &'a AppConfig,
}

impl<'a> HttpRequestView<'a> {
    pub(crate) fn new(request: &'a HttpRequest) -> Self {
        Self { headers: request.headers(), method: request.method(), uri: request.uri(), config: request.app_config() }
    }
}

impl RequestView for HttpRequestView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.get_all(name).for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }

    /// By the request's own authority, else its Host field; forwarding headers are not looked at.
    fn target_uri(&self) -> Option<Cow<'_, str>> {
        let scheme = if self.config.secure() { "https" } else { "http" };
        let host = || self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = self.uri.authority().map(|authority| authority.as_str()).or_else(host)?;
        Some(format!("{scheme}://{authority}{}", self.uri.path()).into())
    }
}
