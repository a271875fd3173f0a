//! The documents as routes of Actix Web.
//!
//! A service that issues its own tokens, and a route for verified callers:
//!
//! ```
#![doc = include_str!("../docs/first_route_actix.rs")]
//! ```

use actix_web::http::StatusCode;
use actix_web::http::header::IF_NONE_MATCH;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, Route, web};

use crate::documents::{Document, DocumentResponse};
use crate::issuer::Issuer;

/// Adds the routes of all documents of `issuer` to the service.
///
/// Behind a proxy that strips a prefix, add each [`document`] at the path that the service gets.
pub fn documents(issuer: &Issuer) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let issuer = issuer.clone();
    move |service| {
        for &each in Document::ALL {
            service.route(&issuer.path(each), document(&issuer, each));
        }
    }
}

/// Returns the route of one document.
///
/// ```
/// use actix_web::web::ServiceConfig;
/// use portcullis_issuer::{Document, Issuer, actix::document};
///
/// fn behind_a_proxy(service: &mut ServiceConfig, issuer: &Issuer) {
///     service.route("/jwks.json", document(issuer, Document::Jwks));
/// }
/// ```
pub fn document(issuer: &Issuer, document: Document) -> Route {
    let issuer = issuer.clone();
    web::route().to(move |request: HttpRequest| {
        let issuer = issuer.clone();
        async move {
            let tags: Vec<_> =
                request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).collect();
            let tags = (!tags.is_empty()).then(|| tags.join(","));
            HttpResponse::from(issuer.document(document).await.respond(request.method().as_str(), tags.as_deref()))
        }
    })
}

impl From<DocumentResponse> for HttpResponse {
    fn from(answer: DocumentResponse) -> Self {
        // Statuses and fields are those of this crate, so they can always be sent.
        let mut response =
            Self::build(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for field in answer.headers {
            response.append_header(field);
        }
        response.body(answer.body)
    }
}
