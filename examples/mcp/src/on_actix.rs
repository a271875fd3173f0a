//! The server on Actix Web.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, ORIGIN};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use portcullis_actix::{Auth, ConfigError, McpMiddleware, resource_metadata_routes};

use crate::Service;
use crate::messages::Answer;

/// Makes the routes of the server, for `App::configure`.
///
/// # Errors
/// [`ConfigError`] when a policy cannot be used.
pub fn routes(service: &Service) -> Result<impl FnOnce(&mut ServiceConfig) + use<>, ConfigError> {
    let guard = McpMiddleware::new(service.gate.clone(), Service::policies())?;
    let service = service.clone();
    Ok(move |app: &mut ServiceConfig| {
        resource_metadata_routes(&service.gate)(app);
        let endpoint = web::resource("/mcp")
            .app_data(web::Data::new(service.clone()))
            // As large as on Axum.
            .app_data(web::PayloadConfig::new(2 * 1024 * 1024))
            .route(web::post().to(answer))
            // The middleware that is added last runs first.
            .wrap(from_fn(forget_token))
            .wrap(guard)
            .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| check_origin(service.clone(), request, next)));
        app.service(endpoint);
    })
}

/// Removes the header field with the token, so that no handler passes it on by accident: "The MCP server MUST NOT pass
/// through the token it received from the MCP client" (Authorization Security Considerations, Access Token Privilege
/// Restriction).
///
/// # Errors
/// Those of the handler.
pub async fn forget_token<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    request.headers_mut().remove(AUTHORIZATION);
    next.call(request).await
}

/// Refuses requests from pages of other origins (DNS rebinding).
async fn check_origin<B: MessageBody + 'static>(
    service: Service,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // All of them: another reader of the request could take another one than we do.
    if request.headers().get_all(ORIGIN).any(|origin| origin.as_bytes() != service.origin.as_bytes()) {
        return Ok(request.into_response(HttpResponse::Forbidden().finish()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn answer(service: web::Data<Service>, auth: Auth, request: HttpRequest, body: Bytes) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).map(|value| value.as_bytes());
    let Answer { status, body } = service.answer(&auth, &header, &body);
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    match body {
        Some(body) => response.json(body),
        None => response.finish(),
    }
}
