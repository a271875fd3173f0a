//! `POST /api/auth/logout`

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, State};
use axum::http::request::Parts;
use axum::response::Response;
use portcullis_axum::Auth;
use portcullis_sessions::SessionsError;
use serde_json::json;

use crate::app::App;
use crate::caller::Claims;
use crate::client::Presented;
use crate::error::ApiError;
use crate::signed_in;

/// Ends the session of the refresh token, also when the access token has expired. Without a refresh token, it ends the
/// session of the access token.
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    mut parts: Parts,
    presented: Presented,
) -> Result<Response, ApiError> {
    let was_open = match presented.refresh_token {
        Some(token) => match app.sessions.log_out(&token).await {
            Ok(()) => true,
            Err(SessionsError::Refused(_)) => false,
            Err(error) => return Err(error.into()),
        },
        None => match Auth::<Claims>::from_request_parts(&mut parts, &app).await {
            Ok(auth) => app.sessions.log_out_one(&auth.claims.sub, &auth.claims.sid).await?,
            Err(rejection) if rejection.refusal().status >= 500 => return Err(rejection.into()),
            Err(_) => false,
        },
    };
    Ok(match was_open {
        true => signed_in::without_cookies(&app, presented.client, Json(json!({"status": "success"}))),
        false => signed_in::without_cookies(&app, presented.client, ApiError::SessionEnded),
    })
}
