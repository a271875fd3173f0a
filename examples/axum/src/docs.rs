//! The OpenAPI document and the API page.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use example_environment::{PAGE_POLICY, page_file};
use utoipa::openapi::OpenApi;

/// The part of the document that is written by hand.
#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Portcullis example",
    version = "0.1.0",
    description = "Public, private, scoped and optional routes."
))]
pub(crate) struct Api;

/// Serves the document at `/openapi.json`, and Swagger UI at `/docs`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(document: OpenApi) -> Router<S> {
    Router::new()
        .route("/openapi.json", get(|| async { Json(document) }))
        .route("/docs", get(|| async { file("") }))
        .route("/docs/{file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Response {
    match page_file(name) {
        Some(file) => {
            let fields = [(CONTENT_TYPE, file.content_type), (CONTENT_SECURITY_POLICY, PAGE_POLICY)];
            (fields, file.content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
