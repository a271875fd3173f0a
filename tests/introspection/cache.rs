//! What is remembered: never longer than the bound and `exp`, and everything but the answer is checked again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::clock::ManualClock;
use portcullis::introspection::IntrospectionBuilder;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::verifier::ByForm;
use portcullis::{Gate, Verified, Verifier as _, async_trait, scopes};
use portcullis_testing::{Fault, IssuerServer};

use crate::support::{AUDIENCE, active, admitted, builder, client, gate_of, refused, server, token};

struct Scene {
    server: IssuerServer,
    clock: Arc<ManualClock>,
    gate: Gate,
    now: i64,
}

impl Scene {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder) -> Self {
        let server = server();
        let now = token(&server).claims()["iat"].as_i64().unwrap();
        let clock = Arc::new(ManualClock::at_unix(now));
        let gate = gate_of(change(builder(&server).clock(Arc::clone(&clock))));
        Self { server, clock, gate, now }
    }

    fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn good_answer_is_used_for_thirty_seconds() {
    let scene = Scene::new();
    let token = scene.server.opaque_token(&token(&scene.server));
    admitted(&scene.gate, &token).await;
    scene.server.go_down();
    scene.after(29);
    admitted(&scene.gate, &token).await;
    scene.after(1);
    assert_eq!(refused(&scene.gate, &token).await, (503, None), "the bound also holds in an outage");
    scene.server.come_back();
    admitted(&scene.gate, &token).await;
}

/// An answer depends on the client that asks, for example its audience.
#[tokio::test]
async fn verifiers_share_no_answers() {
    let scene = Scene::new();
    let other = gate_of(builder(&scene.server).clock(Arc::clone(&scene.clock)));
    let token = scene.server.opaque_token(&token(&scene.server));
    for (gate, asked) in [(&scene.gate, 1), (&scene.gate, 1), (&other, 2), (&other, 2)] {
        admitted(gate, &token).await;
        assert_eq!(scene.server.introspection_hits(), asked);
    }
}

#[tokio::test]
async fn revoked_token_is_refused_within_the_bound() {
    let scene = Scene::new();
    let token = scene.server.opaque_token(&token(&scene.server));
    admitted(&scene.gate, &token).await;
    scene.server.revoke_opaque_token(&token);
    scene.after(22);
    admitted(&scene.gate, &token).await;
    scene.after(8);
    assert_eq!(refused(&scene.gate, &token).await, (401, Some("inactive")));
}

#[tokio::test]
async fn revoked_token_ends_its_connection() {
    let scene = Scene::new();
    let verifier = builder(&scene.server).clock(Arc::clone(&scene.clock)).build().unwrap();
    // The verifier is one of several.
    let gate = Gate::new(ByForm::builder().opaque(verifier).build().unwrap());
    let token = scene.server.opaque_token(&token(&scene.server));
    let caller = admitted(&gate, &token).await;
    let mut watch = gate.watch(&caller).within(Duration::from_secs(2));
    scene.server.revoke_opaque_token(&token);
    // The first question of the watch comes after a second. The answer is still used.
    assert!(tokio::time::timeout(Duration::from_millis(1_200), &mut watch).await.is_err());
    assert_eq!(scene.server.introspection_hits(), 1);
    scene.after(30);
    let ended = tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap();
    assert_eq!((ended.reason().unwrap().as_str(), ended.websocket_close_code()), ("inactive", 3000));
    assert_eq!(scene.server.introspection_hits(), 2);
}

#[tokio::test]
async fn one_request_asks_again_before_the_bound() {
    let scene = Scene::new();
    let token = scene.server.opaque_token(&token(&scene.server));
    for (seconds, hits) in [(0, 1), (22, 1), (1, 2), (22, 2), (1, 3)] {
        scene.after(seconds);
        admitted(&scene.gate, &token).await;
        assert_eq!(scene.server.introspection_hits(), hits, "after {seconds} more seconds");
    }
}

#[tokio::test]
async fn no_answer_is_used_after_exp() {
    let scene = Scene::new();
    let exp = scene.now + 10;
    let token = scene.server.opaque_token_answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":{exp}}}"#));
    for seconds in [0, 9] {
        scene.after(seconds);
        admitted(&scene.gate, &token).await;
    }
    assert_eq!(scene.server.introspection_hits(), 1);
    // Within the leeway the token may be good, but the endpoint has to say so.
    scene.after(1);
    admitted(&scene.gate, &token).await;
    assert_eq!(scene.server.introspection_hits(), 2);
    scene.server.misbehave(Fault::status(500));
    assert_eq!(refused(&scene.gate, &token).await, (503, None));
    scene.server.behave();
    scene.after(5);
    assert_eq!(refused(&scene.gate, &token).await, (401, Some("expired")));
}

#[tokio::test]
async fn inactive_answer_is_used_for_five_seconds() {
    let scene = Scene::new();
    for (seconds, hits) in [(0, 1), (4, 1), (1, 2)] {
        scene.after(seconds);
        assert_eq!(refused(&scene.gate, "made-up").await, (401, Some("inactive")));
        assert_eq!(scene.server.introspection_hits(), hits);
    }
}

#[tokio::test]
async fn cache_of_zero_asks_every_time() {
    let scene = Scene::with(|builder| builder.cache(Duration::ZERO, Duration::ZERO));
    let token = scene.server.opaque_token(&token(&scene.server));
    for hits in 1..=3 {
        admitted(&scene.gate, &token).await;
        assert_eq!(scene.server.introspection_hits(), hits);
    }
    scene.server.revoke_opaque_token(&token);
    assert_eq!(refused(&scene.gate, &token).await, (401, Some("inactive")));
}

#[tokio::test]
async fn answers_of_tokens_are_separate() {
    let scene = Scene::new();
    let [one, other] = ["one", "other"].map(|name| scene.server.opaque_token(&token(&scene.server).subject(name)));
    for _ in 0..2 {
        assert_eq!(admitted(&scene.gate, &one).await.subject(), Some("one"));
        assert_eq!(admitted(&scene.gate, &other).await.subject(), Some("other"));
        for similar in [&one[1..], &one.to_ascii_lowercase(), &format!("{one}{other}")] {
            assert_eq!(refused(&scene.gate, similar).await, (401, Some("inactive")));
        }
    }
    assert_eq!(scene.server.introspection_hits(), 5);
}

#[tokio::test]
async fn policy_is_checked_on_every_request() {
    let scene = Scene::new();
    let token = scene.server.opaque_token(&token(&scene.server).scope("read"));
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    assert!(scene.gate.admit(&request, &scopes("read")).await.is_ok());
    assert_eq!(scene.gate.admit(&request, &scopes("write")).await.unwrap_err().status(), 403);
    assert_eq!(scene.server.introspection_hits(), 1);
}

/// Refuses the subjects in it.
#[derive(Clone, Debug, Default)]
struct LoggedOut(Arc<Mutex<HashSet<String>>>);

#[async_trait]
impl SessionCheck for LoggedOut {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        let is_out = self.0.lock().unwrap().contains(caller.subject().unwrap());
        if is_out { Err(SessionError::Revoked) } else { Ok(()) }
    }
}

#[tokio::test]
async fn session_is_checked_on_every_request() {
    let scene = Scene::new();
    let logged_out = LoggedOut::default();
    let gate = scene.gate.clone().with_check(logged_out.clone());
    let token = scene.server.opaque_token(&token(&scene.server).subject("alice"));
    admitted(&gate, &token).await;
    logged_out.0.lock().unwrap().insert("alice".to_owned());
    assert_eq!(refused(&gate, &token).await, (401, Some("revoked")));
    assert_eq!(scene.server.introspection_hits(), 1);
}

#[tokio::test]
async fn claim_checks_run_on_every_request() {
    let allowed = Arc::new(AtomicBool::new(true));
    let scene = Scene::with(|builder| {
        let allowed = Arc::clone(&allowed);
        builder.check_fn("switch", move |_| allowed.load(Ordering::SeqCst))
    });
    let token = active(&scene.server, "");
    admitted(&scene.gate, &token).await;
    allowed.store(false, Ordering::SeqCst);
    assert_eq!(refused(&scene.gate, &token).await, (401, Some("check_failed")));
    assert_eq!(scene.server.introspection_hits(), 1);
}

#[tokio::test]
async fn memory_of_answers_is_bounded() {
    let scene = Scene::with(|builder| builder.cache_bytes(64 * 1024));
    let padding = format!(r#","pad":"{}""#, "x".repeat(4_000));
    let tokens: Vec<_> = (0..50).map(|_| active(&scene.server, &padding)).collect();
    for token in &tokens {
        admitted(&scene.gate, token).await;
    }
    assert_eq!(scene.server.introspection_hits(), 50);
    // About 14 answers of 4,600 bytes fit; the last ones are there, and the first ones are asked for again.
    for token in tokens.iter().rev().take(10) {
        admitted(&scene.gate, token).await;
    }
    assert_eq!(scene.server.introspection_hits(), 50);
    for token in tokens.iter().take(10) {
        admitted(&scene.gate, token).await;
    }
    assert_eq!(scene.server.introspection_hits(), 60);
}

#[tokio::test]
async fn forgotten_answer_is_asked_for_again() {
    let server = server();
    let verifier = Arc::new(builder(&server).build().unwrap());
    let gate = Gate::new(Arc::clone(&verifier));
    let token = server.opaque_token(&token(&server));
    admitted(&gate, &token).await;
    server.revoke_opaque_token(&token);
    admitted(&gate, &token).await;
    verifier.forget(&token);
    assert_eq!(refused(&gate, &token).await, (401, Some("inactive")));
    assert_eq!(verifier.issuers(), [server.url()]);
}

#[tokio::test]
async fn other_client_has_its_own_answers() {
    // The endpoint may answer each client differently (RFC 7662 §2.2), so nothing is shared between two verifiers.
    let server = server();
    let opaque = server.opaque_token(&token(&server));
    admitted(&gate_of(builder(&server)), &opaque).await;
    admitted(&gate_of(builder(&server)), &opaque).await;
    assert_eq!(server.introspection_hits(), 2);
    assert_eq!(client().id(), IssuerServer::CLIENT_ID);
}
