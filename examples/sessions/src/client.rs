//! The client of a request that begins, refreshes or ends a session.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use portcullis_sessions::{Client, SessionRequest};
use portcullis_tower::PartsView;

use crate::app::App;
use crate::error::ApiError;

/// A client that may begin a session: one of the allowed pages, or a native application. A page of another site is refused,
/// also when the browser has no cookie yet: otherwise the page could log its visitors into an account of the attacker.
pub(crate) struct Allowed(pub(crate) Client);

impl FromRequestParts<Arc<App>> for Allowed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Ok(Self(app.web.client(&PartsView::new(parts))?))
    }
}

/// The request of an allowed client, with its body if it is a native application: it has the refresh token there.
pub(crate) struct Presented {
    pub(crate) request: SessionRequest,
    pub(crate) body: Bytes,
}

impl FromRequest<Arc<App>> for Presented {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Allowed(client) = Allowed::from_request_parts(&mut parts, app).await?;
        let request = SessionRequest::of(&PartsView::new(&parts));
        let body = match client {
            Client::Native => {
                let read = Bytes::from_request(Request::from_parts(parts, body), app).await;
                read.map_err(|_| ApiError::BodyTooLarge)?
            }
            _ => Bytes::new(),
        };
        Ok(Self { request, body })
    }
}
