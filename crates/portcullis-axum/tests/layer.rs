//! A router with public, optional, guarded and nested parts: the requests that each part admits and refuses.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{any, get};
use portcullis_axum::adapter::Credential;
use portcullis_axum::{
    Auth, AuthError, AuthLayer, Gate, TokenSource, Verified, Verifier, async_trait, dangerous, scopes,
};
use portcullis_testing::TestIssuer;
use tower::{Layer as _, Service, ServiceExt as _};

async fn subject(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn greeting(auth: Option<Auth>) -> String {
    auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous").to_owned()
}

/// Staff sign in with one issuer, customers with another.
fn app(staff: &Gate, customers: &Gate) -> Router {
    let admin = Router::new()
        .route("/stop", any(subject))
        .layer(AuthLayer::new(staff.clone()).require(scopes("admin")).allow_cors_preflight());
    let shop = Router::new()
        .route("/orders", get(subject))
        .route("/welcome", get(greeting))
        .layer(AuthLayer::new(customers.clone()).optional());
    // Behind both gates: a request that passes the outer one reaches the inner one.
    let vault = Router::new()
        .route("/gold", get(subject))
        .layer(AuthLayer::new(staff.clone()))
        .layer(AuthLayer::new(customers.clone()).optional());
    Router::new()
        .route("/public", get(|| async { "open" }))
        .nest("/admin", admin)
        .nest("/shop", shop)
        .nest("/vault", vault)
}

async fn send(app: &Router, method: &str, path: &str, fields: &[(&str, String)]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.into()).unwrap())
}

async fn get_with(app: &Router, path: &str, token: &str) -> (u16, String) {
    let (status, body) = send(app, "GET", path, &[("authorization", format!("Bearer {token}"))]).await;
    (status.as_u16(), body)
}

async fn get_bare(app: &Router, path: &str) -> u16 {
    send(app, "GET", path, &[]).await.0.as_u16()
}

#[tokio::test]
async fn each_part_of_a_router_admits_its_own_callers() {
    let staff = TestIssuer::new().with_url("https://staff.test/");
    let customers = TestIssuer::new().with_url("https://customers.test/");
    let app = app(&staff.gate(), &customers.gate());
    let boss = staff.token().subject("boss").scope("admin").sign();
    let clerk = staff.token().subject("clerk").sign();
    let customer = customers.token().subject("customer").scope("admin").sign();
    let expired = customers.token().expired().sign();

    assert_eq!(get_bare(&app, "/public").await, 200);
    assert_eq!(get_with(&app, "/public", "garbage").await.0, 200);

    assert_eq!(get_with(&app, "/admin/stop", &boss).await, (200, "boss".to_owned()));
    assert_eq!(get_with(&app, "/admin/stop", &clerk).await.0, 403);
    assert_eq!(get_with(&app, "/admin/stop", &customer).await.0, 401);
    assert_eq!(get_bare(&app, "/admin/stop").await, 401);

    assert_eq!(get_with(&app, "/shop/orders", &customer).await, (200, "customer".to_owned()));
    assert_eq!(get_with(&app, "/shop/orders", &boss).await.0, 401);
    assert_eq!(get_bare(&app, "/shop/orders").await, 401);
    assert_eq!(get_with(&app, "/shop/welcome", &customer).await, (200, "customer".to_owned()));
    assert_eq!(get_with(&app, "/shop/welcome", &expired).await.0, 401);
    assert_eq!(get_bare(&app, "/shop/welcome").await, 200);

    // Two nested layers with two issuers: the admission of one does not count for the other.
    assert_eq!(get_with(&app, "/vault/gold", &customer).await.0, 401);
    assert_eq!(get_with(&app, "/vault/gold", &boss).await.0, 401);
    assert_eq!(get_bare(&app, "/vault/gold").await, 401);
}

#[tokio::test]
async fn required_layer_behind_an_optional_one_asks_itself() {
    const NAMED: &str = "x-staff-token";
    let staff = TestIssuer::new().with_url("https://staff.test/");
    let customers = TestIssuer::new().with_url("https://customers.test/");
    let app = Router::new()
        .route("/", get(subject))
        .route("/open", get(|| async { "open" }))
        .layer(AuthLayer::new(staff.gate().with_token_sources([TokenSource::header(NAMED)])))
        .layer(AuthLayer::new(customers.gate()).optional());
    let customer = ("authorization", format!("Bearer {}", customers.token().subject("customer").sign()));
    let expired = ("authorization", format!("Bearer {}", customers.token().expired().sign()));
    let boss = (NAMED, staff.token().subject("boss").sign());
    let posing = (NAMED, customers.token().issuer("https://staff.test/").sign());
    for (path, text) in [("/", "boss"), ("/open", "open")] {
        let ask = |fields: Vec<(&'static str, String)>| {
            let app = app.clone();
            async move { send(&app, "GET", path, &fields).await }
        };
        assert_eq!(ask(vec![boss.clone()]).await, (StatusCode::OK, text.to_owned()));
        assert_eq!(ask(vec![customer.clone(), boss.clone()]).await, (StatusCode::OK, text.to_owned()));
        for shut in [
            vec![],
            vec![customer.clone()],
            vec![expired.clone(), boss.clone()],
            vec![customer.clone(), posing.clone()],
        ] {
            assert_eq!(ask(shut).await.0, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}

/// How axum applies a layer: to the routes that are there. The docs of [`AuthLayer`] show both orders.
#[tokio::test]
async fn route_added_after_the_layer_is_open() {
    let issuer = TestIssuer::new();
    let layer = || AuthLayer::new(issuer.gate());
    let behind = || get(|| async { "reached" });
    let guarded = Router::new().route("/", behind()).layer(layer());
    let open = Router::new().layer(layer()).route("/", behind());
    assert_eq!((get_bare(&guarded, "/").await, get_bare(&open, "/").await), (401, 200));
    // Each way to add routes before or after the layer.
    for (app, path, status) in [
        (Router::new().merge(guarded.clone()), "/", 401),
        (Router::new().nest("/part", guarded.clone()), "/part", 401),
        (Router::new().nest("/part", Router::new().route("/", behind())).layer(layer()), "/part", 401),
        (Router::new().fallback(|| async { "reached" }).layer(layer()), "/any", 401),
        (Router::new().route("/", behind()).route_layer(layer()), "/", 401),
        (Router::new().route("/", behind().layer(layer())), "/", 401),
        (guarded.clone().route("/late", behind()), "/late", 200),
        (guarded.clone().merge(Router::new().route("/late", behind())), "/late", 200),
        (guarded.clone().nest("/late", Router::new().route("/", behind())), "/late", 200),
        (guarded.fallback(|| async { "reached" }), "/any", 200),
        (Router::new().route("/", behind()).route_layer(layer()).fallback(|| async { "reached" }), "/any", 200),
    ] {
        assert_eq!(get_bare(&app, path).await, status, "{path}");
    }
    // An extractor guards its handler wherever the route is added.
    let extractor = Router::new().layer(layer()).route("/", get(subject)).with_state(issuer.gate());
    assert_eq!(get_bare(&extractor, "/").await, 401);
}

#[tokio::test]
async fn bad_token_never_passes_a_layer() {
    let issuer = TestIssuer::new();
    let open = Router::new().route("/", any(|| async { "behind" }));
    for layer in [AuthLayer::new(issuer.gate()), AuthLayer::new(issuer.gate()).optional().allow_cors_preflight()] {
        let app = open.clone().layer(layer);
        assert_eq!(get_with(&app, "/", &issuer.token().sign()).await, (200, "behind".to_owned()));
        for forgery in issuer.forgeries() {
            let (status, body) = get_with(&app, "/", &forgery.token).await;
            assert_eq!(status, 401, "{}", forgery.name);
            assert!(body.contains(&format!(r#""reason":"{}""#, forgery.reason)), "{}: {body}", forgery.name);
        }
        assert_eq!(send(&app, "GET", "/", &[("authorization", "Bearer".to_owned())]).await.0, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_avoids_the_guard() {
    let staff = TestIssuer::new();
    let app = app(&staff.gate(), &staff.gate());
    let boss = staff.token().subject("boss").scope("admin").sign();
    assert_eq!(get_with(&app, "/admin/stop", &boss).await, (200, "boss".to_owned()));
    for path in SPELLINGS {
        let (status, body) = send(&app, "GET", path, &[]).await;
        assert!(matches!(status.as_u16(), 401 | 404), "{path}: {status} {body}");
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

#[tokio::test]
async fn layer_guards_a_websocket_upgrade() {
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route("/ws", get(|| async { StatusCode::SWITCHING_PROTOCOLS }))
        .layer(AuthLayer::new(issuer.gate()));
    let upgrade = [("connection", "upgrade".to_owned()), ("upgrade", "websocket".to_owned())];
    assert_eq!(send(&app, "GET", "/ws", &upgrade).await.0, StatusCode::UNAUTHORIZED);
    let with = |token: String| [&upgrade[..], &[("authorization", format!("Bearer {token}"))]].concat();
    assert_eq!(send(&app, "GET", "/ws", &with(issuer.token().expired().sign())).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&app, "GET", "/ws", &with(issuer.token().sign())).await.0, StatusCode::SWITCHING_PROTOCOLS);
}

#[tokio::test]
async fn cors_preflight_is_answered_only_where_allowed() {
    let staff = TestIssuer::new();
    let app = app(&staff.gate(), &staff.gate());
    let preflight = |method: &str| {
        [("origin", "https://app.test".to_owned()), ("access-control-request-method", method.to_owned())]
    };
    let (status, body) = send(&app, "OPTIONS", "/admin/stop", &preflight("DELETE")).await;
    assert_eq!((status.as_u16(), body.as_str()), (204, ""));
    let open = Router::new().route("/", any(|| async { "behind" }));
    let allowed = open.clone().layer(AuthLayer::new(staff.gate()).allow_cors_preflight());
    // The guard answers it, so the handler, which takes any method, does not run.
    assert_eq!(send(&allowed, "OPTIONS", "/", &preflight("GET")).await, (StatusCode::NO_CONTENT, String::new()));
    assert_eq!(send(&allowed, "GET", "/", &preflight("GET")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&allowed, "OPTIONS", "/", &[]).await.0, StatusCode::UNAUTHORIZED);
    let refused = open.layer(AuthLayer::new(staff.gate()));
    assert_eq!(send(&refused, "OPTIONS", "/", &preflight("GET")).await.0, StatusCode::UNAUTHORIZED);
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

#[tokio::test]
async fn caller_of_a_layer_is_not_verified_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = Gate::new(Counting(Arc::clone(&asked)));
    let app = Router::new().route("/", get(subject)).layer(AuthLayer::new(gate.clone())).layer(AuthLayer::new(gate));
    let request = Request::get("/").header("authorization", "Bearer a").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["dpop-nonce"], "fresh");
    // Verified once, by the outer layer, whose header appears once: the inner one and the extractor know the caller.
    assert_eq!(response.headers().get_all("dpop-nonce").iter().count(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Panics when it is called before it was polled ready.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn service_that_was_polled_ready_is_called() {
    let issuer = TestIssuer::new();
    // The layer accepts any request body.
    let mut service = AuthLayer::new(issuer.gate()).layer(Strict::default());
    for _ in 0..3 {
        let field = format!("Bearer {}", issuer.token().sign());
        let request = Request::get("/").header("authorization", field).body("text".to_owned()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn resource_metadata_is_served_and_named_in_challenges() {
    let issuer = TestIssuer::new();
    let metadata = portcullis_axum::ResourceMetadata::new("https://api.test/mcp").unwrap().with_scopes(["read"]);
    let path = metadata.path();
    let gate = issuer.gate().with_resource_metadata(metadata);
    let app = Router::new().route(&path, get(portcullis_axum::resource_metadata)).route("/", get(subject));
    let with = app.clone().with_state(gate);
    let (status, body) = send(&with, "GET", &path, &[]).await;
    assert_eq!(status, StatusCode::OK);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["resource"], "https://api.test/mcp");
    assert_eq!(body["authorization_servers"][0], issuer.url());
    let refused = with.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(r#"resource_metadata="https://api.test/.well-known/oauth-protected-resource/mcp""#));
    let without = app.with_state(issuer.gate());
    assert_eq!(send(&without, "GET", &path, &[]).await.0, StatusCode::NOT_FOUND);
}
