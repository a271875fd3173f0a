//! The servers, with the same routes and the same gates.

use actix_web::web::ServiceConfig;
use portcullis::{Policy, Require, any_scope, roles, scopes};

use crate::gates::{Gates, Guards, Scope};
use crate::running::Running;

/// All of these.
pub(crate) struct ReadAndWrite;

impl Require for ReadAndWrite {
    fn policy() -> Policy {
        scopes("read:messages write:messages")
    }
}

/// Any of these.
pub(crate) struct ReadOrAdmin;

impl Require for ReadOrAdmin {
    fn policy() -> Policy {
        any_scope("read:messages admin")
    }
}

/// A role and no scope.
pub(crate) struct Editor;

impl Require for Editor {
    fn policy() -> Policy {
        roles(["editor"])
    }
}

/// A recent and strong login, and a scope.
pub(crate) struct RecentAndStrong;

impl Require for RecentAndStrong {
    fn policy() -> Policy {
        crate::seams::recent_and_strong()
    }
}

#[derive(serde::Deserialize)]
pub(crate) struct Tenant {
    pub(crate) tenant: String,
}

pub(crate) fn name(subject: Option<&str>) -> String {
    subject.unwrap_or("nobody").to_owned()
}

pub(crate) fn axum(gates: &Gates) -> Running {
    let mut app = axum::Router::new().route("/healthz", axum::routing::get(|| async { "ok" }));
    for Scope { prefix, gate, guards } in gates.scopes() {
        let routes = axum_routes::all();
        let routes = match guards {
            Guards::None => routes,
            Guards::One(guard) => routes.layer(portcullis_axum::AuthLayer::from(guard)),
            Guards::Nested { outer, inner } => {
                routes.layer(portcullis_axum::AuthLayer::from(inner)).layer(portcullis_axum::AuthLayer::from(outer))
            }
        };
        app = app.nest(
            prefix,
            match gate {
                Some(gate) => routes.layer(axum::Extension(gate)),
                None => routes,
            },
        );
    }
    let (gate, path) = gates.metadata();
    Running::axum(app.route(&path, axum::routing::any(portcullis_axum::resource_metadata).layer(axum::Extension(gate))))
}

mod axum_routes {
    use axum::Router;
    use axum::routing::any;
    use portcullis_axum::{Auth, Authorized, resource_metadata};

    use super::{Editor, ReadAndWrite, ReadOrAdmin, RecentAndStrong, Tenant, name};

    pub(super) fn all() -> Router {
        Router::new()
            .route("/private", any(private))
            .route("/scoped", any(scoped))
            .route("/any-scope", any(any_scope))
            .route("/role", any(role))
            .route("/recent", any(recent))
            .route("/greeting", any(greeting))
            .route("/typed", any(typed))
            .route("/typed-greeting", any(typed_greeting))
            .route("/open", any(open))
            .route("/document", any(resource_metadata))
    }

    async fn private(auth: Auth) -> String {
        name(auth.subject())
    }

    async fn scoped(auth: Authorized<ReadAndWrite>) -> String {
        name(auth.subject())
    }

    async fn any_scope(auth: Authorized<ReadOrAdmin>) -> String {
        name(auth.subject())
    }

    async fn role(auth: Authorized<Editor>) -> String {
        name(auth.subject())
    }

    async fn recent(auth: Authorized<RecentAndStrong>) -> String {
        name(auth.subject())
    }

    async fn greeting(auth: Option<Auth>) -> String {
        auth.map_or_else(|| "anonymous".to_owned(), |auth| name(auth.subject()))
    }

    async fn typed(auth: Auth<Tenant>) -> String {
        auth.claims.tenant
    }

    async fn typed_greeting(auth: Option<Auth<Tenant>>) -> String {
        auth.map_or_else(|| "anonymous".to_owned(), |auth| auth.claims.tenant)
    }

    /// Has no extractor, so only a guard can refuse a request.
    async fn open() -> &'static str {
        "open"
    }
}

pub(crate) fn actix(gates: &Gates) -> Running {
    let (scopes, metadata) = (gates.scopes().collect::<Vec<_>>(), gates.metadata());
    Running::actix(move |app: &mut ServiceConfig| {
        app.route("/healthz", actix_web::web::get().to(|| async { "ok" }));
        for Scope { prefix, gate, guards } in scopes.clone() {
            let scope = actix_web::web::scope(prefix);
            let scope = match gate {
                Some(gate) => scope.app_data(gate),
                None => scope,
            };
            let scope = scope.configure(actix_routes::all);
            match guards {
                Guards::None => app.service(scope),
                Guards::One(guard) => app.service(scope.wrap(portcullis_actix::AuthMiddleware::from(guard))),
                Guards::Nested { outer, inner } => app.service(
                    scope
                        .wrap(portcullis_actix::AuthMiddleware::from(inner))
                        .wrap(portcullis_actix::AuthMiddleware::from(outer)),
                ),
            };
        }
        let (gate, path) = metadata.clone();
        app.service(
            actix_web::web::resource(path)
                .app_data(gate)
                .route(actix_web::web::route().to(portcullis_actix::resource_metadata)),
        );
    })
}

mod actix_routes {
    use actix_web::web::{self, ServiceConfig};
    use portcullis_actix::{Auth, Authorized, MaybeAuth, resource_metadata};

    use super::{Editor, ReadAndWrite, ReadOrAdmin, RecentAndStrong, Tenant, name};

    pub(super) fn all(app: &mut ServiceConfig) {
        app.route("/private", web::route().to(private))
            .route("/scoped", web::route().to(scoped))
            .route("/any-scope", web::route().to(any_scope))
            .route("/role", web::route().to(role))
            .route("/recent", web::route().to(recent))
            .route("/greeting", web::route().to(greeting))
            .route("/typed", web::route().to(typed))
            .route("/typed-greeting", web::route().to(typed_greeting))
            .route("/open", web::route().to(open))
            .route("/document", web::route().to(resource_metadata));
    }

    async fn private(auth: Auth) -> String {
        name(auth.subject())
    }

    async fn scoped(auth: Authorized<ReadAndWrite>) -> String {
        name(auth.subject())
    }

    async fn any_scope(auth: Authorized<ReadOrAdmin>) -> String {
        name(auth.subject())
    }

    async fn role(auth: Authorized<Editor>) -> String {
        name(auth.subject())
    }

    async fn recent(auth: Authorized<RecentAndStrong>) -> String {
        name(auth.subject())
    }

    async fn greeting(auth: MaybeAuth) -> String {
        auth.0.map_or_else(|| "anonymous".to_owned(), |auth| name(auth.subject()))
    }

    async fn typed(auth: Auth<Tenant>) -> String {
        auth.claims.tenant
    }

    async fn typed_greeting(auth: MaybeAuth<Tenant>) -> String {
        auth.0.map_or_else(|| "anonymous".to_owned(), |auth| auth.claims.tenant)
    }

    /// Has no extractor, so only a guard can refuse a request.
    async fn open() -> &'static str {
        "open"
    }
}
