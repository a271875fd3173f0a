//! An axum request as the core sees it.

use std::borrow::Cow;

use http::request::Parts;
use portcullis::adapter::RequestView;

/// It leaves the target URI out: axum takes the prefix of a nested router off the path before an extractor sees it, and
/// does not say whether TLS was used, so what could be put together here may be another resource's.
pub(crate) struct PartsView<'a>(pub(crate) &'a Parts);

impl RequestView for PartsView<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.headers.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        self.0.method.as_str().into()
    }
}
