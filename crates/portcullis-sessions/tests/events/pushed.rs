//! Pushed security events: RFC 8935, RFC 8417, Shared Signals Framework 1.0 and CAEP 1.0.

use std::sync::{Arc, Mutex};

use portcullis::adapter::HeaderList;
use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis_sessions::{
    Affected, EventEffect, EventReceiver, EventReceiverBuilder, EventResponse, EventSubject, EventSubjects,
};
use serde_json::{Value, json};

use crate::provider::{CREDENTIAL_CHANGE, Provider, SESSION_REVOKED, VERIFICATION, now};

fn builder(provider: &Provider) -> EventReceiverBuilder {
    EventReceiver::builder(provider.issuer.url(), "receiver-1", provider.issuer.keys(), &provider.deny_list)
}

fn receiver(provider: &Provider) -> EventReceiver {
    builder(provider).build().unwrap()
}

async fn push(receiver: &EventReceiver, token: &str) -> EventResponse {
    receiver.receive(&HeaderList::new("POST", [("content-type", TYPE)]), token.as_bytes()).await
}

const TYPE: &str = "application/secevent+jwt";

fn code(answer: &EventResponse) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(!body["description"].as_str().unwrap().is_empty());
    body["err"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn revoked_session_and_changed_credential_deny_earlier_tokens() {
    for uri in [SESSION_REVOKED, CREDENTIAL_CHANGE] {
        let provider = Provider::new();
        let receiver = receiver(&provider);
        let token = provider.access_token("alice", Some("s1"), 60);
        assert!(provider.admits(&token).await);
        let answer = push(&receiver, &provider.event(uri, json!({"event_timestamp": now() - 10})).sign()).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""));
        assert!(!provider.admits(&token).await);
        // What was issued after the event, and what belongs to others, is still accepted.
        assert!(provider.admits(&provider.access_token("alice", Some("s1"), 5)).await);
        assert!(provider.admits(&provider.access_token("bob", None, 60)).await);
        assert_eq!(receiver.status().denied, 1);
    }
}

#[tokio::test]
async fn time_of_an_event_is_at_most_that_of_its_token() {
    for timestamp in [json!((now() + 600) * 1000), json!(now() + 10_000), json!("yesterday"), json!(null)] {
        let provider = Provider::new();
        let event = provider.event(SESSION_REVOKED, json!({"event_timestamp": timestamp}));
        assert_eq!(push(&receiver(&provider), &event.sign()).await.status, 202);
        assert!(!provider.admits(&provider.access_token("alice", None, 10)).await);
        assert!(provider.admits(&provider.access_token("alice", None, 0)).await, "{timestamp}");
    }
}

#[tokio::test]
async fn wrong_events_are_refused_with_their_code() {
    let provider = Provider::new();
    let receiver = receiver(&provider);
    let good = || provider.event(SESSION_REVOKED, json!({}));
    let other = Provider::new();
    let two = json!({SESSION_REVOKED: {}, CREDENTIAL_CHANGE: {}});
    let nested = format!(
        r#"{{"iss":"{}","aud":"receiver-1","jti":"x","iat":{},"sub_id":{{"format":"opaque","id":"x"}},
            "events":{{"{SESSION_REVOKED}":{{}},"{SESSION_REVOKED}":{{}}}}}}"#,
        provider.issuer.url(),
        now()
    );
    let wrong = [
        ("invalid_request", good().header("typ", "at+jwt")),
        ("invalid_request", good().header("typ", "JWT")),
        ("invalid_request", good().header("typ", "logout+jwt")),
        ("invalid_request", good().without_header("typ")),
        ("invalid_issuer", good().issuer("https://other.example")),
        ("invalid_issuer", good().without("iss")),
        ("invalid_audience", good().audience("receiver-2")),
        ("invalid_audience", good().without("aud")),
        ("invalid_key", good().header("kid", "unknown")),
        ("invalid_key", good().header("alg", "HS256")),
        ("invalid_key", good().header("alg", "none")),
        ("invalid_request", good().without("iat")),
        ("invalid_request", good().claim("iat", now() + 600)),
        ("invalid_request", good().without("jti")),
        ("invalid_request", good().without("events")),
        ("invalid_request", good().claim("events", json!({}))),
        ("invalid_request", good().claim("events", two)),
        ("invalid_request", good().claim("events", json!({SESSION_REVOKED: "x"}))),
        ("invalid_request", good().payload(nested)),
        ("invalid_request", good().claim("exp", now() + 60)),
        ("invalid_request", good().claim("exp", json!(null))),
        ("invalid_request", good().claim("sub", "alice")),
        ("invalid_request", good().without("sub_id")),
        ("invalid_request", good().claim("sub_id", "alice")),
        ("invalid_request", good().claim("sub_id", json!({"iss": "x", "sub": "alice"}))),
    ];
    let count = wrong.len() as u64;
    for (number, (expected, token)) in wrong.into_iter().enumerate() {
        let answer = push(&receiver, &token.sign()).await;
        assert_eq!((answer.status, code(&answer).as_str()), (400, expected), "{number}: {answer:?}");
        let names: Vec<_> = answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let fields = [("content-language", "en"), ("cache-control", "no-store"), ("content-type", "application/json")];
        assert_eq!(names, fields);
    }
    let forged = other.event(SESSION_REVOKED, json!({})).issuer(provider.issuer.url()).sign();
    assert_eq!(code(&push(&receiver, &forged).await), "invalid_key");
    assert_eq!(code(&push(&receiver, "no token").await), "invalid_request");
    assert_eq!(receiver.status().refused, count + 2);
    assert!(provider.admits(&provider.access_token("alice", None, 60)).await);
}

#[tokio::test]
async fn push_needs_its_type_length_and_credential() {
    let provider = Provider::new();
    let secret = "Bearer a-long-random-secret";
    let receiver = builder(&provider).authorization(secret).build().unwrap();
    let token = || provider.event(SESSION_REVOKED, json!({})).sign();
    let long = "a".repeat(32 * 1024 + 1);
    for (fields, body, expected) in [
        (vec![("content-type", TYPE), ("authorization", secret)], token(), None),
        (vec![("content-type", "Application/SecEvent+JWT; a=b"), ("authorization", secret)], token(), None),
        (vec![("content-type", "application/jwt"), ("authorization", secret)], token(), Some("invalid_request")),
        (vec![("authorization", secret)], token(), Some("invalid_request")),
        (vec![("content-type", TYPE), ("authorization", secret)], long, Some("invalid_request")),
        (vec![("content-type", TYPE)], token(), Some("authentication_failed")),
        (vec![("content-type", TYPE), ("authorization", "Bearer another")], token(), Some("authentication_failed")),
        (
            vec![("content-type", TYPE), ("authorization", secret), ("authorization", secret)],
            token(),
            Some("authentication_failed"),
        ),
    ] {
        let answer = receiver.receive(&HeaderList::new("POST", fields), body.as_bytes()).await;
        match expected {
            None => assert_eq!(answer.status, 202),
            Some(expected) => assert_eq!((answer.status, code(&answer).as_str()), (400, expected)),
        }
    }
    for wrong in ["", "short", "Bearer ä-long-random-secret"] {
        assert_eq!(builder(&provider).authorization(wrong).build().unwrap_err().field(), "authorization");
    }
    assert_eq!(builder(&provider).token_issuer("").build().unwrap_err().field(), "token_issuer");
}

#[tokio::test]
async fn repeated_event_is_accepted_and_done_once() {
    let provider = Provider::new();
    let effects: Arc<Mutex<Vec<EventEffect>>> = Arc::default();
    let seen = Arc::clone(&effects);
    let receiver = builder(&provider).on_event(move |event| seen.lock().unwrap().push(event.effect.clone()));
    let receiver = receiver.build().unwrap();
    let token = provider.event(SESSION_REVOKED, json!({})).sign();
    for _ in 0..3 {
        assert_eq!(push(&receiver, &token).await.status, 202);
    }
    let expected = [EventEffect::Denied, EventEffect::Repeated, EventEffect::Repeated];
    assert_eq!(*effects.lock().unwrap(), expected);
    let status = receiver.status();
    assert_eq!((status.denied, status.repeated), (1, 2));
}

#[tokio::test]
async fn event_whose_own_effect_failed_is_sent_again() {
    let provider = Provider::new();
    let calls: Arc<Mutex<Vec<EventEffect>>> = Arc::default();
    let seen = Arc::clone(&calls);
    let receiver = builder(&provider).also(move |event| {
        let mut seen = seen.lock().unwrap();
        seen.push(event.effect);
        let number = seen.len();
        async move {
            match number {
                1 => Err(Unavailable::new()),
                2 => panic!("an error in the service"),
                _ => Ok(()),
            }
        }
    });
    let receiver = receiver.build().unwrap();
    let token = provider.event(SESSION_REVOKED, json!({})).sign();
    for expected in [503, 503, 202, 202] {
        assert_eq!(push(&receiver, &token).await.status, expected);
    }
    assert_eq!(*calls.lock().unwrap(), [EventEffect::Denied, EventEffect::Denied, EventEffect::Denied]);
}

#[tokio::test]
async fn event_about_an_unknown_subject_is_left_to_other_receivers() {
    let provider = Provider::new();
    let (alone, helped) = (receiver(&provider), builder(&provider).subjects(Users).build().unwrap());
    let subject = json!({"format": "email", "email": "alice@example.com"});
    let event = provider.event(SESSION_REVOKED, json!({})).claim("sub_id", subject).sign();
    let token = provider.access_token("alice", None, 60);
    for (receiver, is_admitted) in [(&alone, true), (&helped, false), (&alone, false)] {
        assert_eq!(push(receiver, &event).await.status, 202);
        assert_eq!(provider.admits(&token).await, is_admitted);
    }
    assert_eq!((alone.status().unknown_subjects, alone.status().repeated, helped.status().denied), (1, 1, 1));
}

#[tokio::test]
async fn event_during_an_outage_is_sent_again() {
    let provider = Provider::new();
    let receiver = receiver(&provider);
    let token = provider.event(SESSION_REVOKED, json!({})).sign();
    provider.store.set_down(true);
    let answer = push(&receiver, &token).await;
    assert_eq!((answer.status, answer.headers[0].0), (503, "retry-after"));
    provider.store.set_down(false);
    assert_eq!(push(&receiver, &token).await.status, 202);
    assert!(!provider.admits(&provider.access_token("alice", None, 60)).await);
}

#[tokio::test]
async fn verification_event_shows_in_the_status() {
    let provider = Provider::new();
    let receiver = receiver(&provider);
    assert_eq!(receiver.status().last_verification, None);
    let stream = json!({"format": "opaque", "id": "stream-1"});
    let event = provider.event(VERIFICATION, json!({"state": "s-7"})).claim("sub_id", stream);
    assert_eq!(push(&receiver, &event.sign()).await.status, 202);
    let verified = receiver.status().last_verification.unwrap();
    assert_eq!(verified.state.as_deref(), Some("s-7"));
    assert!((now() - verified.at.seconds()).abs() < 60);
    assert!(!format!("{verified:?}").contains("s-7"));
    // One without state and subject, as a transmitter may send at any time.
    push(&receiver, &provider.event(VERIFICATION, json!({})).without("sub_id").sign()).await;
    assert_eq!(receiver.status().last_verification.unwrap().state, None);

    let paused = provider.event(
        "https://schemas.openid.net/secevent/ssf/event-type/stream-updated",
        json!({"status": "paused", "reason": "x"}),
    );
    push(&receiver, &paused.sign()).await;
    assert_eq!(receiver.status().stream_status.as_deref(), Some("paused"));
}

/// Knows one address, one opaque name and one session. One address is unavailable.
#[derive(Debug)]
struct Users;

#[async_trait]
impl EventSubjects for Users {
    async fn find(&self, subject: &EventSubject) -> Result<Vec<Affected>, Unavailable> {
        if subject.text("email") == Some("down@example.com") {
            return Err(Unavailable::new());
        }
        let is_alice = subject.text("email") == Some("alice@example.com")
            || subject.text("id") == Some("00u1") && subject.format() == "opaque";
        if is_alice {
            return Ok(vec![Affected::Subject("alice".to_owned())]);
        }
        let session = subject.part("session").and_then(|session| session.text("id").map(str::to_owned));
        Ok(session
            .map(|session| Affected::Session { session, subject: Some("alice".to_owned()) })
            .into_iter()
            .collect())
    }
}

#[tokio::test]
async fn subjects_are_found_or_reported() {
    let provider = Provider::new();
    let url = provider.issuer.url().to_owned();
    let iss_sub = |sub: &str| json!({"format": "iss_sub", "iss": url, "sub": sub});
    let other = json!({"format": "iss_sub", "iss": "https://other.example", "sub": "alice"});
    let device = json!({"format": "opaque", "id": "device-1"});
    // The subject, whether the receiver knows it, and whether it does with the help of the service.
    let table = [
        (iss_sub("alice"), true, true),
        (other.clone(), false, false),
        (json!({"format": "iss_sub", "iss": url, "sub": ""}), false, false),
        (json!({"format": "iss_sub", "iss": url, "sub": 7}), false, false),
        (json!({"format": "email", "email": "alice@example.com"}), false, true),
        (json!({"format": "email", "email": "bob@example.com"}), false, false),
        (json!({"format": "opaque", "id": "00u1"}), false, true),
        (json!({"format": "opaque", "id": "00u2"}), false, false),
        (json!({"format": "phone_number", "phone_number": "+1"}), false, false),
        (json!({"format": "complex", "user": iss_sub("alice"), "device": device}), true, true),
        (json!({"format": "complex", "device": device}), false, false),
        (json!({"format": "complex", "user": {"format": "complex", "user": iss_sub("alice")}}), false, false),
        (json!({"format": "complex", "session": {"format": "opaque", "id": "s1"}}), false, true),
        (json!({"format": "aliases", "identifiers": [other, iss_sub("alice")]}), true, true),
        (json!({"format": "jwt_id", "iss": url, "jti": "token-1"}), true, true),
    ];
    for (subject, alone, helped) in table {
        for (has_help, expected) in [(false, alone), (true, helped)] {
            let provider = provider_like(&provider);
            let builder = builder(&provider);
            let receiver = if has_help { builder.subjects(Users) } else { builder }.build().unwrap();
            let token = provider.access_token("alice", Some("s1"), 60);
            let event = provider.event(SESSION_REVOKED, json!({})).claim("sub_id", &subject).sign();
            assert_eq!(push(&receiver, &event).await.status, 202);
            assert_eq!(!provider.admits(&token).await, expected, "{subject} {has_help}");
            let status = receiver.status();
            let unknown = u64::from(!expected);
            assert_eq!((status.denied, status.unknown_subjects), (1 - unknown, unknown), "{subject} {has_help}");
        }
    }
}

/// A provider with the same issuer and an empty deny-list.
fn provider_like(provider: &Provider) -> Provider {
    let fresh = Provider::new();
    let gate = provider.issuer.gate().with_check(fresh.deny_list.check().max_age(std::time::Duration::ZERO).unwrap());
    Provider { issuer: provider.issuer.clone(), gate, ..fresh }
}

#[tokio::test]
async fn session_that_the_service_finds_is_denied() {
    let provider = Provider::new();
    let receiver = builder(&provider).subjects(Users).build().unwrap();
    let subject = json!({"format": "complex", "session": {"format": "opaque", "id": "s1"}});
    push(&receiver, &provider.event(SESSION_REVOKED, json!({})).claim("sub_id", subject).sign()).await;
    assert!(!provider.admits(&provider.access_token("alice", Some("s1"), 60)).await);
    assert!(provider.admits(&provider.access_token("alice", Some("s2"), 60)).await);
    assert!(!provider.admits(&provider.access_token("alice", None, 60)).await);
    // While the users are unavailable, the event is not lost.
    let down = json!({"format": "email", "email": "down@example.com"});
    let event = provider.event(SESSION_REVOKED, json!({})).claim("sub_id", down).sign();
    assert_eq!(push(&receiver, &event).await.status, 503);
}

#[tokio::test]
async fn critical_part_of_a_subject_must_be_understood() {
    let provider = Provider::new();
    let user = json!({"format": "iss_sub", "iss": provider.issuer.url(), "sub": "alice"});
    let subject = json!({"format": "complex", "user": user, "tenant": {"format": "opaque", "id": "t"}});
    let event = || provider.event(SESSION_REVOKED, json!({})).claim("sub_id", &subject).sign();
    let strict = builder(&provider).critical_subject_members(["tenant", "user"]).build().unwrap();
    push(&strict, &event()).await;
    assert_eq!(strict.status().unknown_subjects, 1);
    assert!(provider.admits(&provider.access_token("alice", None, 60)).await);
    let lenient = builder(&provider).critical_subject_members(["user"]).build().unwrap();
    push(&lenient, &event()).await;
    assert!(!provider.admits(&provider.access_token("alice", None, 60)).await);
}

#[tokio::test]
async fn unknown_event_is_reported() {
    let provider = Provider::new();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let types = Arc::clone(&seen);
    let receiver = builder(&provider).on_event(move |event| types.lock().unwrap().push(event.event_type.clone()));
    let receiver = receiver.build().unwrap();
    let uri = "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
    assert_eq!(push(&receiver, &provider.event(uri, json!({})).sign()).await.status, 202);
    assert_eq!((receiver.status().unknown_events, seen.lock().unwrap().as_slice()), (1, &[uri.to_owned()][..]));
}

#[tokio::test]
async fn transmitter_denies_only_tokens_of_its_issuer() {
    let provider = Provider::new();
    let tokens = Provider::new();
    let builder =
        EventReceiver::builder(provider.issuer.url(), "receiver-1", provider.issuer.keys(), &tokens.deny_list);
    let receiver = builder.build().unwrap();
    let about = |issuer: &str| json!({"format": "iss_sub", "iss": issuer, "sub": "alice"});
    let foreign = provider.event(SESSION_REVOKED, json!({})).claim("sub_id", about("https://api.example"));
    push(&receiver, &foreign.sign()).await;
    assert_eq!(receiver.status().unknown_subjects, 1);
    // With consent, it may deny those of one other issuer.
    let gate_issuer = "https://tokens.example";
    let issuer = portcullis_testing::TestIssuer::new().with_url(gate_issuer);
    let gate = issuer.gate().with_check(tokens.deny_list.check().max_age(std::time::Duration::ZERO).unwrap());
    let token = issuer.token().subject("alice").issued_at(now() - 60).sign();
    assert!(gate.admit(&bearer(&token), &portcullis::Policy::authenticated()).await.is_ok());
    let builder =
        EventReceiver::builder(provider.issuer.url(), "receiver-1", provider.issuer.keys(), &tokens.deny_list);
    let receiver = builder.token_issuer(gate_issuer).build().unwrap();
    push(&receiver, &provider.event(SESSION_REVOKED, json!({})).claim("sub_id", about(gate_issuer)).sign()).await;
    assert_eq!(receiver.status().denied, 1);
    assert!(gate.admit(&bearer(&token), &portcullis::Policy::authenticated()).await.is_err());
}

fn bearer(token: &str) -> HeaderList {
    HeaderList::new("GET", [("authorization", format!("Bearer {token}"))])
}
