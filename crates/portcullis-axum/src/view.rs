//! An axum request as the core sees it.

use std::borrow::Cow;
use std::net::IpAddr;
#[cfg(feature = "connect-info")]
use std::net::SocketAddr;

#[cfg(feature = "connect-info")]
use axum::extract::ConnectInfo;
use axum::extract::OriginalUri;
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri};
use portcullis::adapter::RequestView;
use portcullis_tower::PartsView;

/// Returns the view of a request, with the URI as the server received it. A nested router removes its prefix from the
/// request's URI, and axum keeps the whole URI as an extension.
pub(crate) fn view(parts: &Parts) -> PartsView<'_> {
    PartsView::new(parts).with_original_uri(original_uri).with_peer_address(peer_address)
}

/// The header fields of a GET request.
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl RequestView for Fields<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn method(&self) -> Cow<'_, str> {
        "GET".into()
    }
}

pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|original| &original.0)
}

/// The address that the server accepted the connection from, if it was started with `ConnectInfo<SocketAddr>`.
#[cfg(feature = "connect-info")]
pub(crate) fn peer_address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

#[cfg(not(feature = "connect-info"))]
pub(crate) fn peer_address(_: &Extensions) -> Option<IpAddr> {
    None
}
