//! An Actix request as the core sees it.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::http::{Method, Uri};
use portcullis::adapter::{ClientCertificate, RequestView};

/// The parts of a request that the core reads. They can be shared between threads, which the whole request cannot.
pub(crate) struct HttpRequestView<'a> {
    headers: &'a HeaderMap,
    method: &'a Method,
    uri: &'a Uri,
    client_certificate: Option<ClientCertificate>,
    peer_address: Option<IpAddr>,
    has_unannounced_body: bool,
}

/// Returns the view of a request. Its URI is the one that the server received: a scope does not change it.
pub(crate) fn view(request: &HttpRequest) -> HttpRequestView<'_> {
    HttpRequestView {
        headers: request.headers(),
        method: request.method(),
        uri: request.uri(),
        client_certificate: request.conn_data().copied(),
        peer_address: request.peer_addr().map(|address| address.ip()),
        has_unannounced_body: false,
    }
}

impl HttpRequestView<'_> {
    /// With the information that a body follows, which over HTTP/2 needs no header field.
    pub(crate) fn with_unannounced_body(self, has_unannounced_body: bool) -> Self {
        Self { has_unannounced_body, ..self }
    }
}

impl RequestView for HttpRequestView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let fields = match name {
            // The usual field. A text would be parsed for each request.
            "authorization" => self.headers.get_all(AUTHORIZATION),
            name => self.headers.get_all(name),
        };
        fields.for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        Some(self.uri.path().into())
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.uri.query().map(Cow::Borrowed)
    }

    fn may_have_unannounced_body(&self) -> bool {
        self.has_unannounced_body
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        self.client_certificate
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer_address
    }
}
