//! Protected resource metadata (RFC 9728) as a handler.

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use portcullis::Gate;
use portcullis::adapter::MetadataAnswer;

use crate::rejection::Rejection;
use crate::state::{HasGate, find_gate};

/// Serves the metadata of `gate` at both paths where clients look: the path of the resource, and the root path. A gate
/// without metadata has no routes.
///
/// ```
/// use axum::Router;
/// use portcullis_axum::{ResourceMetadata, resource_metadata_routes};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let gate = gate.with_resource_metadata(ResourceMetadata::new("https://api.example.com/mcp")?);
/// let app: Router = Router::new().merge(resource_metadata_routes(&gate)).with_state(gate);
/// # Ok(()) }
/// ```
///
/// # Clients in browsers
///
/// The document may be read by pages of every origin, and OPTIONS is answered. The routes that the document is about need
/// a CORS layer around the guard. A browser client of the Model Context Protocol needs these of it:
///
/// - the client's origin, and the methods GET, POST and DELETE;
/// - the request fields `Authorization`, `Content-Type`, `Mcp-Protocol-Version` and `Mcp-Session-Id`;
/// - the exposed response fields `WWW-Authenticate`, which leads to the document, and `Mcp-Session-Id`.
pub fn resource_metadata_routes<S: Clone + Send + Sync + 'static>(gate: &Gate) -> Router<S> {
    let Some(metadata) = gate.resource_metadata() else { return Router::new() };
    metadata.paths().iter().fold(Router::new(), |routes, path| {
        let gate = gate.clone();
        let answer = move |method: Method| {
            let answer = MetadataDocument(gate.metadata_answer(method.as_str()));
            async { answer }
        };
        routes.route(path, get(answer.clone()).options(answer))
    })
}

/// Serves the gate's protected resource metadata. A gate without metadata is answered with 404.
/// [`resource_metadata_routes`] also adds the routes.
///
/// ```
/// use axum::{Router, routing::get};
/// use portcullis_axum::{ResourceMetadata, resource_metadata};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let metadata = ResourceMetadata::new("https://api.example.com/mcp")?;
/// let app: Router = Router::new()
///     .route(&metadata.path(), get(resource_metadata).options(resource_metadata))
///     .with_state(gate.with_resource_metadata(metadata));
/// # Ok(()) }
/// ```
pub async fn resource_metadata(document: MetadataDocument) -> MetadataDocument {
    document
}

/// The answer of [`resource_metadata`].
#[derive(Clone, Debug)]
pub struct MetadataDocument(MetadataAnswer);

impl<S: HasGate + Send + Sync> FromRequestParts<S> for MetadataDocument {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        Ok(Self(find_gate(parts, state)?.metadata_answer(parts.method.as_str())))
    }
}

impl IntoResponse for MetadataDocument {
    fn into_response(self) -> Response {
        let MetadataAnswer { status, headers, body, .. } = self.0;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }
}
