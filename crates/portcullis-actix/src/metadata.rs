//! Protected resource metadata (RFC 9728) as a handler.

use actix_web::{HttpRequest, HttpResponse};

use crate::rejection::Rejection;
use crate::state::find_gate;

/// Serves the gate's protected resource metadata. A gate without metadata is answered with 404.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::{ResourceMetadata, resource_metadata};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let metadata = ResourceMetadata::new("https://api.example.com/mcp")?;
/// let app = App::new()
///     .route(&metadata.path(), web::get().to(resource_metadata))
///     .app_data(gate.with_resource_metadata(metadata));
/// # Ok(()) }
/// ```
///
/// # Errors
/// The answer 500 when there is no gate.
pub async fn resource_metadata(request: HttpRequest) -> Result<HttpResponse, Rejection> {
    Ok(match find_gate(&request)?.resource_metadata() {
        Some(metadata) => HttpResponse::Ok().content_type("application/json").body(metadata.to_json()),
        None => HttpResponse::NotFound().finish(),
    })
}
