//! A server of the Model Context Protocol that accepts tokens. It does what the protocol's [authorization part][spec], in
//! its revision of 2026-07-28, demands of a resource server.
//!
//! | the protocol demands | the server uses |
//! |---|---|
//! | protected resource metadata (RFC 9728), at the well-known path of the endpoint or of the root | `ResourceMetadata`, and `resource_metadata_routes` |
//! | 401 with `resource_metadata` and `scope` in the challenge | the gate's answer, because the gate has the metadata |
//! | tokens that were issued for this server (RFC 8707) | `Audience`: the endpoint's URL |
//! | tokens only from the Authorization field, with each request | the gate's default |
//! | 403 with `insufficient_scope` and all scopes that the operation needs | [`Gate::authorize`], with a policy for each tool |
//! | no token passed on to other services | `forget_token` removes the header field, and no tool reads [`Verified::raw_token`](portcullis_axum::Verified::raw_token) |
//!
//! On Actix Web it is `.wrap(AuthMiddleware::new(gate).require(scopes(BASE_SCOPE)))` instead of the layer, and
//! `portcullis_actix::resource_metadata_routes` instead of the routes; the gate is the same.
//!
//! [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization

mod messages;
mod notes;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use portcullis_axum::{
    Auth, AuthLayer, ConfigError, Gate, HasGate, Policy, Rejection, ResourceMetadata, Verifier,
    resource_metadata_routes, scopes,
};

use crate::messages::Message;
use crate::notes::{Notes, Tool};

/// The scope that every request needs.
pub const BASE_SCOPE: &str = "notes:read";

/// Makes the server, for clients that know its endpoint as `resource`, for example `https://notes.example/mcp`. That URL
/// is also the audience that `verifier` should demand. The endpoint is `/mcp`.
///
/// # Errors
/// [`ConfigError`] when `resource` is not such a URL.
pub fn app(verifier: impl Verifier + 'static, resource: &str) -> Result<Router, ConfigError> {
    // Only what basic use needs. A client asks for more when a tool needs it.
    let metadata = ResourceMetadata::new(resource)?.with_scopes([BASE_SCOPE]).with_name("Notes");
    let gate = Gate::new(verifier).with_resource_metadata(metadata);
    let service = Arc::new(Service { gate: gate.clone(), notes: Notes::default() });

    let endpoint = behind(gate, scopes(BASE_SCOPE), Router::new().route("/mcp", post(answer)));
    let own_origin: Arc<str> = resource.splitn(4, '/').take(3).collect::<Vec<_>>().join("/").into();
    let endpoint = endpoint.layer(from_fn(move |request, next| check_origin(Arc::clone(&own_origin), request, next)));

    Ok(endpoint.merge(resource_metadata_routes(&service.gate)).with_state(service))
}

/// Guards `routes` with `policy`, and hides the token from them.
pub fn behind<S: Clone + Send + Sync + 'static>(gate: Gate, policy: Policy, routes: Router<S>) -> Router<S> {
    routes.layer(map_request(forget_token)).layer(AuthLayer::new(gate).require(policy))
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

struct Service {
    gate: Gate,
    notes: Notes,
}

impl HasGate for Service {
    fn gate(&self) -> Option<&Gate> {
        Some(&self.gate)
    }
}

async fn answer(
    State(service): State<Arc<Service>>,
    auth: Auth,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let message = match Message::read(&headers, &body) {
        Ok(message) => message,
        Err(failure) => return Ok(failure.into_response()),
    };
    let answer = match message.method() {
        _ if message.is_notification() => return Ok(StatusCode::ACCEPTED.into_response()),
        "initialize" => message.initialized(),
        "server/discover" => message.discovered(),
        "tools/list" => message.listed(Tool::ALL.map(Tool::describe)),
        "tools/call" => match Tool::named(message.tool()) {
            Some(tool) => {
                // The message decides, because it is what the server acts on. A header that repeats it could differ.
                service.gate.authorize(&auth, &tool.policy())?;
                message.called(tool.call(&service.notes, &auth, message.arguments()))
            }
            None => message.invalid_params("no such tool"),
        },
        _ => message.unknown_method(),
    };
    Ok(answer.into_response())
}
