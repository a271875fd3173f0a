//! The routes of the Actix services: open, with a signature check only, and with this library.

use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use portcullis_actix::{Auth, AuthMiddleware, Gate};
use portcullis_bench_driver::{BareCheck, Stand};

use crate::nothing::Nothing;
use crate::server::{self, HELLO, Kind};

/// Adds the only route of an application. Actix compares the path with that of each route before it, so that of two routes in
/// one application, the later one is slower.
pub(crate) fn route(kind: Kind, path: &str, [plain, caching]: &[Gate; 2], config: &mut ServiceConfig) {
    let resource = web::resource(path);
    match kind {
        Kind::Open => config.service(resource.route(web::get().to(open))),
        Kind::OpenExtractor => config.service(resource.route(web::get().to(extracted_nothing))),
        Kind::OpenLayer => {
            config.service(resource.wrap_fn(|request, next| next.call(request)).route(web::get().to(open)))
        }
        Kind::Auth => config.app_data(plain.clone()).service(resource.route(web::get().to(guarded))),
        Kind::Cached => config.app_data(caching.clone()).service(resource.route(web::get().to(guarded))),
        Kind::AuthLayer => config.service(resource.wrap(AuthMiddleware::new(plain.clone())).route(web::get().to(open))),
        Kind::CachedLayer => {
            config.service(resource.wrap(AuthMiddleware::new(caching.clone())).route(web::get().to(open)))
        }
    };
}

/// Serves one route on one thread until the process ends.
pub(crate) fn serve(path: &str) {
    let kind = match path {
        "/open" => Some(Kind::Open),
        "/auth" => Some(Kind::Auth),
        "/cached" => Some(Kind::Cached),
        "/signature" => None,
        _ => panic!("no route {path}"),
    };
    actix_web::rt::System::new().block_on(async {
        let stand = Stand::start();
        let gates = server::gates(&stand).await;
        let (path, check) = (path.to_owned(), Arc::new(stand.bare_check()));
        let server = HttpServer::new(move || {
            App::new().configure(|config| match kind {
                Some(kind) => route(kind, &path, &gates, config),
                None => {
                    let checked = config.app_data(web::Data::from(Arc::clone(&check)));
                    checked.service(web::resource(&*path).route(web::get().to(check_signature)));
                }
            })
        });
        let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
        stand.announce(server.addrs()[0]);
        server.run().await.unwrap();
    });
}

async fn open() -> &'static str {
    HELLO
}

async fn extracted_nothing(_: Nothing) -> &'static str {
    HELLO
}

async fn guarded(_: Auth) -> &'static str {
    HELLO
}

async fn check_signature(check: web::Data<BareCheck>) -> &'static str {
    check.run();
    HELLO
}
