//! An axum request as the core sees it.

use std::borrow::Cow;

use http::request::Parts;
use portcullis::RequestView;

pub(crate) struct PartsView<'a>(pub(crate) &'a Parts);

impl RequestView for PartsView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.headers.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.0.method.as_str().into()
    }

    /// Only where the request names it in full: whether TLS was used is not known here.
    fn target_uri(&self) -> Option<Cow<'_, str>> {
        let uri = &self.0.uri;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        Some(format!("{scheme}://{authority}{}", uri.path()).into())
    }
}
