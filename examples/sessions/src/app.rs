//! The parts of the service, and its routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::routing::{delete, get, post};
use portcullis_axum::{ConfigError, Gate, HasGate};
use portcullis_issuer::Issuer;
use portcullis_sessions::{Sessions, WebSessions};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use url::Url;

use crate::attempts::Attempts;
use crate::error::ApiError;
use crate::passwords::Passwords;
use crate::users::Users;
use crate::{page, routes};

/// The state of the router.
pub(crate) struct App {
    pub(crate) issuer: Issuer,
    pub(crate) sessions: Sessions,
    /// Logs in, refreshes and logs out over HTTP, and has the gate.
    pub(crate) web: WebSessions,
    pub(crate) users: Users,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) require_verified: bool,
}

/// The longest body, in bytes. The largest request is a registration.
const MAX_BODY: usize = 16 * 1024;

/// The extractors of portcullis-axum find the gate here.
impl HasGate for App {
    fn gate(&self) -> Option<&Gate> {
        Some(self.web.gate())
    }
}

/// Makes the router with all routes.
pub(crate) fn router(app: Arc<App>, client_origin: Option<&str>) -> Result<Router, ConfigError> {
    let api = Router::new()
        .route("/api/auth/register", post(routes::register))
        .route("/api/auth/login", post(routes::log_in))
        .route("/api/auth/refresh", post(routes::refresh))
        .route("/api/auth/logout", post(routes::log_out))
        .route("/api/auth/password", post(routes::change_password))
        .route("/api/users/me", get(routes::me))
        .route("/api/sessions", get(routes::list_sessions))
        .route("/api/sessions/{id}", delete(routes::end_session))
        .route("/api/healthchecker", get(routes::health))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| ApiError::panicked()))
        // Responses have tokens and personal data.
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, HeaderValue::from_static("no-store")));
    let router = Router::new()
        .merge(page::routes())
        .merge(portcullis_issuer::axum::documents(&app.issuer))
        .merge(api)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(cors(client_origin)?);
    Ok(router.with_state(app))
}

/// Lets the pages of one other origin use the API with cookies. Without one, browsers let only the service's own pages do so.
fn cors(client_origin: Option<&str>) -> Result<CorsLayer, ConfigError> {
    let Some(origin) = client_origin else { return Ok(CorsLayer::new()) };
    let wrong = || ConfigError::new("CLIENT_ORIGIN", "not an origin", "write for example https://app.example.com");
    // As browsers send it: in lowercase, and without the default port.
    let origin = Url::parse(origin).map(|url| url.origin().ascii_serialization()).map_err(|_| wrong())?;
    let origin: HeaderValue = origin.parse().map_err(|_| wrong())?;
    Ok(CorsLayer::new()
        .allow_origin(origin)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .max_age(Duration::from_secs(10 * 60)))
}
