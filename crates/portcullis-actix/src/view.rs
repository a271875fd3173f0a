//! An Actix request as the core sees it.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Uri};
use portcullis::adapter::RequestView;

/// The parts of a request that the core reads. They can be shared between threads, which the whole request cannot.
pub(crate) struct HttpRequestView<'a> {
    headers: &'a HeaderMap,
    method: &'a Method,
    uri: &'a Uri,
}

/// Returns the view of a request. Its URI is the one that the server received: a scope does not change it.
pub(crate) fn view(request: &HttpRequest) -> HttpRequestView<'_> {
    HttpRequestView { headers: request.headers(), method: request.method(), uri: request.uri() }
}

impl RequestView for HttpRequestView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.get_all(name).for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        Some(self.uri.path().into())
    }
}
