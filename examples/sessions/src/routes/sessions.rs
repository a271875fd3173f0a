//! `GET /api/sessions` and `DELETE /api/sessions/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use portcullis_axum::Auth;
use portcullis_axum::claims::NumericDate;
use serde::Serialize;

use crate::app::App;
use crate::caller::Claims;
use crate::error::ApiError;

/// A session, as its user sees it.
#[derive(Serialize)]
pub(crate) struct Shown {
    id: String,
    label: Option<String>,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    /// Whether this is the session of the request.
    current: bool,
}

/// Lists the open sessions of the caller, the most recently used one first.
pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    auth: Auth<Claims>,
) -> Result<Json<Vec<Shown>>, ApiError> {
    let sessions = app.sessions.list(&auth.claims.sub).await?;
    let shown = sessions.into_iter().map(|session| Shown {
        current: session.id == auth.claims.sid,
        id: session.id,
        label: session.label,
        created_at: time(session.created_at),
        last_used_at: time(session.last_used_at),
        expires_at: time(session.expires_at),
    });
    Ok(Json(shown.collect()))
}

/// Ends one session of the caller.
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    auth: Auth<Claims>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    // No session has a name that is not text, such as `%FF`.
    let Ok(Path(id)) = id else { return Err(ApiError::NoSuchSession) };
    match app.sessions.log_out_one(&auth.claims.sub, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NoSuchSession),
    }
}

/// Returns a time in whole seconds, which JSON has as a text such as `2026-01-31T12:00:00Z`.
fn time(date: NumericDate) -> Timestamp {
    Timestamp::from_second(date.seconds()).unwrap_or_default()
}
