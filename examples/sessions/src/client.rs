//! The client of a request that begins, refreshes or ends a session.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use portcullis_axum::Rejection;
use portcullis_axum::error::AuthError;
use portcullis_sessions::Client;
use portcullis_tower::PartsView;
use serde::Deserialize;

use crate::app::App;
use crate::error::ApiError;

/// A client that may begin a session: one of the allowed pages, or a native application. A page of another site is refused,
/// also when the browser has no cookie yet: otherwise the page could log its visitors into an account of the attacker.
pub(crate) struct Allowed(pub(crate) Client);

impl FromRequestParts<Arc<App>> for Allowed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let client = app.origins.admit(&PartsView::new(parts));
        client.map(Self).map_err(|error| Rejection::from(app.gate.refuse(&AuthError::from(error))).into())
    }
}

/// An allowed client with its refresh token: a browser has it in a cookie, a native application in the body.
pub(crate) struct Presented {
    pub(crate) client: Client,
    pub(crate) refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct NativeBody {
    refresh_token: Option<String>,
}

impl FromRequest<Arc<App>> for Presented {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Allowed(client) = Allowed::from_request_parts(&mut parts, app).await?;
        let refresh_token = if client == Client::Native {
            let request = Request::from_parts(parts, body);
            let body = Bytes::from_request(request, app).await.map_err(|_| ApiError::BodyTooLarge)?;
            serde_json::from_slice::<NativeBody>(&body).ok().and_then(|body| body.refresh_token)
        } else {
            app.cookies.refresh_token(&PartsView::new(&parts)).map(str::to_owned)
        };
        Ok(Self { client, refresh_token })
    }
}
