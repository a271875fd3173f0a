//! `POST /api/auth/refresh`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use portcullis_sessions::SessionsError;

use crate::app::App;
use crate::client::Presented;
use crate::error::ApiError;
use crate::signed_in;

/// Exchanges the refresh token for the next one, and makes an access token.
///
/// Of several requests that race, each gets the same new token. Cookies are deleted only when the session has ended.
pub(crate) async fn refresh(State(app): State<Arc<App>>, presented: Presented) -> Result<Response, ApiError> {
    let token = presented.refresh_token.ok_or(ApiError::NoRefreshToken)?;
    match app.sessions.refresh(&token).await {
        Ok(signed_in) => signed_in::respond(&app, presented.client, &signed_in).await,
        Err(SessionsError::Refused(_)) => {
            Ok(signed_in::without_cookies(&app, presented.client, ApiError::SessionEnded))
        }
        Err(error) => Err(error.into()),
    }
}
