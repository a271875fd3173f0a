//! The page for browsers. Its files are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// Scripts and styles come only from these files. Only the photo of the user may come from elsewhere. Scripts cannot turn
/// text into markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
const FIELDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (CACHE_CONTROL, "no-cache"),
];

pub(crate) fn routes() -> Router<Arc<App>> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", get(file("text/html; charset=utf-8", include_str!("../page/index.html"))))
        .route("/app.js", get(file(SCRIPT, include_str!("../page/app.js"))))
        .route("/client.js", get(file(SCRIPT, include_str!("../page/client.js"))))
        .route("/forms.js", get(file(SCRIPT, include_str!("../page/forms.js"))))
        .route("/sentences.js", get(file(SCRIPT, include_str!("../page/sentences.js"))))
        .route("/style.css", get(file("text/css; charset=utf-8", include_str!("../page/style.css"))))
        .route("/icon.svg", get(file("image/svg+xml", include_str!("../page/icon.svg"))))
}

fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse + Clone {
    (FIELDS, [(CONTENT_TYPE, media_type)], content)
}
