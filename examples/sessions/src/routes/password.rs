//! `POST /api/auth/password`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::register::password_faults;
use crate::app::App;
use crate::attempts::Attempt;
use crate::body::{Body, text};
use crate::caller::Caller;
use crate::error::ApiError;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PasswordChange {
    #[serde(deserialize_with = "text")]
    current_password: String,
    #[serde(deserialize_with = "text")]
    password: String,
    #[serde(deserialize_with = "text")]
    password_confirm: String,
}

/// Changes the password, and ends the other sessions of the user: one of them may belong to a thief.
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    _: Attempt,
    Body(form): Body<PasswordChange>,
) -> Result<Json<Value>, ApiError> {
    let fields = password_faults(&form.password, &form.password_confirm);
    if !fields.is_empty() {
        return Err(ApiError::InvalidInput(fields));
    }
    let user = caller.user;
    if !app.passwords.verify(form.current_password, Some(&user.password_hash)).await? {
        return Err(ApiError::InvalidCredentials);
    }
    let hash = app.passwords.hash(form.password).await?;
    // The password comes first: otherwise a thief could log in with the old one in between. If ending the other sessions
    // fails, the new password is set already, and the user can end each session in the list.
    app.users.set_password(&user, &hash).await?;
    app.sessions.log_out_others(&user.subject(), &caller.session).await?;
    Ok(Json(json!({"status": "success"})))
}
