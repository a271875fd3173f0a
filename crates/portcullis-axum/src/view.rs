//! An axum request as the core sees it.

use axum::extract::OriginalUri;
use http::request::Parts;
use http::{Extensions, Uri};
use portcullis_tower::PartsView;

/// Returns the view of a request, with the URI as the server received it. A nested router removes its prefix from the
/// request's URI, and axum keeps the whole URI as an extension.
pub(crate) fn view(parts: &Parts) -> PartsView<'_> {
    match original_uri(&parts.extensions) {
        Some(uri) => PartsView::new(parts).with_original_uri(uri),
        None => PartsView::new(parts),
    }
}

pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|original| &original.0)
}
