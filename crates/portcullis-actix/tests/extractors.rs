//! The extractors in an app, and errors of other adapters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, FromRequest};
use portcullis_actix::adapter::Credential;
use portcullis_actix::claims::NoClaims;
use portcullis_actix::error::Unavailable;
use portcullis_actix::jose::Algorithm;
use portcullis_actix::keys::{KeyError, KeyQuery, VerifyingKey};
use portcullis_actix::{
    Audience, Auth, AuthError, Authorized, Gate, JwtVerifier, KeyProvider, MaybeAuth, Policy, Reason, Rejection,
    Require, Verified, Verifier, async_trait, scopes,
};
use portcullis_testing::{TestIssuer, gate_admitting};
use serde_json::{Value, json};

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

async fn greeting(auth: MaybeAuth) -> String {
    auth.as_ref().and_then(|auth| auth.subject()).unwrap_or("anonymous").to_owned()
}

async fn messages(auth: Authorized<ReadMessages>) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

async fn tenant(auth: Auth<Tenant>) -> String {
    auth.claims.tenant
}

async fn maybe_tenant(auth: MaybeAuth<Tenant>) -> String {
    auth.0.map_or_else(|| "none".to_owned(), |auth| auth.claims.tenant)
}

async fn tenant_messages(auth: Authorized<ReadMessages, Tenant>) -> String {
    format!("{} of {}", auth.subject().unwrap_or_default(), auth.claims.tenant)
}

fn routes(app: &mut ServiceConfig) {
    app.route("/subject", web::route().to(subject))
        .route("/greeting", web::get().to(greeting))
        .route("/messages", web::get().to(messages))
        .route("/tenant", web::get().to(tenant))
        .route("/maybe-tenant", web::get().to(maybe_tenant))
        .route("/tenant-messages", web::get().to(tenant_messages));
}

/// All routes, with this gate.
fn app(gate: Gate) -> impl Fn(&mut ServiceConfig) {
    move |app| routes(app.app_data(gate.clone()))
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

async fn send(app: &impl Fn(&mut ServiceConfig), path: &str, authorization: impl AsRef<[u8]>) -> Answer {
    let value = HeaderValue::from_bytes(authorization.as_ref()).unwrap();
    answer(app, TestRequest::get().uri(path).insert_header(("authorization", value))).await
}

async fn send_bare(app: &impl Fn(&mut ServiceConfig), path: &str) -> Answer {
    answer(app, TestRequest::get().uri(path)).await
}

async fn answer(app: &impl Fn(&mut ServiceConfig), request: TestRequest) -> Answer {
    let service = test::init_service(App::new().configure(app)).await;
    let response = test::call_service(&service, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = String::from_utf8(test::read_body(response).await.into()).unwrap();
    Answer { status, headers, body }
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

#[actix_web::test]
async fn good_token_is_let_in() {
    let issuer = issuer();
    let app = app(issuer.gate());
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

#[actix_web::test]
async fn bearer_is_matched_in_any_case() {
    let issuer = issuer();
    let app = app(issuer.gate());
    let token = issuer.token().sign();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(send(&app, "/subject", format!("{scheme} {token}")).await.status, 200, "{scheme}");
    }
}

#[actix_web::test]
async fn missing_credential_gets_a_challenge_without_error_code() {
    let app = app(issuer().gate());
    for answer in [send_bare(&app, "/subject").await, send(&app, "/subject", "Basic dXNlcjpwYXNz").await] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.challenge(), Some(r#"Bearer realm="api""#));
        assert_eq!(
            answer.body,
            r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#
        );
        assert_eq!(answer.headers.get("content-type").unwrap(), "application/json");
        assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    }
}

#[actix_web::test]
async fn garbage_token_is_a_401() {
    let app = app(issuer().gate());
    for token in ["x", "a.b", "a.b.c", "....", "a.b.c.d.e", "eyJ9.eyJ9.eyJ9", "~~~", "-._~+/="] {
        let answer = send(&app, "/subject", format!("Bearer {token}")).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.challenge().unwrap().starts_with(r#"Bearer realm="api", error="invalid_token", "#), "{token}");
        assert!(!answer.body.is_empty() && answer.reason().is_string(), "{token}");
    }
}

#[actix_web::test]
async fn other_bytes_in_authorization_are_a_400() {
    let app = app(issuer().gate());
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

#[actix_web::test]
async fn query_is_not_read() {
    let issuer = issuer();
    let app = app(issuer.gate());
    let token = issuer.token().subject("u1").sign();
    for query in ["token=%FF", "access_token=%FF%00", "%", "&&==", "access_token=a.b.c"] {
        let path = format!("/subject?{query}");
        assert_eq!(send_bare(&app, &path).await.status, 401, "{query}");
        assert_eq!(send(&app, &path, format!("Bearer {token}")).await.body, "u1", "{query}");
    }
    // A token in the query is not read.
    assert_eq!(send_bare(&app, &format!("/subject?access_token={token}")).await.status, 401);
}

#[actix_web::test]
async fn two_authorization_fields_are_a_400() {
    let issuer = issuer();
    let bearer = format!("Bearer {}", issuer.token().sign());
    let field = ("authorization", bearer.as_str());
    let answer =
        answer(&app(issuer.gate()), TestRequest::get().uri("/subject").append_header(field).append_header(field)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.challenge().unwrap().contains(r#"error="invalid_request""#));
}

#[actix_web::test]
async fn challenge_parameters_are_separated_by_commas() {
    let issuer = issuer();
    let answer =
        send(&app(issuer.gate()), "/messages", format!("Bearer {}", issuer.token().scope("other").sign())).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.challenge(),
        Some(
            r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="read:messages""#
        )
    );
    assert!(answer.body.ends_with(r#","scope":"read:messages"}"#), "{}", answer.body);
}

#[actix_web::test]
async fn optional_credential_may_be_absent_but_not_invalid() {
    let issuer = issuer();
    let app = app(issuer.gate());
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

#[actix_web::test]
async fn every_forgery_is_refused_with_its_reason() {
    let issuer = issuer();
    let app = app(issuer.gate());
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

#[actix_web::test]
async fn claims_of_another_type_are_refused_and_logged() {
    let issuer = issuer();
    let app = app(issuer.gate());
    let (log, _guard) = captured_log();
    let bearer = format!("Bearer {}", issuer.token().scope("read:messages").claim("tenant", 7).sign());
    for path in ["/tenant", "/maybe-tenant", "/tenant-messages"] {
        let answer = send(&app, path, &bearer).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (401, json!("invalid_claims")), "{path}");
    }
    assert_eq!(log.text().matches("invalid_claims").count(), 3, "{}", log.text());
}

#[actix_web::test]
async fn missing_gate_is_a_500_and_logged() {
    let issuer = issuer();
    let app = routes;
    let (log, _guard) = captured_log();
    for path in ["/subject", "/greeting", "/messages"] {
        let answer = send(&app, path, format!("Bearer {}", issuer.token().sign())).await;
        assert_eq!((answer.status.as_u16(), answer.challenge()), (500, None), "{path}");
        assert_eq!(
            answer.body,
            r#"{"error":"server_error","error_description":"The service is not configured to authenticate requests"}"#
        );
    }
    assert_eq!(
        log.text()
            .matches("no Gate and no web::Data<Gate> in app_data: give the App one, with .app_data(gate.clone())")
            .count(),
        3
    );
}

#[derive(Debug)]
struct Outage;

#[async_trait]
impl KeyProvider for Outage {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        Err(Unavailable::new().with_retry_after(Duration::from_secs(7)).into())
    }
}

#[actix_web::test]
async fn key_outage_is_a_503() {
    let issuer = issuer();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), Outage).build().unwrap();
    let app = app(Gate::new(verifier));
    for path in ["/subject", "/greeting"] {
        let answer = send(&app, path, format!("Bearer {}", issuer.token().sign())).await;
        assert_eq!((answer.status.as_u16(), answer.challenge()), (503, None), "{path}");
        assert_eq!(answer.headers.get("retry-after").unwrap(), "7");
        assert!(answer.body.starts_with(r#"{"error":"temporarily_unavailable","#));
    }
}

#[actix_web::test]
async fn no_token_or_claim_reaches_the_log() {
    let issuer = issuer();
    let app = app(issuer.gate());
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

#[actix_web::test]
async fn debug_shows_no_claim() {
    fn shown<T: std::fmt::Debug>(value: &T) -> String {
        format!("{value:?}")
    }
    let gate = gate_admitting(&json!({"sub": "secret", "scope": "read:messages"})).unwrap();
    let request = TestRequest::get().app_data(gate).to_http_request();
    let auth: Auth = Auth::extract(&request).await.unwrap();
    assert_eq!(shown(&auth), "Auth { .. }");
    let (caller, NoClaims) = auth.into_parts();
    assert_eq!(caller.subject(), Some("secret"));
    assert_eq!(shown(&MaybeAuth::<NoClaims>::extract(&request).await.unwrap()), "MaybeAuth(Some(Auth { .. }))");
    assert_eq!(shown(&Authorized::<ReadMessages>::extract(&request).await.unwrap()), "Authorized { .. }");
}

#[actix_web::test]
async fn gate_is_found_in_both_kinds_of_app_data() {
    let issuer = issuer();
    let bearer = format!("Bearer {}", issuer.token().subject("u1").sign());
    let gate = issuer.gate();
    assert_eq!(send(&app(gate.clone()), "/subject", &bearer).await.body, "u1");
    let shared = |app: &mut ServiceConfig| routes(app.app_data(web::Data::new(gate.clone())));
    assert_eq!(send(&shared, "/subject", &bearer).await.body, "u1");
    let both = |app: &mut ServiceConfig| routes(app.app_data(web::Data::new(gate.clone())).app_data(gate.clone()));
    assert_eq!(send(&both, "/subject", &bearer).await.body, "u1");
}

#[actix_web::test]
async fn innermost_gate_decides() {
    let (inner, outer) = (issuer(), TestIssuer::from_algorithms([Algorithm::Rs256]));
    let app = |app: &mut ServiceConfig| {
        app.app_data(outer.gate())
            .service(web::scope("/inner").app_data(inner.gate()).configure(routes))
            .configure(routes);
    };
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

#[actix_web::test]
async fn two_gates_of_two_types_let_no_request_in() {
    let (one, other) = (issuer(), issuer());
    let (log, _guard) = captured_log();
    let app = |app: &mut ServiceConfig| {
        app.app_data(one.gate()).service(web::scope("/inner").app_data(web::Data::new(other.gate())).configure(routes));
    };
    for issuer in [&one, &other] {
        let answer = send(&app, "/inner/subject", format!("Bearer {}", issuer.token().sign())).await;
        assert_eq!(answer.status, 500);
    }
    assert_eq!(log.text().matches("app_data holds a Gate and another web::Data<Gate>").count(), 2);
}

#[actix_web::test]
async fn refusal_swallowed_by_option_is_logged() {
    async fn careless(auth: Option<Auth>) -> &'static str {
        if auth.is_some() { "somebody" } else { "anonymous" }
    }
    const WARNING: &str = "take MaybeAuth, never Option<Auth>";
    let issuer = issuer();
    let careless = |app: &mut ServiceConfig| {
        app.app_data(issuer.gate()).route("/", web::get().to(careless));
    };
    let expired = format!("Bearer {}", issuer.token().expired().sign());

    let (log, guard) = captured_log();
    // Actix turns a bad token into an anonymous caller, which is why MaybeAuth exists.
    assert_eq!(send(&careless, "/", &expired).await.body, "anonymous");
    let swallowed = log.text();
    let line = swallowed.lines().find(|line| line.contains(WARNING)).unwrap();
    assert!(line.contains("ERROR") && line.contains("expired"), "{line}");
    drop(guard);

    let (log, _guard) = captured_log();
    let app = app(issuer.gate());
    for path in ["/subject", "/greeting", "/messages"] {
        assert_eq!(send(&app, path, &expired).await.status, 401);
    }
    assert!(!log.text().contains(WARNING), "{}", log.text());
}

/// Says which URI it was asked about.
#[derive(Debug)]
struct Witness(Arc<Mutex<Vec<Option<String>>>>);

#[async_trait]
impl Verifier for Witness {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.0.lock().unwrap().push(credential.target_uri());
        Err(AuthError::MissingToken)
    }
}

#[actix_web::test]
async fn target_uri_ignores_query_and_forwarding_fields() {
    let seen = Arc::default();
    let gate = Gate::new(Witness(Arc::clone(&seen))).with_public_url("https://api.example/base").unwrap();
    let app = |app: &mut ServiceConfig| {
        app.service(web::scope("/inner").app_data(gate.clone()).configure(routes));
    };
    let request = TestRequest::get()
        .uri("/inner/subject?token=x")
        .insert_header(("host", "evil.example"))
        .insert_header(("x-forwarded-host", "evil.example"))
        .insert_header(("forwarded", "host=evil.example;proto=https"))
        .insert_header(("authorization", "Bearer abc"));
    assert_eq!(answer(&app, request).await.status, 401);
    assert_eq!(*seen.lock().unwrap(), [Some("https://api.example/base/inner/subject".to_owned())]);
}

#[actix_web::test]
async fn every_method_is_guarded() {
    let issuer = issuer();
    let app = app(issuer.gate());
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = TestRequest::default().method(Method::from_bytes(method.as_bytes()).unwrap()).uri("/subject");
        assert_eq!(answer(&app, request).await.status, 401, "{method}");
    }
}

#[actix_web::test]
async fn handler_can_read_the_refusal() {
    async fn reason(auth: Result<Auth, Rejection>) -> &'static str {
        match auth {
            Ok(_) => "let in",
            Err(rejection) => rejection.refusal().reason.map_or("no reason", Reason::as_str),
        }
    }
    let issuer = issuer();
    let app = |app: &mut ServiceConfig| {
        app.app_data(issuer.gate()).route("/", web::get().to(reason));
    };
    assert_eq!(send(&app, "/", format!("Bearer {}", issuer.token().expired().sign())).await.body, "expired");
    assert_eq!(send_bare(&app, "/").await.body, "no reason");
}

#[actix_web::test]
async fn handlers_are_tested_without_tokens() {
    let gate = gate_admitting(&json!({"sub": "u1", "scope": "read:messages", "tenant": "t1"})).unwrap();
    let app_of_tenant = app(gate);
    assert_eq!(send_bare(&app_of_tenant, "/tenant-messages").await.body, "u1 of t1");
    assert_eq!(send_bare(&app_of_tenant, "/greeting").await.body, "u1");
    let app_without_scope = app(gate_admitting(&json!({"sub": "u1"})).unwrap());
    assert_eq!(send_bare(&app_without_scope, "/messages").await.status, 403);
}
