//! A request as the core sees it, independent of the web framework.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::credential::ClientCertificate;

/// The parts of a request that authentication may look at.
///
/// Each adapter implements it over its framework's types, without copying them. [`HeaderList`] serves tests.
///
/// ```
/// use std::borrow::Cow;
/// use portcullis::adapter::RequestView;
///
/// struct Request {
///     method: String,
///     path: String,
///     headers: Vec<(String, Vec<u8>)>,
/// }
///
/// impl RequestView for Request {
///     fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
///         let named = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
///         named.for_each(|(_, value)| visit(value));
///     }
///
///     fn method(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.method)
///     }
///
///     fn original_path(&self) -> Option<Cow<'_, str>> {
///         Some(Cow::Borrowed(&self.path))
///     }
/// }
/// ```
pub trait RequestView: Sync {
    /// Calls `visit` with the value of each header field named `name` (in lower case), in order.
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));

    /// The method of the request line, for example `GET`. Header fields that claim another method do not count.
    fn method(&self) -> Cow<'_, str>;

    /// The path as this server received it, percent-encoded, without the query: before a router takes a prefix off.
    /// `None` where the framework does not tell.
    ///
    /// With the gate's [public URL](crate::Gate::with_public_url) it makes the URI that the request is for.
    fn original_path(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// The query as this server received it, percent-encoded, without the question mark. `None` where the target has no
    /// query, or where the framework does not tell. Default: `None`.
    ///
    /// Only tickets ([`Gate::with_tickets`](crate::Gate::with_tickets)) and tokens of
    /// [`dangerous::token_in_query`](crate::dangerous::token_in_query) are read from it.
    fn query(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Whether a body may follow that no header field announces. HTTP/2 permits that (RFC 9113 §8.1), HTTP/1.1 does not
    /// (RFC 9112 §6.3). Default: no.
    ///
    /// A guard takes no request with a body for a CORS preflight.
    fn may_have_unannounced_body(&self) -> bool {
        false
    }

    /// The client's certificate of the TLS connection that the request came on. `None` where the server does not tell, which
    /// is something else than [`ClientCertificate::absent`]. Default: `None`.
    ///
    /// Only what the server put there counts. Header fields never do.
    fn client_certificate(&self) -> Option<ClientCertificate> {
        None
    }

    /// The address of the peer of the connection that the request came on: of the client, or of the proxy in front of this
    /// service. `None` where the server does not tell. Default: `None`.
    ///
    /// `Forwarded` and `X-Forwarded-For` fields never change it, because a client can set them.
    fn peer_address(&self) -> Option<IpAddr> {
        None
    }
}

/// A list of header fields as a request: for tests, and for code that has no request type.
///
/// ```
/// use portcullis::adapter::{HeaderList, RequestView};
///
/// let request = HeaderList::new("GET", [("authorization", "Bearer abc")]);
/// let mut seen = 0;
/// request.header("authorization", &mut |_| seen += 1);
/// assert_eq!(seen, 1);
/// ```
#[derive(Clone, Default)]
pub struct HeaderList {
    method: String,
    original_path: Option<String>,
    query: Option<String>,
    client_certificate: Option<ClientCertificate>,
    peer_address: Option<IpAddr>,
    fields: Vec<(String, Vec<u8>)>,
}

impl HeaderList {
    /// A request with this method and these fields.
    pub fn new<N: Into<String>, V: Into<Vec<u8>>>(
        method: impl Into<String>,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { method: method.into(), fields, ..Self::default() }
    }

    /// With this path, as the server received it.
    #[must_use]
    pub fn with_original_path(mut self, path: impl Into<String>) -> Self {
        self.original_path = Some(path.into());
        self
    }

    /// With this query, without the question mark.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// On a TLS connection with this client certificate.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// From a peer with this address.
    #[must_use]
    pub fn with_peer_address(mut self, address: IpAddr) -> Self {
        self.peer_address = Some(address);
        self
    }
}

impl RequestView for HeaderList {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for (_, value) in self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)) {
            visit(value);
        }
    }

    fn method(&self) -> Cow<'_, str> {
        self.method.as_str().into()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        self.original_path.as_deref().map(Cow::Borrowed)
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        self.query.as_deref().map(Cow::Borrowed)
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        self.client_certificate
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer_address
    }
}

impl std::fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeaderList").field("method", &self.method).finish_non_exhaustive()
    }
}
