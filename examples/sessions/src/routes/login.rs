//! `POST /api/auth/login`

use std::sync::Arc;

use axum::extract::State;
use portcullis_sessions::{AuthFacts, SessionResponse};
use serde::Deserialize;

use crate::app::App;
use crate::attempts::Attempt;
use crate::body::{Body, text};
use crate::client::Allowed;
use crate::error::ApiError;
use crate::users::normal_email;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Login {
    #[serde(deserialize_with = "text")]
    email: String,
    #[serde(deserialize_with = "text")]
    password: String,
    /// The name by which the user recognizes the session later, for example `Firefox on Linux`.
    #[serde(deserialize_with = "text")]
    label: String,
}

/// Compares the password and begins a session.
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Allowed(client): Allowed,
    _: Attempt,
    Body(form): Body<Login>,
) -> Result<SessionResponse, ApiError> {
    let user = app.users.by_email(&normal_email(&form.email)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    // The same work for an unknown user and for a wrong password.
    let fits = app.passwords.verify(form.password, hash).await?;
    let user = user.filter(|_| fits).ok_or(ApiError::InvalidCredentials)?;
    // After the password: otherwise the response would tell which accounts exist.
    if app.require_verified && !user.is_verified {
        return Err(ApiError::UserUnverified);
    }
    let facts = AuthFacts::now().with_amr(["pwd"]);
    Ok(app.web.log_in_labeled(client, &user.subject(), facts, &form.label).await?)
}
