//! The OpenAPI document and the API page.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::web::{self, Json, ServiceConfig};
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
pub(crate) fn routes(document: OpenApi) -> impl FnOnce(&mut ServiceConfig) {
    let document = web::Data::new(document);
    move |app| {
        app.app_data(document)
            .route("/openapi.json", web::get().to(|document: web::Data<OpenApi>| async { Json(document) }))
            .route("/docs", web::get().to(|| async { file("") }))
            .route("/docs/{file}", web::get().to(|name: web::Path<String>| async move { file(&name) }));
    }
}

fn file(name: &str) -> HttpResponse {
    match page_file(name) {
        Some(file) => HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
            .body(file.content),
        None => HttpResponse::NotFound().finish(),
    }
}
