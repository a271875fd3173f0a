//! A server for the bench `http`, as in the README of jwt-authorizer.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, JwtClaims, RegisteredClaims, Validation};
use portcullis_bench_driver::{BareCheck, Stand};

/// Serves on one thread until the process ends.
pub fn serve() -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stand = Stand::start();
        let settings = stand.settings();
        let rules = Validation::new().iss(&[&settings.issuer]).aud(&[&settings.audience]);
        let authorizer = JwtAuthorizer::from_jwks_url(&settings.jwks_url).validation(rules);
        let authorizer: Authorizer = authorizer.build().await.unwrap();
        let app = Router::new()
            .route("/auth", get(guarded))
            .layer(authorizer.into_layer())
            .route("/open", get(open))
            .route("/signature", get(checked))
            .with_state(Arc::new(stand.bare_check()));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        stand.announce(listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
    unreachable!("the server does not end")
}

async fn open() -> &'static str {
    "hello"
}

async fn guarded(_: JwtClaims<RegisteredClaims>) -> &'static str {
    "hello"
}

async fn checked(State(check): State<Arc<BareCheck>>) -> &'static str {
    check.run();
    "hello"
}
