//! The user of a request with an access token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use portcullis_axum::error::{AuthError, InvalidToken};
use portcullis_axum::{Auth, Rejection};
use serde::Deserialize;

use crate::app::App;
use crate::error::ApiError;
use crate::users::User;

/// A user whose token was verified and whose session is open.
pub(crate) struct Caller {
    pub(crate) user: User,
    /// The name of the session.
    pub(crate) session: String,
}

#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) sid: String,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let auth = Auth::<Claims>::from_request_parts(parts, app).await?;
        let user = app.users.by_subject(&auth.claims.sub).await?;
        // The gate asked about the user too, but the account can be removed in between.
        let gone = || Rejection::from(app.web.gate().refuse(&AuthError::from(InvalidToken::UserNotFound)));
        let user = user.ok_or_else(gone)?;
        Ok(Self { user, session: auth.claims.sid })
    }
}
