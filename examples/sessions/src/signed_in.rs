//! The response after a login and after a refresh.

use axum::Json;
use axum::http::HeaderName;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Response};
use portcullis_sessions::{Client, SignedIn};
use serde::Serialize;

use crate::app::App;
use crate::error::ApiError;

#[derive(Serialize)]
struct Tokens<'a> {
    status: &'static str,
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

/// Makes an access token for the session, and gives both tokens to the client: a browser gets cookies, a native application
/// gets the refresh token in the body.
pub(crate) async fn respond(app: &App, client: Client, signed_in: &SignedIn) -> Result<Response, ApiError> {
    let is_native = client == Client::Native;
    let access_token = signed_in.session.access_token(if is_native { "native" } else { "web" });
    let access_token = app.issuer.mint(&access_token).await?;
    let body = Tokens {
        status: "success",
        access_token: access_token.as_str(),
        refresh_token: is_native.then(|| signed_in.refresh_token.as_str()),
    };
    if is_native {
        return Ok(Json(body).into_response());
    }
    let cookies = app.cookies.set(access_token.as_str(), app.access_lifetime, signed_in)?;
    Ok((set(cookies), Json(body)).into_response())
}

/// Makes the response that also deletes the cookies of a browser.
pub(crate) fn without_cookies(app: &App, client: Client, response: impl IntoResponse) -> Response {
    if client == Client::Native {
        return response.into_response();
    }
    (set(app.cookies.clear()), response).into_response()
}

fn set(cookies: [String; 3]) -> AppendHeaders<[(HeaderName, String); 3]> {
    AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie)))
}
