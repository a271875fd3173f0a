//! Protected resource metadata (RFC 9728) as a handler.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::rejection::Rejection;
use crate::state::{HasGate, find_gate};

/// Serves the gate's protected resource metadata. A gate without metadata is answered with 404.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis_axum::{ResourceMetadata, resource_metadata};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let metadata = ResourceMetadata::new("https://api.example.com/mcp")?;
/// let app: Router = Router::new()
///     .route(&metadata.path(), get(resource_metadata))
///     .with_state(gate.with_resource_metadata(metadata));
/// # Ok(()) }
/// ```
pub async fn resource_metadata(document: MetadataDocument) -> MetadataDocument {
    document
}

/// The answer of [`resource_metadata`].
#[derive(Clone, Debug)]
pub struct MetadataDocument(Option<String>);

impl<S: HasGate + Send + Sync> FromRequestParts<S> for MetadataDocument {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        Ok(Self(find_gate(parts, state)?.resource_metadata().map(portcullis::ResourceMetadata::to_json)))
    }
}

impl IntoResponse for MetadataDocument {
    fn into_response(self) -> Response {
        match self.0 {
            Some(json) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}
