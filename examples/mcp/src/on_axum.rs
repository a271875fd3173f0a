//! The server on Axum.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use portcullis_axum::{Auth, ConfigError, Gate, HasGate, McpLayer, resource_metadata_routes};

use crate::Service;
use crate::messages::Answer;

/// Makes the routes of the server.
///
/// # Errors
/// [`ConfigError`] when a policy cannot be used.
pub fn app(service: &Service) -> Result<Router, ConfigError> {
    let guard = McpLayer::new(service.gate.clone(), Service::policies())?;
    let endpoint = behind(guard, Router::new().route("/mcp", post(answer)));
    let own_origin = Arc::clone(&service.origin);
    let endpoint = endpoint.layer(from_fn(move |request, next| check_origin(Arc::clone(&own_origin), request, next)));
    Ok(endpoint.merge(resource_metadata_routes(&service.gate)).with_state(service.clone()))
}

/// Guards `routes`, and hides the token from them.
pub fn behind<S: Clone + Send + Sync + 'static>(guard: McpLayer, routes: Router<S>) -> Router<S> {
    routes.layer(map_request(forget_token)).layer(guard)
}

/// Removes the header field with the token, so that no handler passes it on by accident: "The MCP server MUST NOT pass
/// through the token it received from the MCP client" (Authorization Security Considerations, Access Token Privilege
/// Restriction).
async fn forget_token(mut request: Request) -> Request {
    request.headers_mut().remove(AUTHORIZATION);
    request
}

/// Refuses requests from pages of other origins (DNS rebinding).
async fn check_origin(own: Arc<str>, request: Request, next: Next) -> Response {
    // All of them: another reader of the request could take another one than we do.
    if request.headers().get_all(ORIGIN).iter().any(|origin| origin.as_bytes() != own.as_bytes()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn answer(State(service): State<Service>, auth: Auth, headers: HeaderMap, body: Bytes) -> Response {
    let Answer { status, body } = service.answer(&auth, &|name| headers.get(name).map(|value| value.as_bytes()), &body);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    body.map_or_else(|| status.into_response(), |body| (status, Json(body)).into_response())
}

impl HasGate for Service {
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}
