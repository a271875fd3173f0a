//! The two servers, with the same routes and the same gates, each on a thread of its own that ends with it.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use portcullis::{Policy, Require, any_scope, roles, scopes};

use crate::gates::{Gates, Guards, Scope};

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

/// No scope at all, but a role.
pub(crate) struct Editor;

impl Require for Editor {
    fn policy() -> Policy {
        roles(["editor"])
    }
}

#[derive(serde::Deserialize)]
pub(crate) struct Tenant {
    tenant: String,
}

fn name(subject: Option<&str>) -> String {
    subject.unwrap_or("nobody").to_owned()
}

pub(crate) struct AxumServer {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AxumServer {
    pub(crate) fn start(gates: &Gates) -> Self {
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
        app = app.route(&path, axum::routing::any(portcullis_axum::resource_metadata).layer(axum::Extension(gate)));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (started, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let server = axum::serve(listener, app).into_future();
                tokio::select! {
                    ended = server => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AxumServer {
    fn drop(&mut self) {
        self.stop.take();
        join(self.thread.take());
    }
}

mod axum_routes {
    use axum::Router;
    use axum::routing::any;
    use portcullis_axum::{Auth, Authorized, resource_metadata};

    use super::{Editor, ReadAndWrite, ReadOrAdmin, Tenant, name};

    pub(super) fn all() -> Router {
        Router::new()
            .route("/private", any(private))
            .route("/scoped", any(scoped))
            .route("/any-scope", any(any_scope))
            .route("/role", any(role))
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

    async fn greeting(auth: Option<Auth>) -> String {
        auth.map_or_else(|| "anonymous".to_owned(), |auth| name(auth.subject()))
    }

    async fn typed(auth: Auth<Tenant>) -> String {
        auth.claims.tenant
    }

    async fn typed_greeting(auth: Option<Auth<Tenant>>) -> String {
        auth.map_or_else(|| "anonymous".to_owned(), |auth| auth.claims.tenant)
    }

    /// It asks for nobody: a guard alone keeps callers out.
    async fn open() -> &'static str {
        "open"
    }
}

pub(crate) struct ActixServer {
    address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl ActixServer {
    pub(crate) fn start(gates: &Gates) -> Self {
        let (scopes, metadata) = (gates.scopes().collect::<Vec<_>>(), gates.metadata());
        let (started, running) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = actix_web::HttpServer::new(move || {
                    let mut app = actix_web::App::new().route("/healthz", actix_web::web::get().to(|| async { "ok" }));
                    for Scope { prefix, gate, guards } in scopes.clone() {
                        let scope = actix_web::web::scope(prefix);
                        let scope = match gate {
                            Some(gate) => scope.app_data(gate),
                            None => scope,
                        };
                        app = match guards {
                            Guards::None => app.service(scope.configure(actix_routes::all)),
                            Guards::One(guard) => app.service(
                                scope.configure(actix_routes::all).wrap(portcullis_actix::Authenticate::from(guard)),
                            ),
                            Guards::Nested { outer, inner } => app.service(
                                scope
                                    .configure(actix_routes::all)
                                    .wrap(portcullis_actix::Authenticate::from(inner))
                                    .wrap(portcullis_actix::Authenticate::from(outer)),
                            ),
                        };
                    }
                    let (gate, path) = metadata.clone();
                    app = app.service(
                        actix_web::web::resource(path)
                            .app_data(gate)
                            .route(actix_web::web::route().to(portcullis_actix::resource_metadata)),
                    );
                    app
                });
                let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                started.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = running.recv().unwrap();
        Self { address, handle, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ActixServer {
    fn drop(&mut self) {
        // The command is sent by the call; the future only waits for its end, as the join does.
        drop(self.handle.stop(false));
        join(self.thread.take());
    }
}

mod actix_routes {
    use actix_web::web::{self, ServiceConfig};
    use portcullis_actix::{Auth, Authorized, MaybeAuth, resource_metadata};

    use super::{Editor, ReadAndWrite, ReadOrAdmin, Tenant, name};

    pub(super) fn all(app: &mut ServiceConfig) {
        app.route("/private", web::route().to(private))
            .route("/scoped", web::route().to(scoped))
            .route("/any-scope", web::route().to(any_scope))
            .route("/role", web::route().to(role))
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

    async fn greeting(auth: MaybeAuth) -> String {
        auth.0.map_or_else(|| "anonymous".to_owned(), |auth| name(auth.subject()))
    }

    async fn typed(auth: Auth<Tenant>) -> String {
        auth.claims.tenant
    }

    async fn typed_greeting(auth: MaybeAuth<Tenant>) -> String {
        auth.0.map_or_else(|| "anonymous".to_owned(), |auth| auth.claims.tenant)
    }

    /// It asks for nobody: a guard alone keeps callers out.
    async fn open() -> &'static str {
        "open"
    }
}

/// A server that failed fails its test, unless that is failing already.
fn join(thread: Option<JoinHandle<()>>) {
    let ended = thread.map(JoinHandle::join);
    if !std::thread::panicking() {
        assert!(matches!(ended, Some(Ok(()))), "the server panicked");
    }
}
