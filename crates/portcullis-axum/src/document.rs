//! OpenAPI documents by utoipa: what a guard or an extractor demands is in the document of its routes.

use portcullis::adapter::Guard;
use portcullis::openapi::utoipa::{describe_document, describe_paths, schema_of_refusals};
use portcullis::{Gate, Policy, Require};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::extract::{Auth, Authorized};
use crate::layer::AuthLayer;

/// Routes of `utoipa-axum` with guards, and with the guards in their document.
///
/// ```
/// use axum::Router;
/// use portcullis_axum::openapi::SecuritySchemes;
/// use portcullis_axum::{Auth, AuthLayer, Authorized, Gate, OpenApiGuards, Policy, Require, scopes};
/// use utoipa::Modify;
/// use utoipa::openapi::OpenApi;
/// use utoipa_axum::router::OpenApiRouter;
/// use utoipa_axum::routes;
///
/// struct ReadMessages;
/// impl Require for ReadMessages {
///     fn policy() -> Policy { scopes("messages:read") }
/// }
///
/// #[utoipa::path(get, path = "/messages", responses((status = 200, body = String)))]
/// async fn messages(_: Authorized<ReadMessages>) -> &'static str {
///     "your messages"
/// }
///
/// #[utoipa::path(post, path = "/stop", responses((status = 204)))]
/// async fn stop() {}
///
/// fn app(gate: Gate) -> (Router, OpenApi) {
///     let admins = AuthLayer::new(gate.clone()).require(scopes("admin"));
///     let (routes, mut document) = OpenApiRouter::new()
///         .routes(routes!(messages).extracting::<Authorized<ReadMessages>>(&gate))
///         .nest("/admin", OpenApiRouter::new().routes(routes!(stop)).guarded(admins))
///         .split_for_parts();
///     SecuritySchemes::of(&gate).modify(&mut document);
///     (routes.with_state(gate), document)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (_, document) = app(portcullis_testing::TestIssuer::new().gate());
/// let document = serde_json::to_value(document).unwrap();
/// assert_eq!(document["paths"]["/messages"]["get"]["security"], serde_json::json!([{"api": ["messages:read"]}]));
/// assert_eq!(document["paths"]["/admin/stop"]["post"]["security"], serde_json::json!([{"api": ["admin"]}]));
/// # }
/// ```
///
/// `portcullis_testing::document_differences_of_axum` compares the whole document with the guards and extractors that are
/// really there.
pub trait OpenApiGuards: Sized {
    /// Adds the guard to the routes, and what it demands to the document of each. As with `layer`, routes that are added later
    /// have neither ([`AuthLayer`]).
    #[must_use]
    fn guarded(self, guard: AuthLayer) -> Self;

    /// Adds what the extractor `E` demands to the document of the routes: for handlers that take it as an argument. `gate` is the one
    /// that the extractor finds.
    #[must_use]
    fn extracting<E: GuardExtractor>(self, gate: &Gate) -> Self;
}

impl<S: Clone + Send + Sync + 'static> OpenApiGuards for OpenApiRouter<S> {
    fn guarded(mut self, guard: AuthLayer) -> Self {
        describe_document(self.get_openapi_mut(), guard.guard());
        self.layer(guard)
    }

    fn extracting<E: GuardExtractor>(mut self, gate: &Gate) -> Self {
        describe_document(self.get_openapi_mut(), &E::guard(gate.clone()));
        self
    }
}

impl<S: Clone + Send + Sync + 'static> OpenApiGuards for UtoipaMethodRouter<S> {
    fn guarded(self, guard: AuthLayer) -> Self {
        let (mut schemas, mut paths, routes) = self;
        describe_paths(&mut paths, guard.guard());
        schemas.extend(schema_of_refusals());
        (schemas, paths, routes.layer(guard))
    }

    fn extracting<E: GuardExtractor>(self, gate: &Gate) -> Self {
        let (mut schemas, mut paths, routes) = self;
        describe_paths(&mut paths, &E::guard(gate.clone()));
        schemas.extend(schema_of_refusals());
        (schemas, paths, routes)
    }
}

/// An extractor that guards its handler: [`Auth`], `Option<Auth>` or [`Authorized`].
pub trait GuardExtractor {
    /// Returns the guard that demands the same.
    fn guard(gate: Gate) -> Guard;
}

impl<C> GuardExtractor for Auth<C> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).require(Policy::authenticated())
    }
}

impl<C> GuardExtractor for Option<Auth<C>> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).optional()
    }
}

impl<P: Require, C> GuardExtractor for Authorized<P, C> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).require(P::policy())
    }
}
