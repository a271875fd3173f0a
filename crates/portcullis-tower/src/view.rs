//! An `http` request as the core sees it.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Extensions, Uri, Version};
use http_body::Body;
use portcullis::adapter::{ClientCertificate, RequestView};

/// The head of an `http` request, as the core reads it. Nothing is copied.
///
/// A [`ClientCertificate`] among the extensions of the request is that of its connection.
///
/// ```
/// use portcullis_tower::adapter::RequestView;
/// use portcullis_tower::PartsView;
///
/// let (parts, ()) = http::Request::get("/orders").body(()).unwrap().into_parts();
/// assert_eq!(PartsView::new(&parts).method(), "GET");
/// ```
pub struct PartsView<'a> {
    parts: &'a Parts,
    original_uri: fn(&Extensions) -> Option<&Uri>,
    peer_address: fn(&Extensions) -> Option<IpAddr>,
    has_unannounced_body: bool,
}

impl<'a> PartsView<'a> {
    /// The view of a request.
    #[must_use]
    pub fn new(parts: &'a Parts) -> Self {
        Self { parts, original_uri: |_| None, peer_address: |_| None, has_unannounced_body: false }
    }

    /// With the request's body, which over HTTP/2 needs no header field. A guard has to know of it, because a CORS
    /// preflight has no body.
    #[must_use]
    pub fn with_body(self, body: &impl Body) -> Self {
        // Over HTTP/1 the header fields decide (RFC 9112 §6.3).
        Self { has_unannounced_body: self.parts.version > Version::HTTP_11 && !body.is_end_stream(), ..self }
    }

    /// With the URI as the server received it, which `find` finds among the request's extensions. It is for frameworks that remove
    /// a prefix from the path before a nested service sees it. `find` is called where the URI is needed, which it is not for most
    /// requests.
    #[must_use]
    pub fn with_original_uri(self, find: fn(&Extensions) -> Option<&Uri>) -> Self {
        Self { original_uri: find, ..self }
    }

    /// With the address of the peer of the connection, as the server accepted it, which `find` finds among the request's extensions.
    /// `find` is called where the address is needed.
    #[must_use]
    pub fn with_peer_address(self, find: fn(&Extensions) -> Option<IpAddr>) -> Self {
        Self { peer_address: find, ..self }
    }

    fn uri(&self) -> &Uri {
        (self.original_uri)(&self.parts.extensions).unwrap_or(&self.parts.uri)
    }
}

impl RequestView for PartsView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let fields = match name {
            // The usual field. A text would be parsed for each request.
            "authorization" => self.parts.headers.get_all(AUTHORIZATION),
            name => self.parts.headers.get_all(name),
        };
        fields.iter().for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.parts.method.as_str().into()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        Some(self.uri().path().into())
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.uri().query().map(Cow::Borrowed)
    }

    fn may_have_unannounced_body(&self) -> bool {
        self.has_unannounced_body
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        self.parts.extensions.get().copied()
    }

    fn peer_address(&self) -> Option<IpAddr> {
        (self.peer_address)(&self.parts.extensions)
    }
}
