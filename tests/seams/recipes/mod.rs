//! The recipes of `crates/portcullis/docs/recipes.md`, on both frameworks. A test checks that the page has this code.

mod on_actix;
mod on_axum;
mod shared;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis::possession::Dpop;
use portcullis::tickets::Tickets;
use portcullis::{Config, Gate};
use portcullis_testing::TestIssuer;

use shared::{Outcomes, Suspended};

use crate::page::{assert_in_sources, blocks};

/// A request of the tests.
struct Ask {
    method: &'static str,
    path: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Ask {
    fn new(method: &'static str, path: &'static str) -> Self {
        Self { method, path, fields: Vec::new() }
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    fn token(self, token: &str) -> Self {
        self.field("authorization", &format!("Bearer {token}"))
    }
}

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

/// Asks both services, which answer alike, and returns status and body.
async fn ask(gate: &Gate, request: &Ask) -> (u16, String) {
    let answer = on_axum::answer(gate, request).await;
    assert_eq!(on_actix::answer(gate, request).await, answer, "{} {}", request.method, request.path);
    answer
}

#[actix_web::test]
async fn each_method_needs_its_scope() {
    let issuer = issuer();
    let (reader, writer) = (issuer.token().scope("orders:read").sign(), issuer.token().scope("orders:write").sign());
    for (method, token, status) in
        [("GET", &reader, 200), ("GET", &writer, 403), ("POST", &reader, 403), ("POST", &writer, 200)]
    {
        assert_eq!(ask(&issuer.gate(), &Ask::new(method, "/orders").token(token)).await.0, status, "{method}");
    }
    for method in ["GET", "POST"] {
        assert_eq!(ask(&issuer.gate(), &Ask::new(method, "/orders")).await.0, 401, "{method}");
    }
}

#[actix_web::test]
async fn state_has_gate_and_pool() {
    let issuer = issuer();
    let answer = ask(&issuer.gate(), &Ask::new("GET", "/me").token(&issuer.token().subject("alice").sign())).await;
    assert_eq!(answer, (200, "alice has 3 orders".to_owned()));
    assert_eq!(ask(&issuer.gate(), &Ask::new("GET", "/me")).await.0, 401);
}

#[actix_web::test]
async fn tenant_in_the_path_must_be_that_of_the_token() {
    let issuer = issuer();
    let token = issuer.token().claim("org_id", "one").sign();
    let documents = |tenant: &'static str| Ask::new("GET", tenant).token(&token);
    assert_eq!(ask(&issuer.gate(), &documents("/tenants/one/documents")).await, (200, "documents of one".to_owned()));
    assert_eq!(ask(&issuer.gate(), &documents("/tenants/two/documents")).await.0, 404);
    let without = Ask::new("GET", "/tenants/one/documents").token(&issuer.token().sign());
    assert_eq!(ask(&issuer.gate(), &without).await.0, 401);
}

#[actix_web::test]
async fn route_inside_a_guarded_scope_is_public() {
    let issuer = issuer();
    assert_eq!(ask(&issuer.gate(), &Ask::new("GET", "/api/version")).await, (200, "1.0".to_owned()));
    assert_eq!(ask(&issuer.gate(), &Ask::new("GET", "/api/private")).await.0, 401);
    let good = Ask::new("GET", "/api/private").token(&issuer.token().sign());
    assert_eq!(ask(&issuer.gate(), &good).await.0, 200);
}

#[actix_web::test]
async fn refusal_has_the_request_id() {
    let gate = shared::with_request_ids(issuer().gate());
    for (id, expected) in [("a1-b2", "a1-b2"), ("\"><script>", "none"), ("", "none")] {
        let (status, body) = ask(&gate, &Ask::new("GET", "/me").field("x-request-id", id)).await;
        assert_eq!((status, body), (401, format!(r#"{{"error":"missing_token","request_id":"{expected}"}}"#)));
    }
}

#[actix_web::test]
async fn suspended_user_is_refused() {
    let (issuer, suspended) = (issuer(), Suspended::default());
    let gate = issuer.gate().with_check(suspended.clone());
    let request = Ask::new("GET", "/me").token(&issuer.token().subject("alice").sign());
    assert_eq!(ask(&gate, &request).await.0, 200);
    suspended.suspend("alice");
    let (status, body) = ask(&gate, &request).await;
    assert!(status == 401 && body.contains("revoked"), "{status} {body}");
}

#[actix_web::test]
async fn websocket_handshake_carries_the_token() {
    let issuer = issuer();
    let gate = shared::with_websockets(issuer.gate());
    let offer = format!("bearer, {}", issuer.token().subject("alice").sign());
    let request = Ask::new("GET", "/me").field("sec-websocket-protocol", &offer);
    assert_eq!(ask(&gate, &request).await.0, 200);
    assert_eq!(ask(&issuer.gate(), &request).await.0, 401);
}

#[actix_web::test]
async fn connection_ends_with_its_token() {
    let issuer = issuer();
    let clock = Arc::new(ManualClock::at_unix(1_700_000_000));
    let token = issuer.token().issued_at(1_700_000_000).claim("exp", 1_700_000_060).sign();
    let verifier = issuer.verifier().clock(Arc::clone(&clock)).build().unwrap();
    let gate = Gate::new(verifier);
    let caller = gate.verify(&token).await.unwrap();
    clock.advance(Duration::from_secs(59));
    let open = shared::while_allowed(&gate, &caller, std::future::pending::<()>());
    assert!(tokio::time::timeout(Duration::from_millis(50), open).await.is_err());
    clock.advance(Duration::from_secs(1));
    let ended = shared::while_allowed(&gate, &caller, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(ended.reason().unwrap().as_str(), "expired");
}

#[actix_web::test]
async fn pages_read_challenges_and_nonces() {
    let gate = issuer().gate().with_public_url("https://api.test").unwrap().with_dpop(Dpop::required()).unwrap();
    for (status, exposed) in [on_axum::exposed(&gate).await, on_actix::exposed(&gate).await] {
        assert_eq!(status, 401);
        let fields: BTreeSet<&str> = exposed.split(',').map(str::trim).collect();
        assert_eq!(fields, BTreeSet::from(["dpop-nonce", "www-authenticate"]));
    }
}

#[actix_web::test]
async fn token_is_forwarded_to_the_next_service() {
    let issuer = issuer();
    let token = issuer.token().sign();
    let gate = issuer.gate().with_token_sources([portcullis::TokenSource::cookie("session")]);
    let request = Ask::new("GET", "/forward").field("cookie", &format!("session={token}"));
    assert_eq!(ask(&gate, &request).await, (200, format!("Bearer {token}")));
}

#[actix_web::test]
async fn metrics_count_each_decision() {
    let (issuer, outcomes) = (issuer(), Outcomes::default());
    let gate = shared::with_metrics(issuer.gate(), outcomes.clone());
    let expired = issuer.token().expired().sign();
    for request in [
        Ask::new("GET", "/me"),
        Ask::new("GET", "/me").token(&expired),
        Ask::new("GET", "/me").token(&issuer.token().sign()),
        Ask::new("GET", "/orders").token(&issuer.token().sign()),
    ] {
        ask(&gate, &request).await;
    }
    // Each request is asked on both frameworks.
    for outcome in ["missing_token", "expired", "insufficient_scope"] {
        assert_eq!(outcomes.count(outcome), 2, "{outcome}");
    }
    assert!(outcomes.count("accepted") >= 2);
}

/// Collects what both frameworks log.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<String>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push_str(&format!("{}\n", record.args()));
    }

    fn flush(&self) {}
}

#[actix_web::test]
async fn log_has_no_token_of_a_url() {
    let log = Log::default();
    log::set_logger(Box::leak(Box::new(log.clone()))).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    // Two subscribers: with one, tracing may cache that an event is disabled, when another thread emitted it first.
    let _guards = [(); 2].map(|()| {
        let writer = log.clone();
        let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(everything.with_writer(move || writer.clone()).finish())
    });

    let issuer = issuer();
    let gate = issuer.gate().with_token_sources([portcullis::dangerous::token_in_query("access_token")]);
    let gate = gate.with_tickets(&Tickets::default());
    let token = issuer.token().sign();
    let target = format!("/events?room=7&access_token={token}&ticket=4f2a");
    assert_eq!(on_axum::ask_with_log(&gate, &target).await, 200);
    assert_eq!(on_actix::ask_with_log(&gate, &target).await, 200);
    assert_eq!(on_actix::ask_with_log(&gate, "/events?room=7&access_token=bad-secret&ticket=4f2a").await, 401);

    let log = log.0.lock().unwrap();
    let shown = "/events?room=7&access_token=hidden&ticket=hidden";
    assert!(log.matches(shown).count() >= 3, "{log}");
    for secret in [&token[..20], "4f2a", "bad-secret"] {
        assert!(!log.contains(secret), "{log}");
    }
}

const BROWSERS: &str = include_str!("../../../crates/portcullis/docs/browsers.md");
const PAGE: &str = include_str!("../../../crates/portcullis/docs/recipes.md");

#[test]
fn compose_file_of_the_page_makes_a_gate() {
    let variables: HashMap<&str, &str> = PAGE
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("PORTCULLIS_"))
        .collect();
    assert!(variables.len() >= 4, "{variables:?}");
    let config = Config::from_variables(|name| variables.get(name).map(|value| (*value).to_owned())).unwrap();
    assert_eq!(config.internal_issuer_url.as_deref(), Some("http://keycloak:8080/realms/main"));
    assert!(config.gate().is_ok());
    // Plain HTTP to that host has to be permitted by name.
    let without = Config::from_variables(|name| {
        variables.get(name).filter(|_| !name.contains("DANGEROUS")).map(|value| (*value).to_owned())
    });
    assert_eq!(without.unwrap().gate().unwrap_err().field(), "PORTCULLIS_INTERNAL_ISSUER_URL");
}

#[test]
fn page_has_the_code_of_the_tests() {
    let rmcp = include_str!("../../../examples/mcp/tests/rmcp.rs");
    let browsers_actix = include_str!("../../live/browser/on_actix.rs");
    let browsers_axum = include_str!("../../live/browser/on_axum.rs");
    let sources = [
        include_str!("on_actix.rs"),
        include_str!("on_axum.rs"),
        include_str!("shared.rs"),
        rmcp,
        browsers_actix,
        browsers_axum,
    ];
    let blocks = [blocks(PAGE), blocks(BROWSERS)].concat();
    assert!(blocks.len() >= 20, "{}", blocks.len());
    assert_in_sources(&blocks, &sources);
}
