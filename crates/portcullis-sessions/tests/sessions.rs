//! What a service sees of its sessions.

#![allow(clippy::panic, clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::clock::ManualClock;
use portcullis::error::Unavailable;
use portcullis_sessions::{
    AuthFacts, DenyListStore, EndReason, Ended, MemoryStore, SessionEvent, SessionStore, Sessions, SessionsBuilder,
    SessionsError, StoredDenial, StoredPurposeToken, StoredSession, SuccessorKeys, Timestamp, TokenHash, Verdict,
    Which,
};

const START: i64 = 1_700_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix(START))
}

fn builder(clock: &Arc<ManualClock>) -> SessionsBuilder {
    Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).clock(clock.clone())
}

fn facts() -> AuthFacts {
    AuthFacts::at(date(START)).with_amr(["pwd"])
}

fn date(seconds: i64) -> NumericDate {
    NumericDate::from_unix(seconds, 0)
}

fn refused(error: SessionsError) -> Verdict {
    match error {
        SessionsError::Refused(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn session_has_what_an_access_token_needs() {
    let clock = clock();
    let sessions = builder(&clock).build().unwrap();
    let stated = facts().with_acr("aal1");
    let login = sessions.start_labeled("alice", stated.clone(), "Firefox on Linux\n").await.unwrap();
    assert_eq!(login.session.id.len(), 22);
    assert_eq!(login.session.label.as_deref(), Some("Firefox on Linux"));
    clock.advance(Duration::from_secs(60));
    let refreshed = sessions.refresh(login.refresh_token.as_str()).await.unwrap().session;
    assert_eq!((&refreshed.id, refreshed.subject.as_str()), (&login.session.id, "alice"));
    assert!(refreshed.facts == stated);
    assert_eq!((refreshed.created_at, refreshed.last_used_at), (date(START), date(START + 60)));
    assert_eq!(refreshed.expires_at, date(START + 7 * 86_400));
    assert_eq!(refreshed.ends_at, date(START + 30 * 86_400));
}

#[tokio::test]
async fn events_name_session_subject_time_and_reason() {
    let clock = clock();
    let events = Arc::new(Mutex::new(Vec::<SessionEvent>::new()));
    let seen = events.clone();
    let sessions = builder(&clock)
        .max_sessions(2)
        .on_event(move |event| {
            seen.lock().unwrap().push(event.clone());
            panic!("a handler that panics");
        })
        .build()
        .unwrap();
    let orphaned = sessions.start("alice", facts()).await.unwrap();
    sessions.refresh(orphaned.refresh_token.as_str()).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let error = sessions.refresh(orphaned.refresh_token.as_str()).await.unwrap_err();
    assert_eq!(refused(error), Verdict::Orphaned);

    let stolen = sessions.start("bob", facts()).await.unwrap();
    let next = sessions.refresh(stolen.refresh_token.as_str()).await.unwrap();
    sessions.refresh(next.refresh_token.as_str()).await.unwrap();
    // To log out with an old token shows the theft as well.
    sessions.log_out(stolen.refresh_token.as_str()).await.unwrap();

    let surplus = sessions.start("carol", facts()).await.unwrap();
    clock.advance(Duration::from_secs(1));
    sessions.start("carol", facts()).await.unwrap();
    sessions.start("carol", facts()).await.unwrap();

    let events = events.lock().unwrap();
    let seen: Vec<_> =
        events.iter().map(|event| (event.session.as_str(), event.subject.as_str(), event.at, event.reason)).collect();
    let expected = [
        (orphaned.session.id.as_str(), "alice", date(START + 10), EndReason::Orphaned),
        (stolen.session.id.as_str(), "bob", date(START + 10), EndReason::Stolen),
        (surplus.session.id.as_str(), "carol", date(START + 11), EndReason::TooMany),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn step_up_keeps_the_session_and_its_user() {
    let sessions = builder(&clock()).build().unwrap();
    let login = sessions.start("alice", facts()).await.unwrap();
    let token = login.refresh_token.as_str();
    let stronger = AuthFacts::at(date(START + 5)).with_amr(["pwd", "otp"]).with_acr("aal2");

    let other = sessions.reauthenticate(token, "bob", stronger.clone()).await.unwrap_err();
    assert!(matches!(other, SessionsError::OtherSubject));
    let wrong = sessions.reauthenticate(token, "alice", stronger.clone().with_acr("")).await.unwrap_err();
    assert!(matches!(wrong, SessionsError::InvalidInput { field: "acr", .. }));

    let stepped = sessions.reauthenticate(token, "alice", stronger.clone()).await.unwrap();
    assert_eq!((stepped.verdict, &stepped.session.id), (Verdict::Rotated, &login.session.id));
    assert!(stepped.session.facts == stronger);
    // A refresh that raced gets the same token, and does not undo the facts.
    let raced = sessions.refresh(token).await.unwrap();
    assert_eq!(raced.refresh_token.as_str(), stepped.refresh_token.as_str());
    assert!(raced.session.facts == stronger);
    // A step-up that raced changes the facts as well.
    let strongest = stronger.with_acr("aal3");
    let raced = sessions.reauthenticate(token, "alice", strongest.clone()).await.unwrap();
    assert_eq!((raced.verdict, raced.refresh_token.as_str()), (Verdict::WithinGrace, stepped.refresh_token.as_str()));
    assert!(sessions.refresh(stepped.refresh_token.as_str()).await.unwrap().session.facts == strongest);
}

#[tokio::test]
async fn login_times_have_whole_milliseconds() {
    let sessions = builder(&clock()).build().unwrap();
    let at = |nanoseconds| AuthFacts::at(NumericDate::from_unix(START, nanoseconds));
    let login = sessions.start("alice", at(1_999_999)).await.unwrap();
    assert!(login.session.facts == at(1_000_000));
    let stepped = sessions.reauthenticate(login.refresh_token.as_str(), "alice", at(2_999_999)).await.unwrap();
    assert!(stepped.session.facts == at(2_000_000));
}

#[tokio::test]
async fn revocation_by_session_subject_and_token() {
    let sessions = builder(&clock()).build().unwrap();
    let one = sessions.start("alice", facts()).await.unwrap();
    let two = sessions.start("alice", facts()).await.unwrap();
    assert!(sessions.revoke_session(&one.session.id).await.unwrap());
    assert!(!sessions.revoke_session(&one.session.id).await.unwrap());
    assert!(sessions.find_open(&one.session.id).await.unwrap().is_none());
    assert!(sessions.find_open(&two.session.id).await.unwrap().is_some());
    assert_eq!(sessions.revoke_subject("alice").await.unwrap(), 1);
    assert_eq!(refused(sessions.refresh(two.refresh_token.as_str()).await.unwrap_err()), Verdict::Ended);

    assert!(!sessions.is_token_revoked("t1").await.unwrap());
    sessions.revoke_token("t1", date(START + 300)).await.unwrap();
    assert!(sessions.is_token_revoked("t1").await.unwrap());
    assert!(!sessions.is_token_revoked("t2").await.unwrap());
}

#[tokio::test]
async fn list_has_the_latest_use_first() {
    let clock = clock();
    let sessions = builder(&clock).build().unwrap();
    let mut logins = Vec::new();
    for _ in 0..3 {
        logins.push(sessions.start("alice", facts()).await.unwrap());
        clock.advance(Duration::from_secs(60));
    }
    sessions.refresh(logins[0].refresh_token.as_str()).await.unwrap();
    let listed: Vec<String> = sessions.list("alice").await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(listed, [0, 2, 1].map(|index: usize| logins[index].session.id.clone()));
    assert!(sessions.list("bob").await.unwrap().is_empty());
}

#[tokio::test]
async fn unknown_and_malformed_tokens_open_nothing() {
    let sessions = builder(&clock()).build().unwrap();
    let other = builder(&clock()).build().unwrap().start("alice", facts()).await.unwrap();
    let login = sessions.start("alice", facts()).await.unwrap();
    for token in ["", "garbage", &login.session.id, "eyJhbGciOiJFZERTQSJ9.e30.AA", other.refresh_token.as_str()] {
        assert_eq!(refused(sessions.refresh(token).await.unwrap_err()), Verdict::Unknown);
        assert_eq!(refused(sessions.log_out(token).await.unwrap_err()), Verdict::Unknown);
    }
    assert!(sessions.refresh(login.refresh_token.as_str()).await.is_ok());
    for (subject, facts) in [("", facts()), ("a\n", facts()), ("alice", facts().with_acr(""))] {
        let wrong = sessions.start(subject, facts).await.unwrap_err();
        assert!(matches!(wrong, SessionsError::InvalidInput { .. }));
    }
}

#[tokio::test]
async fn expired_entries_are_removed_an_hour_later() {
    let clock = clock();
    let sessions = builder(&clock).idle_lifetime(Duration::from_secs(60)).build().unwrap();
    let login = sessions.start("alice", facts()).await.unwrap();
    let token = login.refresh_token.as_str();
    sessions.revoke_token("t1", date(START + 60)).await.unwrap();
    clock.advance(Duration::from_secs(60 + 3600));
    assert_eq!(sessions.remove_expired().await.unwrap(), 0);
    assert_eq!(refused(sessions.refresh(token).await.unwrap_err()), Verdict::Expired);
    clock.advance(Duration::from_millis(1));
    assert_eq!(sessions.remove_expired().await.unwrap(), 2);
    assert_eq!(refused(sessions.refresh(token).await.unwrap_err()), Verdict::Unknown);
}

#[tokio::test]
async fn full_memory_refuses_and_keeps_what_it_has() {
    let clock = clock();
    let store = Arc::new(MemoryStore::with_capacity(2));
    let sessions = Sessions::builder(store, SuccessorKeys::generate().unwrap()).clock(clock.clone()).build().unwrap();
    let first = sessions.start("alice", facts()).await.unwrap();
    sessions.start("bob", facts()).await.unwrap();
    assert!(matches!(sessions.start("carol", facts()).await, Err(SessionsError::Unavailable(_))));
    assert!(sessions.refresh(first.refresh_token.as_str()).await.is_ok());
    clock.advance(Duration::from_secs(40 * 86_400));
    sessions.remove_expired().await.unwrap();
    assert!(sessions.start("carol", facts()).await.is_ok());
}

/// A client that gets a 503 keeps its token. So a store that is down must never look like a refusal.
#[tokio::test]
async fn store_that_is_down_refuses_nothing() {
    let sessions = Sessions::builder(Down, SuccessorKeys::generate().unwrap()).build().unwrap();
    let token = builder(&clock()).build().unwrap().start("alice", facts()).await.unwrap().refresh_token;
    let token = token.as_str();
    let errors = [
        sessions.start("alice", facts()).await.map(drop).unwrap_err(),
        sessions.refresh(token).await.map(drop).unwrap_err(),
        sessions.reauthenticate(token, "alice", facts()).await.map(drop).unwrap_err(),
        sessions.log_out(token).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SessionsError::Unavailable(_)), "{error:?}");
    }
    assert!(sessions.log_out_everywhere("alice").await.is_err());
    assert!(sessions.log_out_others("alice", "s1").await.is_err());
    assert!(sessions.log_out_one("alice", "s1").await.is_err());
    assert!(sessions.revoke_session("s1").await.is_err());
    assert!(sessions.find_open("s1").await.is_err());
    assert!(sessions.is_token_revoked("t1").await.is_err());
    assert!(sessions.remove_expired().await.is_err());
}

#[tokio::test]
async fn debug_output_names_nobody() {
    let sessions = builder(&clock()).build().unwrap();
    let login = sessions.start_labeled("alice", facts().with_acr("secret-acr"), "the laptop").await.unwrap();
    let purpose = sessions.purpose_tokens("reset", Duration::from_secs(60)).unwrap();
    let issued = purpose.issue("alice", b"state").await.unwrap();
    let which = Which::SessionOf { subject: "alice", id: &login.session.id };
    let error = sessions.refresh("pcr1_garbage").await.unwrap_err();
    let printed =
        format!("{sessions:?} {login:?} {:?} {purpose:?} {issued:?} {which:?} {error:?}", login.session.facts);
    for secret in
        ["alice", "laptop", "secret-acr", "pwd", "pcr1_", "pcp1_", &login.session.id, login.refresh_token.as_str()]
    {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

#[derive(Debug)]
struct Down;

fn down<T>() -> Result<T, Unavailable> {
    Err(Unavailable::new())
}

#[portcullis::async_trait]
impl SessionStore for Down {
    async fn insert(&self, _: &StoredSession) -> Result<(), Unavailable> {
        down()
    }
    async fn find(&self, _: &str) -> Result<Option<StoredSession>, Unavailable> {
        down()
    }
    async fn find_by_family(&self, _: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        down()
    }
    async fn open_sessions(&self, _: &str, _: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        down()
    }
    async fn replace(&self, _: &StoredSession) -> Result<bool, Unavailable> {
        down()
    }
    async fn end(&self, _: Which<'_>, _: Ended) -> Result<u64, Unavailable> {
        down()
    }
    async fn insert_purpose_token(&self, _: &StoredPurposeToken) -> Result<(), Unavailable> {
        down()
    }
    async fn find_purpose_token(&self, _: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        down()
    }
    async fn take_purpose_token(&self, _: &TokenHash) -> Result<bool, Unavailable> {
        down()
    }
    async fn remove_expired(&self, _: Timestamp, _: u32) -> Result<u64, Unavailable> {
        down()
    }
}

#[portcullis::async_trait]
impl DenyListStore for Down {
    async fn deny(&self, _: &StoredDenial) -> Result<(), Unavailable> {
        down()
    }
    async fn denials(&self, _: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        down()
    }
    async fn remove_expired_denials(&self, _: Timestamp, _: u32) -> Result<u64, Unavailable> {
        down()
    }
}
