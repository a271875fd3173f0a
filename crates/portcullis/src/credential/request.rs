//! A request as the core sees it, whatever the web framework.

use std::borrow::Cow;

/// The parts of a request that authentication may look at.
///
/// Each adapter implements it over its framework's own types; nothing is copied.
pub trait RequestView: Sync {
    /// Calls `visit` with the bytes of each field named `name` (lower case), in order.
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));

    /// The method, such as `GET`. Headers that claim another method are not looked at.
    fn method(&self) -> Cow<'_, str>;

    /// The absolute URI that the request is for, without its query, where the framework can tell (RFC 9449 §4.2,
    /// `htu`).
    fn target_uri(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// The SHA-256 thumbprint of the client's certificate, where TLS is terminated here (RFC 8705 §3).
    fn client_certificate_thumbprint(&self) -> Option<[u8; 32]> {
        None
    }
}

/// Header fields in hand, as a request: for other frameworks, and for tests.
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
    fields: Vec<(String, Vec<u8>)>,
}

impl HeaderList {
    /// A request of `method` with these fields.
    pub fn new<N: Into<String>, V: Into<Vec<u8>>>(
        method: impl Into<String>,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { method: method.into(), fields }
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
}

impl std::fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeaderList").field("method", &self.method).finish_non_exhaustive()
    }
}
