//! Checks of a verified caller: every outcome, asked on every admission.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::adapter::{Credential, Scheme};
use portcullis::error::Unavailable;
use portcullis::jose::Algorithm;
use portcullis::keys::KeyStatus;
use portcullis::session::{CheckedVerifier, SessionCheck, SessionError};
use portcullis::{AuthError, Gate, Policy, Require, Verified, Verifier, async_trait, scopes};
use portcullis_testing::TestIssuer;

use crate::ways::{Answer, Ask, WAYS, ask, ask_in};

/// Answers as the caller's claim `session` says, and counts the questions.
#[derive(Clone, Debug, Default)]
struct Sessions {
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl SessionCheck for Sessions {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match caller.claim::<&str>("session").unwrap() {
            Some("panics") => panic!("a bug in the check"),
            Some("revoked") => Err(SessionError::Revoked),
            Some("unavailable") => Err(Unavailable::new().into()),
            Some("unavailable_for_9_s") => Err(Unavailable::new().with_retry_after(Duration::from_secs(9)).into()),
            Some("user_not_found") => Err(SessionError::UserNotFound),
            Some("user_unverified") => Err(SessionError::UserUnverified),
            _ => Ok(()),
        }
    }
}

struct Read;

impl Require for Read {
    fn policy() -> Policy {
        scopes("read")
    }
}

/// A gate that caches tokens.
fn gate(issuer: &TestIssuer, sessions: &Sessions) -> Gate {
    Gate::new(issuer.verifier().cache_tokens(10).build().unwrap()).with_check(sessions.clone())
}

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

fn say(caller: &Verified) -> String {
    caller.subject().unwrap_or_default().to_owned()
}

async fn ask_with_session(session: &str) -> Answer {
    let issuer = issuer();
    let token = issuer.token().subject("alice").scope("read").claim("session", session).sign();
    ask::<Read>(&gate(&issuer, &Sessions::default()), &Ask::with_authorization(&format!("Bearer {token}")), say).await
}

#[actix_web::test]
async fn open_session_is_let_in() {
    assert_eq!(ask_with_session("open").await.body, "alice");
}

#[actix_web::test]
async fn ended_session_is_a_401_with_its_reason() {
    for (reason, sentence) in [
        ("revoked", "The access token was revoked"),
        ("user_not_found", "The user of the access token does not exist"),
        ("user_unverified", "The user of the access token is not verified"),
    ] {
        let answer = ask_with_session(reason).await;
        assert_eq!(answer.status, 401);
        let challenge = format!(r#"Bearer realm="api", error="invalid_token", error_description="{sentence}""#);
        assert_eq!(answer.values("www-authenticate"), [challenge]);
        let body = format!(r#"{{"error":"invalid_token","error_description":"{sentence}","reason":"{reason}"}}"#);
        assert_eq!(answer.body, body);
    }
}

#[actix_web::test]
async fn unavailable_check_is_a_503() {
    for (session, seconds) in [("unavailable", "5"), ("unavailable_for_9_s", "9")] {
        let answer = ask_with_session(session).await;
        assert_eq!((answer.status, answer.values("retry-after")), (503, vec![seconds]));
        assert!(answer.values("www-authenticate").is_empty());
        assert!(answer.body.starts_with(r#"{"error":"temporarily_unavailable","#), "{}", answer.body);
    }
}

#[actix_web::test]
async fn panicking_check_is_a_500() {
    let answer = ask_with_session("panics").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("bug"), "{}", answer.body);
}

#[actix_web::test]
async fn check_is_asked_once_for_each_request_with_a_cached_token() {
    let (issuer, sessions) = (issuer(), Sessions::default());
    let gate = gate(&issuer, &sessions);
    let request = Ask::with_authorization(&format!("Bearer {}", issuer.token().scope("read").sign()));
    for way in WAYS {
        for _ in 0..3 {
            assert_eq!(ask_in::<Read>(way, &gate, &request, say).await.status, 200);
            assert_eq!(sessions.asked.swap(0, Ordering::SeqCst), 1, "{way:?}");
        }
    }
}

#[actix_web::test]
async fn check_is_asked_after_the_token_and_before_the_policy() {
    let (issuer, sessions) = (issuer(), Sessions::default());
    let gate = gate(&issuer, &sessions);
    let bearer = |token: portcullis_testing::TokenBuilder| format!("Bearer {}", token.sign());
    let expired = bearer(issuer.token().scope("read").claim("session", "revoked").expired());
    let answer = ask::<Read>(&gate, &Ask::with_authorization(&expired), say).await;
    assert!(answer.body.contains(r#""reason":"expired""#), "{}", answer.body);
    assert_eq!(sessions.asked.load(Ordering::SeqCst), 0);
    let revoked = bearer(issuer.token().scope("write").claim("session", "revoked"));
    let answer = ask::<Read>(&gate, &Ask::with_authorization(&revoked), say).await;
    assert!(answer.body.contains(r#""reason":"revoked""#), "{}", answer.body);
}

/// The session ends between two requests with one token.
#[actix_web::test]
async fn revocation_stops_a_cached_token() {
    #[derive(Clone, Debug, Default)]
    struct Revoked(Arc<std::sync::atomic::AtomicBool>);

    #[async_trait]
    impl SessionCheck for Revoked {
        async fn check(&self, _: &Verified) -> Result<(), SessionError> {
            if self.0.load(Ordering::SeqCst) { Err(SessionError::Revoked) } else { Ok(()) }
        }
    }

    let (issuer, revoked) = (issuer(), Revoked::default());
    let gate = Gate::new(issuer.verifier().cache_tokens(10).build().unwrap()).with_check(revoked.clone());
    let request = Ask::with_authorization(&format!("Bearer {}", issuer.token().scope("read").sign()));
    assert_eq!(ask::<Read>(&gate, &request, say).await.status, 200);
    revoked.0.store(true, Ordering::SeqCst);
    let answer = ask::<Read>(&gate, &request, say).await;
    assert!(answer.status == 401 && answer.body.contains(r#""reason":"revoked""#), "{}", answer.body);
}

/// A check around one verifier has every outcome that a check on the gate has.
#[actix_web::test]
async fn checked_verifier_answers_as_the_gate() {
    let (issuer, sessions) = (issuer(), Sessions::default());
    let on_gate = gate(&issuer, &sessions);
    let verifier = issuer.verifier().cache_tokens(10).build().unwrap();
    let around = Gate::new(CheckedVerifier::new(verifier, sessions.clone()));
    for session in
        ["open", "revoked", "unavailable", "unavailable_for_9_s", "user_not_found", "user_unverified", "panics"]
    {
        let token = issuer.token().subject("alice").scope("read").claim("session", session).sign();
        let request = Ask::with_authorization(&format!("Bearer {token}"));
        let expected = ask::<Read>(&on_gate, &request, say).await;
        assert_eq!(ask::<Read>(&around, &request, say).await, expected, "{session}");
    }
}

/// A verifier with other answers than the defaults.
#[derive(Debug)]
struct Starting;

#[async_trait]
impl Verifier for Starting {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        Err(Unavailable::new().into())
    }

    fn explain(&self, _: &Credential<'_>, _: &AuthError) -> Option<&'static str> {
        Some("an explanation")
    }

    fn schemes(&self) -> &[Scheme] {
        &[Scheme::Dpop]
    }

    fn issuers(&self) -> Vec<String> {
        vec!["https://issuer.example".to_owned()]
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        Err(Unavailable::new().into())
    }

    fn status(&self) -> KeyStatus {
        KeyStatus::waiting()
    }
}

#[tokio::test]
async fn checked_verifier_reports_its_verifier() {
    let checked = CheckedVerifier::new(Starting, Sessions::default());
    assert_eq!(checked.schemes(), [Scheme::Dpop]);
    let explanation = checked.explain(&Credential::bearer("a"), &AuthError::MissingToken);
    assert_eq!(explanation, Some("an explanation"));
    assert_eq!(checked.issuers(), ["https://issuer.example"]);
    assert!(checked.warm_up().await.is_err());
    assert!(!checked.status().ready);
}
