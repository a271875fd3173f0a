//! An app with public, optional, guarded and nested parts: each way in, and each way that must stay shut.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::Method;
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use portcullis_actix::{
    Auth, AuthError, Authenticate, Credential, Gate, MaybeAuth, Verified, Verifier, async_trait, dangerous, scopes,
};
use portcullis_testing::TestIssuer;

async fn subject(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn greeting(auth: MaybeAuth) -> String {
    auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous").to_owned()
}

/// Staff sign in with one issuer, customers with another.
fn routes(staff: Gate, customers: Gate) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        let admin = Authenticate::new(staff.clone()).require(scopes("admin")).allow_cors_preflight();
        let behind = || async { "behind" };
        app.route("/public", web::get().to(|| async { "open" }))
            .service(web::scope("/admin").wrap(admin).route("/stop", web::route().to(subject)))
            .service(
                web::scope("/shop")
                    .wrap(Authenticate::new(customers.clone()).optional())
                    .route("/orders", web::get().to(subject))
                    .route("/welcome", web::get().to(greeting)),
            )
            // Behind both gates: only who passes the outer one reaches the inner one.
            .service(
                web::scope("/vault")
                    .wrap(Authenticate::new(staff.clone()))
                    .wrap(Authenticate::new(customers.clone()).optional())
                    .route("/gold", web::get().to(subject)),
            )
            .service(
                web::resource("/preflight-allowed")
                    .wrap(Authenticate::new(staff.clone()).allow_cors_preflight())
                    .route(web::route().to(behind)),
            )
            .service(web::resource("/preflight-refused").wrap(Authenticate::new(staff)).route(web::route().to(behind)));
    }
}

async fn send(
    configure: impl FnOnce(&mut ServiceConfig),
    method: Method,
    path: &str,
    fields: &[(&str, String)],
) -> (u16, String) {
    let app = test::init_service(App::new().configure(configure)).await;
    let mut request = TestRequest::with_uri(path).method(method);
    for (name, value) in fields {
        request = request.insert_header((*name, value.as_str()));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn every_part_of_an_app_opens_to_its_own_callers_alone() {
    let staff = TestIssuer::new().with_url("https://staff.test/");
    let customers = TestIssuer::new().with_url("https://customers.test/");
    let (staff_gate, customers_gate) = (staff.gate(), customers.gate());
    let ask = |path: &'static str, token: Option<String>| {
        let routes = routes(staff_gate.clone(), customers_gate.clone());
        async move {
            let field = token.map(|token| ("authorization", format!("Bearer {token}")));
            send(routes, Method::GET, path, field.as_slice()).await
        }
    };
    let boss = || Some(staff.token().subject("boss").scope("admin").sign());
    let clerk = || Some(staff.token().subject("clerk").sign());
    let customer = || Some(customers.token().subject("customer").scope("admin").sign());
    let expired = || Some(customers.token().expired().sign());

    assert_eq!(ask("/public", None).await.0, 200);
    assert_eq!(ask("/public", Some("garbage".to_owned())).await.0, 200);

    assert_eq!(ask("/admin/stop", boss()).await, (200, "boss".to_owned()));
    assert_eq!(ask("/admin/stop", clerk()).await.0, 403);
    assert_eq!(ask("/admin/stop", customer()).await.0, 401);
    assert_eq!(ask("/admin/stop", None).await.0, 401);

    assert_eq!(ask("/shop/orders", customer()).await, (200, "customer".to_owned()));
    assert_eq!(ask("/shop/orders", boss()).await.0, 401);
    assert_eq!(ask("/shop/orders", None).await.0, 401);
    assert_eq!(ask("/shop/welcome", customer()).await, (200, "customer".to_owned()));
    assert_eq!(ask("/shop/welcome", expired()).await.0, 401);
    assert_eq!(ask("/shop/welcome", None).await.0, 200);

    // Two nested middlewares with two issuers: neither's admission passes for the other's.
    assert_eq!(ask("/vault/gold", customer()).await.0, 401);
    assert_eq!(ask("/vault/gold", boss()).await.0, 401);
    assert_eq!(ask("/vault/gold", None).await.0, 401);
}

#[actix_web::test]
async fn a_cors_preflight_passes_only_where_it_is_allowed() {
    let staff = TestIssuer::new();
    let gate = staff.gate();
    let preflight = [("origin", "https://app.test".to_owned()), ("access-control-request-method", "GET".to_owned())];
    let ask = |method: Method, path: &'static str, fields: Vec<(&'static str, String)>| {
        let routes = routes(gate.clone(), gate.clone());
        async move { send(routes, method, path, &fields).await.0 }
    };
    assert_eq!(ask(Method::OPTIONS, "/preflight-allowed", preflight.to_vec()).await, 200);
    assert_eq!(ask(Method::GET, "/preflight-allowed", preflight.to_vec()).await, 401);
    assert_eq!(ask(Method::OPTIONS, "/preflight-allowed", Vec::new()).await, 401);
    assert_eq!(ask(Method::OPTIONS, "/preflight-refused", preflight.to_vec()).await, 401);
    // The guard lets it through; what is behind is an extractor, which still wants a caller.
    assert_eq!(ask(Method::OPTIONS, "/admin/stop", preflight.to_vec()).await, 401);
}

/// Counts how often it is asked, and adds a header to the response.
#[derive(Debug)]
struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl Verifier for Counting {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let caller = dangerous::assume_verified(&serde_json::json!({"sub": "counted"}))?;
        Ok(caller.with_response_headers([("dpop-nonce".to_owned(), "fresh".to_owned())]))
    }
}

#[actix_web::test]
async fn what_a_middleware_verified_is_not_verified_again_and_its_headers_reach_the_response() {
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = Gate::new(Counting(Arc::clone(&asked)));
    let app = App::new()
        .wrap(Authenticate::new(gate.clone()))
        .service(web::resource("/").wrap(Authenticate::new(gate)).route(web::get().to(subject)));
    let app = test::init_service(app).await;
    let request = TestRequest::get().insert_header(("authorization", "Bearer a")).to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers().get("dpop-nonce").unwrap(), "fresh");
    // Once by each of the two middlewares, and not by the extractor.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[actix_web::test]
async fn a_websocket_upgrade_passes_the_middleware_like_any_request() {
    let issuer = TestIssuer::new();
    let upgrade = || async { HttpResponse::SwitchingProtocols().upgrade("websocket").finish() };
    let app =
        App::new().service(web::resource("/ws").wrap(Authenticate::new(issuer.gate())).route(web::get().to(upgrade)));
    let app = test::init_service(app).await;
    let request = || {
        TestRequest::get().uri("/ws").insert_header(("connection", "upgrade")).insert_header(("upgrade", "websocket"))
    };
    let refused = test::call_service(&app, request().to_request()).await;
    assert_eq!(refused.status().as_u16(), 401);
    let field = format!("Bearer {}", issuer.token().sign());
    let admitted = test::call_service(&app, request().insert_header(("authorization", field)).to_request()).await;
    assert_eq!(admitted.status().as_u16(), 101);
}

#[actix_web::test]
async fn resource_metadata_is_served_and_named_in_challenges() {
    let issuer = TestIssuer::new();
    let metadata = portcullis_actix::ResourceMetadata::new("https://api.test/mcp").unwrap().scopes(["read"]);
    let path = metadata.path();
    let routes = |gate: Gate| {
        let path = path.clone();
        move |app: &mut ServiceConfig| {
            app.app_data(gate)
                .route(&path, web::get().to(portcullis_actix::resource_metadata))
                .route("/", web::get().to(subject));
        }
    };
    let gate = issuer.gate().with_resource_metadata(metadata);
    let (status, body) = send(routes(gate.clone()), Method::GET, &path, &[]).await;
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["resource"], "https://api.test/mcp");
    assert_eq!(body["authorization_servers"][0], issuer.url());
    let app = test::init_service(App::new().configure(routes(gate))).await;
    let refused = test::call_service(&app, TestRequest::get().to_request()).await;
    let challenge = refused.headers().get("www-authenticate").unwrap().to_str().unwrap();
    assert!(challenge.ends_with(r#"resource_metadata="https://api.test/.well-known/oauth-protected-resource/mcp""#));
    assert_eq!(send(routes(issuer.gate()), Method::GET, &path, &[]).await.0, 404);
}
