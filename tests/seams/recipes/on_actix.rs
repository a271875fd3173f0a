//! The recipes on Actix Web.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::middleware::Logger;
use actix_web::{App, HttpResponse, test, web};
use portcullis_actix::adapter::hide_parameters;
use portcullis_actix::{Auth, AuthMiddleware, Authorized, Gate, Policy, Require, scopes};
use serde::Deserialize;

use super::Ask;

/// In place of the pool of a database.
struct Pool;

impl Pool {
    async fn orders_of(&self, _subject: &str) -> u64 {
        3
    }
}

async fn me(pool: web::Data<Pool>, auth: Auth) -> String {
    let subject = auth.subject().unwrap_or_default();
    format!("{subject} has {} orders", pool.orders_of(subject).await)
}

struct ReadOrders;

impl Require for ReadOrders {
    fn policy() -> Policy {
        scopes("orders:read")
    }
}

struct WriteOrders;

impl Require for WriteOrders {
    fn policy() -> Policy {
        scopes("orders:write")
    }
}

async fn list_orders(_: Authorized<ReadOrders>) -> &'static str {
    "the orders"
}

async fn create_order(_: Authorized<WriteOrders>) -> &'static str {
    "created"
}

#[derive(Deserialize)]
struct OfTenant {
    org_id: String,
}

async fn documents(tenant: web::Path<String>, auth: Auth<OfTenant>) -> HttpResponse {
    // 404 instead of 403, so that callers do not learn which tenants exist.
    if auth.claims.org_id == *tenant {
        HttpResponse::Ok().body(format!("documents of {tenant}"))
    } else {
        HttpResponse::NotFound().finish()
    }
}

async fn forward(auth: Auth) -> String {
    // The value of `Authorization` for the next service, also if a cookie had the token.
    format!("Bearer {}", auth.raw_token().unwrap_or_default())
}

fn routes(app: &mut web::ServiceConfig, gate: &Gate, pool: web::Data<Pool>) {
    app.app_data(gate.clone())
        .app_data(pool)
        .route("/me", web::get().to(me))
        .service(web::resource("/orders").route(web::get().to(list_orders)).route(web::post().to(create_order)))
        .route("/tenants/{tenant}/documents", web::get().to(documents))
        .route("/forward", web::get().to(forward))
        // The first service that fits serves the request, so the public route comes before the guarded scope.
        .route("/api/version", web::get().to(|| async { "1.0" }))
        .service(
            web::scope("/api")
                .wrap(AuthMiddleware::new(gate.clone()))
                .route("/private", web::get().to(|| async { "private" })),
        );
}

pub(super) async fn answer(gate: &Gate, ask: &Ask) -> (u16, String) {
    let pool = web::Data::new(Pool);
    let app = test::init_service(App::new().configure(|app| routes(app, gate, pool))).await;
    let mut request = test::TestRequest::with_uri(ask.path).method(Method::from_bytes(ask.method.as_bytes()).unwrap());
    for (name, value) in &ask.fields {
        request = request.insert_header((*name, value.as_str()));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
}

/// The log has no token of a URL.
fn log() -> Logger {
    Logger::new("%{LINE}xi %s %b").custom_request_replace("LINE", |request| {
        let uri = hide_parameters(&request.uri().to_string(), &["access_token", "ticket"]);
        format!("{} {uri}", request.method())
    })
}

pub(super) async fn ask_with_log(gate: &Gate, target: &str) -> u16 {
    let app = App::new().app_data(gate.clone()).route("/events", web::get().to(|_: Auth| async { "" }));
    let app = test::init_service(app.wrap(log())).await;
    test::call_service(&app, test::TestRequest::get().uri(target).to_request()).await.status().as_u16()
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin("https://app.example.com")
        .allowed_methods(["GET", "POST"])
        .allowed_headers(["authorization", "dpop"])
        .expose_headers(["www-authenticate", "dpop-nonce"])
}

/// The exposed fields in the answer to a request without a token from a page of that origin.
pub(super) async fn exposed(gate: &Gate) -> (u16, String) {
    let app = App::new().route("/", web::get().to(HttpResponse::Ok));
    let app = test::init_service(app.wrap(AuthMiddleware::new(gate.clone())).wrap(cors())).await;
    let request = test::TestRequest::get().uri("/").insert_header(("origin", "https://app.example.com"));
    let response = test::call_service(&app, request.to_request()).await;
    let exposed = response.headers().get("access-control-expose-headers").unwrap().to_str().unwrap();
    (response.status().as_u16(), exposed.to_ascii_lowercase())
}
