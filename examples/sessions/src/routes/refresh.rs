//! `POST /api/auth/refresh`

use std::sync::Arc;

use axum::extract::State;
use portcullis_sessions::SessionResponse;

use crate::app::App;
use crate::client::Presented;
use crate::error::ApiError;

/// Exchanges the refresh token for the next one, and makes an access token.
///
/// Of several requests that race, each gets the same new token. Cookies are deleted only when the session has ended.
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    Presented { request, body }: Presented,
) -> Result<SessionResponse, ApiError> {
    Ok(app.web.refresh(&request, &body).await?)
}
