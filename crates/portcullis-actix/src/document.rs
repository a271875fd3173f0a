//! OpenAPI documents by utoipa: what a guard or an extractor demands is in the document of its routes.

use actix_service::ServiceFactory;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppService, HttpServiceFactory, Service, ServiceRequest, ServiceResponse};
use portcullis::adapter::Guard;
use portcullis::openapi::utoipa::{describe_paths, schema_of_refusals};
use portcullis::{Gate, Policy, Require};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Paths;
use utoipa::openapi::schema::Schema;
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::scope::Scope;

use crate::extract::{Auth, Authorized, MaybeAuth};
use crate::middleware::AuthMiddleware;

/// Scopes of `utoipa-actix-web` with a guard, and with the guard in their document.
///
/// ```
/// use actix_web::{App, get, post};
/// use portcullis_actix::openapi::SecuritySchemes;
/// use portcullis_actix::{Auth, AuthMiddleware, Authorized, Gate, OpenApiGuards, Policy, Require, ScopeGuards, scopes};
/// use utoipa::Modify;
/// use utoipa_actix_web::{AppExt, scope};
///
/// struct ReadMessages;
/// impl Require for ReadMessages {
///     fn policy() -> Policy { scopes("messages:read") }
/// }
///
/// #[utoipa::path(responses((status = 200, body = String)))]
/// #[get("/messages")]
/// async fn messages(_: Authorized<ReadMessages>) -> &'static str {
///     "your messages"
/// }
///
/// #[utoipa::path(responses((status = 204)))]
/// #[post("/stop")]
/// async fn stop() -> &'static str {
///     ""
/// }
///
/// # #[actix_web::main] async fn main() {
/// # let gate = portcullis_testing::TestIssuer::new().gate();
/// let admins = AuthMiddleware::new(gate.clone()).require(scopes("admin"));
/// let (app, mut document) = App::new()
///     .into_utoipa_app()
///     .app_data(gate.clone())
///     .service(messages.extracting::<Authorized<ReadMessages>>(&gate))
///     .service(scope("/admin").service(stop).guarded(admins))
///     .split_for_parts();
/// SecuritySchemes::of(&gate).modify(&mut document);
///
/// # drop(app);
/// let document = serde_json::to_value(document).unwrap();
/// assert_eq!(document["paths"]["/messages"]["get"]["security"], serde_json::json!([{"api": ["messages:read"]}]));
/// assert_eq!(document["paths"]["/admin/stop"]["post"]["security"], serde_json::json!([{"api": ["admin"]}]));
/// # }
/// ```
///
/// `portcullis_testing::document_differences_of_actix` compares the whole document with the middleware and extractors that
/// are really there.
pub trait ScopeGuards {
    /// Adds the guard to the scope, and what it demands to the document of its routes. Add the routes first: the result is a
    /// finished service.
    fn guarded(self, guard: AuthMiddleware) -> Described<impl HttpServiceFactory + OpenApiFactory>;
}

impl<T, B> ScopeGuards for Scope<T>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
            Service: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        > + 'static,
    B: MessageBody + 'static,
{
    fn guarded(self, guard: AuthMiddleware) -> Described<impl HttpServiceFactory + OpenApiFactory> {
        Described { guard: guard.guard().clone(), factory: self.wrap(guard) }
    }
}

/// Handlers and scopes whose document says what their extractors demand.
pub trait OpenApiGuards: HttpServiceFactory + OpenApiFactory + Sized {
    /// Adds what the extractor `E` demands to the document: for handlers that take it as an argument. `gate` is the one that the
    /// extractor finds.
    #[must_use]
    fn extracting<E: GuardExtractor>(self, gate: &Gate) -> Described<Self> {
        Described { guard: E::guard(gate.clone()), factory: self }
    }
}

impl<F: HttpServiceFactory + OpenApiFactory> OpenApiGuards for F {}

/// A service whose document says what a guard demands.
#[derive(Debug)]
pub struct Described<F> {
    guard: Guard,
    factory: F,
}

impl<F: HttpServiceFactory> HttpServiceFactory for Described<F> {
    fn register(self, config: &mut AppService) {
        self.factory.register(config);
    }
}

impl<F: OpenApiFactory> OpenApiFactory for Described<F> {
    fn paths(&self) -> Paths {
        let mut paths = self.factory.paths();
        describe_paths(&mut paths, &self.guard);
        paths
    }

    fn schemas(&self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        self.factory.schemas(schemas);
        schemas.extend(schema_of_refusals());
    }
}

/// An extractor that guards its handler: [`Auth`], [`MaybeAuth`] or [`Authorized`].
pub trait GuardExtractor {
    /// Returns the guard that demands the same.
    fn guard(gate: Gate) -> Guard;
}

impl<C> GuardExtractor for Auth<C> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).require(Policy::authenticated())
    }
}

impl<C> GuardExtractor for MaybeAuth<C> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).optional()
    }
}

impl<P: Require, C> GuardExtractor for Authorized<P, C> {
    fn guard(gate: Gate) -> Guard {
        Guard::new(gate).require(P::policy())
    }
}
