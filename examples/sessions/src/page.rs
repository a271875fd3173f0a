//! The page for browsers. Its files are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// Scripts and styles come from these files only. There is none in the HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const FIELDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (CACHE_CONTROL, "no-cache"),
];

pub(crate) fn routes() -> Router<Arc<App>> {
    let html = include_str!("../page/index.html");
    let script = include_str!("../page/app.js");
    let style = include_str!("../page/style.css");
    Router::new()
        .route("/", get(file("text/html; charset=utf-8", html)))
        .route("/app.js", get(file("text/javascript; charset=utf-8", script)))
        .route("/style.css", get(file("text/css; charset=utf-8", style)))
}

fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse + Clone {
    (FIELDS, [(CONTENT_TYPE, media_type)], content)
}
