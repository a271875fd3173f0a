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
use portcullis::adapter::{ClientCertificate, RequestView};
use portcullis_tower::PartsView;

/// Returns the view of a request, with the URI as the server received it. A nested router removes its prefix from the
/// request's URI, and axum keeps the whole URI as an extension.
pub(crate) fn view(parts: &Parts) -> View<'_> {
    View { view: PartsView::new(parts), extensions: &parts.extensions }
}

/// The head of a request. Extensions are looked up where they are needed, which they are not for most requests.
pub(crate) struct View<'a> {
    view: PartsView<'a>,
    extensions: &'a Extensions,
}

impl RequestView for View<'_> {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.view.header(name, visit);
    }

    fn method(&self) -> Cow<'_, str> {
        self.view.method()
    }

    fn original_path(&self) -> Option<Cow<'_, str>> {
        match original_uri(self.extensions) {
            Some(uri) => Some(uri.path().into()),
            None => self.view.original_path(),
        }
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        match original_uri(self.extensions) {
            Some(uri) => uri.query().map(Cow::Borrowed),
            None => self.view.query(),
        }
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        self.view.client_certificate()
    }

    fn peer_address(&self) -> Option<IpAddr> {
        peer_address(self.extensions)
    }
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
