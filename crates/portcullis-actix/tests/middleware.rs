//! An app with public, optional, guarded and nested parts: the requests that each part admits and refuses.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpMessage, HttpResponse};
use portcullis_actix::adapter::{Admission, Credential};
use portcullis_actix::{
    Auth, AuthError, AuthMiddleware, Gate, MaybeAuth, TokenSource, Verified, Verifier, async_trait, dangerous, scopes,
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
        let admin = AuthMiddleware::new(staff.clone()).require(scopes("admin")).allow_cors_preflight();
        let behind = || async { "behind" };
        app.route("/public", web::get().to(|| async { "open" }))
            .service(web::scope("/admin").wrap(admin).route("/stop", web::route().to(subject)))
            .service(
                web::scope("/shop")
                    .wrap(AuthMiddleware::new(customers.clone()).optional())
                    .route("/orders", web::get().to(subject))
                    .route("/welcome", web::get().to(greeting)),
            )
            // Behind both gates: a request that passes the outer one reaches the inner one.
            .service(
                web::scope("/vault")
                    .wrap(AuthMiddleware::new(staff.clone()))
                    .wrap(AuthMiddleware::new(customers.clone()).optional())
                    .route("/gold", web::get().to(subject)),
            )
            .service(
                web::resource("/preflight-allowed")
                    .wrap(AuthMiddleware::new(staff.clone()).allow_cors_preflight())
                    .route(web::route().to(behind)),
            )
            .service(
                web::resource("/preflight-refused").wrap(AuthMiddleware::new(staff)).route(web::route().to(behind)),
            );
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
async fn inner_middleware_finds_the_caller() {
    let staff = TestIssuer::new();
    let gate = staff.gate();
    let token = format!("Bearer {}", staff.token().subject("alice").sign());
    let routes = |app: &mut ServiceConfig| {
        let own = from_fn(|request: ServiceRequest, _: Next<BoxBody>| async move {
            let caller =
                request.extensions().get::<Admission>().and_then(|known| known.caller().subject().map(str::to_owned));
            Ok::<_, actix_web::Error>(request.into_response(caller.unwrap_or_default()))
        });
        app.service(web::resource("/").wrap(own).wrap(AuthMiddleware::new(gate)).to(|| async { "not reached" }));
    };
    assert_eq!(send(routes, Method::GET, "/", &[("authorization", token)]).await, (200, "alice".to_owned()));
}

#[actix_web::test]
async fn each_part_of_an_app_admits_its_own_callers() {
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

    // Two nested middlewares with two issuers: the admission of one does not count for the other.
    assert_eq!(ask("/vault/gold", customer()).await.0, 401);
    assert_eq!(ask("/vault/gold", boss()).await.0, 401);
    assert_eq!(ask("/vault/gold", None).await.0, 401);
}

#[actix_web::test]
async fn required_middleware_behind_an_optional_one_asks_itself() {
    const NAMED: &str = "x-staff-token";
    let staff = TestIssuer::new().with_url("https://staff.test/");
    let customers = TestIssuer::new().with_url("https://customers.test/");
    let (staff_gate, customers_gate) =
        (staff.gate().with_token_sources([TokenSource::header(NAMED)]), customers.gate());
    let routes = || {
        let (staff, customers) = (staff_gate.clone(), customers_gate.clone());
        move |app: &mut ServiceConfig| {
            app.service(
                web::scope("/both")
                    .wrap(AuthMiddleware::new(staff))
                    .wrap(AuthMiddleware::new(customers).optional())
                    .route("/", web::get().to(subject))
                    .route("/open", web::get().to(|| async { "open" })),
            );
        }
    };
    let customer = ("authorization", format!("Bearer {}", customers.token().subject("customer").sign()));
    let expired = ("authorization", format!("Bearer {}", customers.token().expired().sign()));
    let boss = (NAMED, staff.token().subject("boss").sign());
    let posing = (NAMED, customers.token().issuer("https://staff.test/").sign());
    for (path, text) in [("/both/", "boss"), ("/both/open", "open")] {
        let ask = |fields: Vec<(&'static str, String)>| {
            let routes = routes();
            async move { send(routes, Method::GET, path, &fields).await }
        };
        assert_eq!(ask(vec![boss.clone()]).await, (200, text.to_owned()));
        assert_eq!(ask(vec![customer.clone(), boss.clone()]).await, (200, text.to_owned()));
        for shut in [
            vec![],
            vec![customer.clone()],
            vec![expired.clone(), boss.clone()],
            vec![customer.clone(), posing.clone()],
        ] {
            assert_eq!(ask(shut).await.0, 401, "{path}");
        }
    }
}

#[actix_web::test]
async fn bad_token_never_passes_a_middleware() {
    let issuer = TestIssuer::new();
    let gate = issuer.gate();
    for optional in [false, true] {
        let routes = || {
            let guard = AuthMiddleware::new(gate.clone());
            let guard = if optional { guard.optional().allow_cors_preflight() } else { guard };
            |app: &mut ServiceConfig| {
                app.service(web::resource("/").wrap(guard).route(web::route().to(|| async { "behind" })));
            }
        };
        let ask = |value: String| {
            let routes = routes();
            async move { send(routes, Method::GET, "/", &[("authorization", value)]).await }
        };
        assert_eq!(ask(format!("Bearer {}", issuer.token().sign())).await, (200, "behind".to_owned()));
        for forgery in issuer.forgeries() {
            let (status, body) = ask(format!("Bearer {}", forgery.token)).await;
            assert_eq!(status, 401, "{}", forgery.name);
            assert!(body.contains(&format!(r#""reason":"{}""#, forgery.reason)), "{}: {body}", forgery.name);
        }
        assert_eq!(ask("Bearer".to_owned()).await.0, 400);
    }
}

#[actix_web::test]
async fn no_spelling_of_a_path_avoids_the_guard() {
    let staff = TestIssuer::new();
    let gate = staff.gate();
    let boss = ("authorization", format!("Bearer {}", staff.token().subject("boss").scope("admin").sign()));
    let ask = |path: &'static str, fields: Vec<(&'static str, String)>| {
        let routes = routes(gate.clone(), gate.clone());
        async move { send(routes, Method::GET, path, &fields).await }
    };
    assert_eq!(ask("/admin/stop", vec![boss]).await, (200, "boss".to_owned()));
    for path in SPELLINGS {
        let (status, body) = ask(path, vec![]).await;
        assert!(matches!(status, 401 | 404), "{path}: {status} {body}");
    }
}

/// Other ways to write `/admin/stop`, or to reach it through an open route.
const SPELLINGS: [&str; 14] = [
    "/admin/stop/",
    "/admin/stop?",
    "/admin/stop?public",
    "/admin//stop",
    "//admin/stop",
    "/./admin/stop",
    "/public/../admin/stop",
    "/public/%2e%2e/admin/stop",
    "/admin/%73top",
    "/%61dmin/stop",
    "/ADMIN/stop",
    "/admin/stop;/public",
    "/admin/stop%00",
    "/admin%2fstop",
];

#[actix_web::test]
async fn app_scope_and_resource_can_be_guarded() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new());
    let guard = || AuthMiddleware::new(issuer.gate());
    let behind = || web::get().to(subject);
    let app = test::init_service(App::new().wrap(guard()).route("/in/it", behind())).await;
    let scope = test::init_service(App::new().service(web::scope("/in").wrap(guard()).route("/it", behind()))).await;
    let resource = test::init_service(App::new().service(web::resource("/in/it").wrap(guard()).route(behind()))).await;
    let request = |token: Option<String>| {
        let request = TestRequest::get().uri("/in/it");
        match token {
            Some(token) => request.insert_header(("authorization", format!("Bearer {token}"))).to_request(),
            None => request.to_request(),
        }
    };
    for (token, status) in [
        (None, 401),
        (Some(issuer.token().sign()), 200),
        (Some(issuer.token().expired().sign()), 401),
        (Some(other.token().sign()), 401),
    ] {
        assert_eq!(test::call_service(&app, request(token.clone())).await.status().as_u16(), status);
        assert_eq!(test::call_service(&scope, request(token.clone())).await.status().as_u16(), status);
        assert_eq!(test::call_service(&resource, request(token)).await.status().as_u16(), status);
    }
}

/// A service that is ready as told.
struct Told(bool);

impl Service<ServiceRequest> for Told {
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = Ready<Result<ServiceResponse, actix_web::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), actix_web::Error>> {
        if self.0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        ready(Ok(request.into_response(HttpResponse::Ok())))
    }
}

#[actix_web::test]
async fn middleware_is_ready_when_its_service_is() {
    let guard = AuthMiddleware::new(TestIssuer::new().gate());
    for told in [true, false] {
        let service = guard.new_transform(Told(told)).await.unwrap();
        let polled = service.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled.is_ready(), told);
    }
}

#[actix_web::test]
async fn cors_preflight_is_answered_only_where_allowed() {
    let staff = TestIssuer::new();
    let gate = staff.gate();
    let preflight = [("origin", "https://app.test".to_owned()), ("access-control-request-method", "GET".to_owned())];
    let ask = |method: Method, path: &'static str, fields: Vec<(&'static str, String)>| {
        let routes = routes(gate.clone(), gate.clone());
        async move { send(routes, method, path, &fields).await.0 }
    };
    // The guard answers it, so the handler, which takes any method, does not run.
    assert_eq!(ask(Method::OPTIONS, "/preflight-allowed", preflight.to_vec()).await, 204);
    assert_eq!(ask(Method::GET, "/preflight-allowed", preflight.to_vec()).await, 401);
    assert_eq!(ask(Method::OPTIONS, "/preflight-allowed", Vec::new()).await, 401);
    assert_eq!(ask(Method::OPTIONS, "/preflight-refused", preflight.to_vec()).await, 401);
    assert_eq!(ask(Method::OPTIONS, "/admin/stop", preflight.to_vec()).await, 204);
}

/// Counts its calls, and adds a header field to the response.
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
async fn caller_of_a_middleware_is_not_verified_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = Gate::new(Counting(Arc::clone(&asked)));
    let app = App::new()
        .wrap(AuthMiddleware::new(gate.clone()))
        .service(web::resource("/").wrap(AuthMiddleware::new(gate)).route(web::get().to(subject)));
    let app = test::init_service(app).await;
    let request = TestRequest::get().insert_header(("authorization", "Bearer a")).to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers().get("dpop-nonce").unwrap(), "fresh");
    // Verified once, by the outer middleware, whose header appears once: the inner one and the extractor know the caller.
    assert_eq!(response.headers().get_all("dpop-nonce").count(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn middleware_guards_a_websocket_upgrade() {
    let issuer = TestIssuer::new();
    let upgrade = || async { HttpResponse::SwitchingProtocols().upgrade("websocket").finish() };
    let app =
        App::new().service(web::resource("/ws").wrap(AuthMiddleware::new(issuer.gate())).route(web::get().to(upgrade)));
    let app = test::init_service(app).await;
    let request = || {
        TestRequest::get().uri("/ws").insert_header(("connection", "upgrade")).insert_header(("upgrade", "websocket"))
    };
    let refused = test::call_service(&app, request().to_request()).await;
    assert_eq!(refused.status().as_u16(), 401);
    for (token, status) in [(issuer.token().expired().sign(), 401), (issuer.token().sign(), 101)] {
        let field = ("authorization", format!("Bearer {token}"));
        let response = test::call_service(&app, request().insert_header(field).to_request()).await;
        assert_eq!(response.status().as_u16(), status);
    }
}

#[actix_web::test]
async fn resource_metadata_is_served_and_named_in_challenges() {
    let issuer = TestIssuer::new();
    let metadata = portcullis_actix::ResourceMetadata::new("https://api.test/mcp").unwrap().with_scopes(["read"]);
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
