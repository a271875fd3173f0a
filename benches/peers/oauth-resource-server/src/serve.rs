//! A server for the bench `http`, as in the example `axum_basic` of oauth-resource-server.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{OAuthValidator, static_token_policy};
use portcullis_bench_driver::{BareCheck, Stand};

/// Serves on one thread until the process ends.
pub fn serve() -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stand = Stand::start();
        let config = crate::resolved(&stand.settings()).unwrap();
        let validator = Arc::new(OAuthValidator::new(&config).unwrap());
        validator.refresh_now().await.unwrap();
        let decision = static_token_policy(None, Some(&config), false).unwrap();
        let layer = AuthLayer::from_decision(decision, Some(validator)).unwrap();
        let app = Router::new()
            .route("/auth", get(open))
            .route_layer(layer)
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

async fn checked(State(check): State<Arc<BareCheck>>) -> &'static str {
    check.run();
    "hello"
}
