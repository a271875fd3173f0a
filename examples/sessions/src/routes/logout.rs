//! `POST /api/auth/logout`

use std::sync::Arc;

use axum::extract::State;
use portcullis_sessions::SessionResponse;

use crate::app::App;
use crate::client::Presented;
use crate::error::ApiError;

/// Ends the session of the refresh token, also when the access token has expired. Without a refresh token, it ends the
/// session of the access token.
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    Presented { request, body }: Presented,
) -> Result<SessionResponse, ApiError> {
    Ok(app.web.log_out(&request, &body).await?)
}
