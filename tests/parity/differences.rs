//! Where the frameworks differ, because their routers decide before the guard. No handler runs without a token.

use portcullis::Gate;
use portcullis_testing::TestIssuer;

use crate::client::Connection;
use crate::running::Running;

#[test]
fn routers_differ_in_unknown_paths_and_head() {
    let issuer = TestIssuer::new();
    let bearer = format!("Authorization: Bearer {}\r\n", issuer.token().sign());
    let (axum, actix) = (start_axum(issuer.gate()), start_actix(issuer.gate()));
    for (method, path, token, expected) in [
        // A path without a route in a guarded part.
        ("GET", "/guarded/unknown", "", (404, 401)),
        ("GET", "/guarded/unknown", &bearer, (404, 404)),
        // The same for the whole service.
        ("GET", "/unknown", "", (404, 404)),
        // `get` of axum also serves HEAD.
        ("HEAD", "/guarded/orders", "", (401, 401)),
        ("HEAD", "/guarded/orders", &bearer, (200, 404)),
        // Another method of a known route.
        ("POST", "/guarded/orders", "", (401, 401)),
        ("POST", "/guarded/orders", &bearer, (405, 404)),
        ("POST", "/guarded/items", "", (401, 401)),
        ("POST", "/guarded/items", &bearer, (405, 405)),
        ("GET", "/guarded/orders", "", (401, 401)),
        ("GET", "/guarded/orders", &bearer, (200, 200)),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n{token}\r\n");
        let status =
            |server: &Running| Connection::open(server.address()).exchange(request.as_bytes(), method == "HEAD").status;
        let has_token = !token.is_empty();
        assert_eq!((status(&axum), status(&actix)), expected, "{method} {path}, with a token: {has_token}");
    }
}

fn start_axum(gate: Gate) -> Running {
    let get = axum::routing::get(|| async { "orders" });
    let orders = axum::Router::new().route("/orders", get.clone()).route("/items", get);
    Running::axum(axum::Router::new().nest("/guarded", orders.layer(portcullis_axum::AuthLayer::new(gate))))
}

fn start_actix(gate: Gate) -> Running {
    use actix_web::web;
    Running::actix(move |app| {
        let guard = portcullis_actix::AuthMiddleware::new(gate.clone());
        let get = || web::get().to(|| async { "orders" });
        let items = web::resource("/items").route(get());
        app.service(web::scope("/guarded").wrap(guard).route("/orders", get()).service(items));
    })
}
