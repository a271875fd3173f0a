//! An axum request as the core sees it.

use axum::extract::OriginalUri;
use http::request::Parts;
use http::{Extensions, Uri};
use portcullis_tower::PartsView;

/// The request, with the URI that the client sent: a nested router takes its prefix off the path, and axum keeps the whole
/// URI beside it.
pub(crate) fn view(parts: &Parts) -> PartsView<'_> {
    match original_uri(&parts.extensions) {
        Some(uri) => PartsView::new(parts).with_original_uri(uri),
        None => PartsView::new(parts),
    }
}

pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|original| &original.0)
}
