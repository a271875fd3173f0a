//! The routes of the Actix service: open, with a signature check only, and with this library.

use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use portcullis_actix::{Auth, AuthMiddleware, Gate};
use portcullis_bench_driver::{BareCheck, Stand};

use crate::nothing::Nothing;
use crate::server::{self, HELLO};

/// The routes that this library guards, and open ones.
pub(crate) fn routes(config: &mut ServiceConfig, plain: &Gate, caching: &Gate) {
    let extracted = |path: &str, gate: &Gate| web::resource(path).app_data(gate.clone()).route(web::get().to(guarded));
    let layered = |path: &str, gate: &Gate| {
        web::resource(path).wrap(AuthMiddleware::new(gate.clone())).route(web::get().to(open))
    };
    config
        .route("/open", web::get().to(open))
        .route("/open-extractor", web::get().to(extracted_nothing))
        .service(web::resource("/open-layer").wrap_fn(|request, next| next.call(request)).route(web::get().to(open)))
        .service(extracted("/auth", plain))
        .service(extracted("/cached", caching))
        .service(layered("/auth-layer", plain))
        .service(layered("/cached-layer", caching));
}

/// Serves on one thread until the process ends.
pub(crate) fn serve() {
    actix_web::rt::System::new().block_on(async {
        let stand = Stand::start();
        let [plain, caching] = server::gates(&stand).await;
        let check = Arc::new(stand.bare_check());
        let server = HttpServer::new(move || {
            let checked = web::resource("/signature").app_data(web::Data::from(Arc::clone(&check)));
            App::new()
                .configure(|config| routes(config, &plain, &caching))
                .service(checked.route(web::get().to(check_signature)))
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
