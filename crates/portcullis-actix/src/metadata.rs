//! Protected resource metadata (RFC 9728) as a handler.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use portcullis::Gate;

use crate::rejection::{Rejection, response};
use crate::state::find_gate;

/// Serves the metadata of `gate` at both paths where clients look: the path of the resource, and the root path. A gate
/// without metadata has no routes.
///
/// ```
/// use actix_web::App;
/// use portcullis_actix::{ResourceMetadata, resource_metadata_routes};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let gate = gate.with_resource_metadata(ResourceMetadata::new("https://api.example.com/mcp")?);
/// let app = App::new().configure(resource_metadata_routes(&gate)).app_data(gate);
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
pub fn resource_metadata_routes(gate: &Gate) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let gate = gate.clone();
    move |app| {
        let Some(metadata) = gate.resource_metadata() else { return };
        for path in metadata.paths() {
            let routes = [Method::GET, Method::HEAD, Method::OPTIONS].into_iter().map(|method| {
                let gate = gate.clone();
                web::method(method).to(move |request: HttpRequest| {
                    let response = answer(&gate, &request);
                    async { response }
                })
            });
            app.service(routes.fold(web::resource(path), |resource, route| resource.route(route)));
        }
    }
}

/// Serves the gate's protected resource metadata. A gate without metadata is answered with 404.
/// [`resource_metadata_routes`] also adds the routes.
///
/// ```
/// use actix_web::{App, web};
/// use portcullis_actix::{ResourceMetadata, resource_metadata};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let metadata = ResourceMetadata::new("https://api.example.com/mcp")?;
/// let app = App::new()
///     .service(web::resource(metadata.path()).to(resource_metadata))
///     .app_data(gate.with_resource_metadata(metadata));
/// # Ok(()) }
/// ```
///
/// # Errors
/// The answer 500 when there is no gate.
pub async fn resource_metadata(request: HttpRequest) -> Result<HttpResponse, Rejection> {
    Ok(answer(&find_gate(&request)?, &request))
}

fn answer(gate: &Gate, request: &HttpRequest) -> HttpResponse {
    let answer = gate.metadata_answer(request.method().as_str());
    response(answer.status, answer.headers.iter().copied(), answer.body)
}
