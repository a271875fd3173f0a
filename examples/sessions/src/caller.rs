//! The user of a request with an access token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use portcullis_axum::error::{AuthError, InvalidToken};
use portcullis_axum::{Auth, Rejection};
use portcullis_tower::PartsView;
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
        let refuse = |error: AuthError| ApiError::from(Rejection::from(app.gate.refuse(&error)));
        let auth = Auth::<Claims>::from_request_parts(parts, app).await?;
        if !parts.headers.contains_key(AUTHORIZATION) {
            app.origins.check_cookie_request(&PartsView::new(parts)).map_err(|error| refuse(error.into()))?;
        }
        let user = app.users.by_subject(&auth.claims.sub).await?;
        let user = user.ok_or_else(|| refuse(InvalidToken::UserNotFound.into()))?;
        Ok(Self { user, session: auth.claims.sid })
    }
}
