//! The extractors in a router, and errors of other adapters.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{any, get};
use axum::{Extension, Router};
use portcullis_axum::claims::NoClaims;
use portcullis_axum::error::Unavailable;
use portcullis_axum::jose::Algorithm;
use portcullis_axum::keys::{KeyError, KeyQuery, VerifyingKey};
use portcullis_axum::{
    Audience, Auth, Authorized, Gate, HasGate, JwtVerifier, KeyProvider, Policy, Reason, Rejection, Require,
    async_trait, scopes,
};
use portcullis_testing::{TestIssuer, gate_admitting};
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct ReadMessages;

impl Require for ReadMessages {
    fn policy() -> Policy {
        scopes("read:messages")
    }
}

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
}

async fn subject(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn greeting(auth: Option<Auth>) -> String {
    auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous").to_owned()
}

async fn messages(auth: Authorized<ReadMessages>) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn tenant(auth: Auth<Tenant>) -> String {
    auth.claims.tenant
}

async fn maybe_tenant(auth: Option<Auth<Tenant>>) -> String {
    auth.map_or_else(|| "none".to_owned(), |auth| auth.claims.tenant)
}

async fn tenant_messages(auth: Authorized<ReadMessages, Tenant>) -> String {
    format!("{} of {}", auth.subject().unwrap_or_default(), auth.claims.tenant)
}

fn routes<S: HasGate + Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/subject", any(subject))
        .route("/greeting", get(greeting))
        .route("/messages", get(messages))
        .route("/tenant", get(tenant))
        .route("/maybe-tenant", get(maybe_tenant))
        .route("/tenant-messages", get(tenant_messages))
}

fn app(issuer: &TestIssuer) -> Router {
    routes().with_state(issuer.gate())
}

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn challenge(&self) -> Option<&str> {
        self.headers.get("www-authenticate").map(|value| value.to_str().unwrap())
    }

    fn reason(&self) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()["reason"].clone()
    }
}

async fn send(app: &Router, path: &str, authorization: impl AsRef<[u8]>) -> Answer {
    let request = Request::get(path).header("authorization", authorization.as_ref());
    answer(app, request.body(Body::empty()).unwrap()).await
}

async fn send_bare(app: &Router, path: &str) -> Answer {
    answer(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn answer(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().into()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// The log of this thread, at every level, until the guard is dropped.
fn captured_log() -> (Log, impl Sized) {
    let log = Log::default();
    // Two subscribers: with one, tracing may cache that an event is disabled, when another thread emitted it first.
    let [first, second] = [(); 2].map(|()| {
        let writer = log.clone();
        let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(everything.with_writer(move || writer.clone()).finish())
    });
    // Dropped in this order: a guard sets the subscriber again that was set before it.
    (log, (second, first))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn good_token_is_let_in() {
    let issuer = issuer();
    let app = app(&issuer);
    let token = issuer.token().subject("u1").scope("read:messages").claim("tenant", "t1").sign();
    let bearer = format!("Bearer {token}");
    for (path, body) in [
        ("/subject", "u1"),
        ("/greeting", "u1"),
        ("/messages", "u1"),
        ("/tenant", "t1"),
        ("/maybe-tenant", "t1"),
        ("/tenant-messages", "u1 of t1"),
    ] {
        let answer = send(&app, path, &bearer).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, body), "{path}");
    }
}

#[tokio::test]
async fn bearer_is_matched_in_any_case() {
    let issuer = issuer();
    let app = app(&issuer);
    let token = issuer.token().sign();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(send(&app, "/subject", format!("{scheme} {token}")).await.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn missing_credential_gets_a_challenge_without_error_code() {
    let app = app(&issuer());
    for answer in [send_bare(&app, "/subject").await, send(&app, "/subject", "Basic dXNlcjpwYXNz").await] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.challenge(), Some(r#"Bearer realm="api""#));
        assert_eq!(
            answer.body,
            r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#
        );
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn garbage_token_is_a_401() {
    let app = app(&issuer());
    for token in ["x", "a.b", "a.b.c", "....", "a.b.c.d.e", "eyJ9.eyJ9.eyJ9", "~~~", "-._~+/="] {
        let answer = send(&app, "/subject", format!("Bearer {token}")).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.challenge().unwrap().starts_with(r#"Bearer realm="api", error="invalid_token", "#), "{token}");
        assert!(!answer.body.is_empty() && answer.reason().is_string(), "{token}");
    }
}

#[tokio::test]
async fn other_bytes_in_authorization_are_a_400() {
    let app = app(&issuer());
    for value in
        [&b"Bearer \xff\xfe"[..], b"\xc3\xa9", b"Bearer caf\xc3\xa9", b"Bearer\ttab", b"Bearer", b"", b"Bearer a b"]
    {
        let answer = send(&app, "/subject", value).await;
        assert_eq!(answer.status, 400, "{value:?}");
        assert_eq!(
            answer.challenge(),
            Some(
                r#"Bearer realm="api", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#
            )
        );
    }
}

#[tokio::test]
async fn query_is_not_read() {
    let issuer = issuer();
    let app = app(&issuer);
    let token = issuer.token().subject("u1").sign();
    for query in ["token=%FF", "access_token=%FF%00", "%", "&&==", "access_token=a.b.c"] {
        let path = format!("/subject?{query}");
        assert_eq!(send_bare(&app, &path).await.status, 401, "{query}");
        assert_eq!(send(&app, &path, format!("Bearer {token}")).await.body, "u1", "{query}");
    }
    // A token in the query is not read.
    assert_eq!(send_bare(&app, &format!("/subject?access_token={token}")).await.status, 401);
}

#[tokio::test]
async fn two_authorization_fields_are_a_400() {
    let issuer = issuer();
    let bearer = format!("Bearer {}", issuer.token().sign());
    let request = Request::get("/subject").header("authorization", &bearer).header("authorization", &bearer);
    let answer = answer(&app(&issuer), request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.challenge().unwrap().contains(r#"error="invalid_request""#));
}

#[tokio::test]
async fn challenge_parameters_are_separated_by_commas() {
    let issuer = issuer();
    let answer = send(&app(&issuer), "/messages", format!("Bearer {}", issuer.token().scope("other").sign())).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.challenge(),
        Some(
            r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="read:messages""#
        )
    );
    assert!(answer.body.ends_with(r#","scope":"read:messages"}"#), "{}", answer.body);
}

#[tokio::test]
async fn optional_credential_may_be_absent_but_not_invalid() {
    let issuer = issuer();
    let app = app(&issuer);
    assert_eq!(send_bare(&app, "/greeting").await.body, "anonymous");
    assert_eq!(send(&app, "/greeting", "Basic dXNlcjpwYXNz").await.body, "anonymous");
    let expired = send(&app, "/greeting", format!("Bearer {}", issuer.token().expired().sign())).await;
    assert_eq!((expired.status.as_u16(), expired.reason()), (401, json!("expired")));
    assert_eq!(send(&app, "/greeting", "Bearer").await.status, 400);
    assert_eq!(send(&app, "/greeting", "DPoP abc").await.status, 401);
    for forgery in issuer.forgeries() {
        let answer = send(&app, "/greeting", format!("Bearer {}", forgery.token)).await;
        assert_eq!(answer.status, 401, "{}", forgery.name);
    }
}

#[tokio::test]
async fn every_forgery_is_refused_with_its_reason() {
    let issuer = issuer();
    let app = app(&issuer);
    for forgery in issuer.forgeries() {
        let answer = send(&app, "/subject", format!("Bearer {}", forgery.token)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason()),
            (401, json!(forgery.reason.as_str())),
            "{}",
            forgery.name
        );
    }
}

#[tokio::test]
async fn claims_of_another_type_are_refused_and_logged() {
    let issuer = issuer();
    let app = app(&issuer);
    let (log, _guard) = captured_log();
    let bearer = format!("Bearer {}", issuer.token().scope("read:messages").claim("tenant", 7).sign());
    for path in ["/tenant", "/maybe-tenant", "/tenant-messages"] {
        let answer = send(&app, path, &bearer).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (401, json!("invalid_claims")), "{path}");
    }
    assert_eq!(log.text().matches("invalid_claims").count(), 3, "{}", log.text());
}

#[tokio::test]
async fn missing_gate_is_a_500_and_logged() {
    let issuer = issuer();
    let app: Router = routes::<()>().with_state(());
    let (log, _guard) = captured_log();
    for path in ["/subject", "/greeting", "/messages"] {
        let answer = send(&app, path, format!("Bearer {}", issuer.token().sign())).await;
        assert_eq!((answer.status.as_u16(), answer.challenge()), (500, None), "{path}");
        assert_eq!(
            answer.body,
            r#"{"error":"server_error","error_description":"The service is not configured to authenticate requests"}"#
        );
    }
    let cause = "no gate in the request's extensions or in the router's state: give the router one, with \
                 .with_state(gate)";
    assert_eq!(log.text().matches(cause).count(), 3);
}

#[derive(Debug)]
struct Outage;

#[async_trait]
impl KeyProvider for Outage {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        Err(Unavailable::new().with_retry_after(Duration::from_secs(7)).into())
    }
}

#[tokio::test]
async fn key_outage_is_a_503() {
    let issuer = issuer();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), Outage).build().unwrap();
    let app: Router = routes().with_state(Gate::new(verifier));
    for path in ["/subject", "/greeting"] {
        let answer = send(&app, path, format!("Bearer {}", issuer.token().sign())).await;
        assert_eq!((answer.status.as_u16(), answer.challenge()), (503, None), "{path}");
        assert_eq!(answer.headers["retry-after"], "7");
        assert!(answer.body.starts_with(r#"{"error":"temporarily_unavailable","#));
    }
}

#[tokio::test]
async fn no_token_or_claim_reaches_the_log() {
    let issuer = issuer();
    let app = app(&issuer);
    let (log, _guard) = captured_log();
    let mut tokens = vec![
        issuer.token().subject("secret-subject").sign(),
        issuer.token().subject("secret-subject").claim("tenant", "secret-tenant").expired().sign(),
        "secret-garbage".to_owned(),
    ];
    tokens.extend(issuer.forgeries().into_iter().map(|forgery| forgery.token));
    for token in &tokens {
        for path in ["/subject", "/greeting", "/messages", "/tenant"] {
            send(&app, path, format!("Bearer {token}")).await;
        }
    }
    send(&app, "/subject", "Bearer secret malformed").await;
    let log = log.text();
    assert!(log.contains("expired") && log.contains("bad_signature"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    for part in tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 8) {
        assert!(!log.contains(part), "{part} is in the log");
    }
}

#[test]
fn debug_shows_no_claim() {
    fn shown<T: std::fmt::Debug>(value: &T) -> String {
        format!("{value:?}")
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let gate = gate_admitting(&json!({"sub": "secret", "scope": "read:messages"})).unwrap();
    let mut parts = Request::get("/").body(()).unwrap().into_parts().0;
    runtime.block_on(async {
        use axum::extract::FromRequestParts;
        let auth = <Auth as FromRequestParts<Gate>>::from_request_parts(&mut parts, &gate).await.unwrap();
        assert_eq!(shown(&auth), "Auth { .. }");
        let (caller, NoClaims) = auth.into_parts();
        assert_eq!(caller.subject(), Some("secret"));
        let auth = Authorized::<ReadMessages>::from_request_parts(&mut parts, &gate).await.unwrap();
        assert_eq!(shown(&auth), "Authorized { .. }");
    });
}

#[tokio::test]
async fn gate_is_found_in_every_kind_of_state() {
    #[derive(Clone)]
    struct AppState {
        gate: Gate,
    }
    impl HasGate for AppState {
        fn gate(&self) -> Option<&Gate> {
            Some(&self.gate)
        }
    }
    let issuer = issuer();
    let bearer = format!("Bearer {}", issuer.token().subject("u1").sign());
    let state = AppState { gate: issuer.gate() };
    let apps: [Router; 4] = [
        routes().with_state(issuer.gate()),
        routes().with_state(state.clone()),
        routes().with_state(Arc::new(state)),
        routes::<()>().with_state(()).layer(Extension(issuer.gate())),
    ];
    for (position, app) in apps.iter().enumerate() {
        assert_eq!(send(app, "/subject", &bearer).await.body, "u1", "{position}");
    }
}

#[tokio::test]
async fn innermost_gate_decides() {
    let (inner, outer) = (issuer(), TestIssuer::from_algorithms([Algorithm::Rs256]));
    let app: Router = Router::new()
        .nest("/inner", routes().layer(Extension(inner.gate())))
        .merge(routes())
        .layer(Extension(outer.gate()))
        .with_state(TestIssuer::from_algorithms([Algorithm::EdDsa]).gate());
    let bearer = |issuer: &TestIssuer| format!("Bearer {}", issuer.token().sign());
    for (path, issuer, status) in [
        ("/inner/subject", &inner, 200),
        ("/inner/subject", &outer, 401),
        ("/subject", &outer, 200),
        ("/subject", &inner, 401),
    ] {
        assert_eq!(send(&app, path, bearer(issuer)).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn every_method_is_guarded() {
    let issuer = issuer();
    let app = app(&issuer);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/subject");
        assert_eq!(answer(&app, request.body(Body::empty()).unwrap()).await.status, 401, "{method}");
    }
}

#[tokio::test]
async fn handler_can_read_the_refusal() {
    async fn reason(auth: Result<Auth, Rejection>) -> &'static str {
        match auth {
            Ok(_) => "let in",
            Err(rejection) => rejection.refusal().reason.map_or("no reason", Reason::as_str),
        }
    }
    let issuer = issuer();
    let app: Router = Router::new().route("/", get(reason)).with_state(issuer.gate());
    assert_eq!(send(&app, "/", format!("Bearer {}", issuer.token().expired().sign())).await.body, "expired");
    assert_eq!(send_bare(&app, "/").await.body, "no reason");
}

#[tokio::test]
async fn handlers_are_tested_without_tokens() {
    let gate = gate_admitting(&json!({"sub": "u1", "scope": "read:messages", "tenant": "t1"})).unwrap();
    let app: Router = routes().with_state(gate);
    assert_eq!(send_bare(&app, "/tenant-messages").await.body, "u1 of t1");
    assert_eq!(send_bare(&app, "/greeting").await.body, "u1");
    let app: Router = routes().with_state(gate_admitting(&json!({"sub": "u1"})).unwrap());
    assert_eq!(send_bare(&app, "/messages").await.status, 403);
}

/// A state whose code has an error.
#[derive(Clone)]
struct PanickingState;

impl HasGate for PanickingState {
    fn gate(&self) -> Option<&Gate> {
        panic!("a bug in the state")
    }
}

#[tokio::test]
async fn panicking_state_is_a_500() {
    let app: Router = routes::<PanickingState>().with_state(PanickingState);
    let answer = send_bare(&app, "/subject").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("server_error"), "{}", answer.body);
}
