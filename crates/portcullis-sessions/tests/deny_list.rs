//! A gate with a deny-list, for tokens of an issuer that is not the service.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::claims::NumericDate;
use portcullis::clock::ManualClock;
use portcullis::error::Unavailable;
use portcullis::verifier::Evidence;
use portcullis::{Gate, Policy, Verified, async_trait, dangerous};
use portcullis_sessions::{DenyList, DenyListStore, MemoryStore, SqlStore, StoredDenial, Timestamp, TokenHash};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(60 * 60);
const ISSUER: &str = "https://tenant.auth0.com/";

/// A store that counts questions, and can be down or slow.
#[derive(Debug, Default)]
struct Watched {
    inner: MemoryStore,
    asked: AtomicUsize,
    is_down: AtomicBool,
    is_slow: AtomicBool,
}

#[async_trait]
impl DenyListStore for Watched {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        if self.is_down.load(Ordering::SeqCst) { Err(Unavailable::new()) } else { self.inner.deny(denial).await }
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if self.is_down.load(Ordering::SeqCst) { Err(Unavailable::new()) } else { self.inner.denials(names).await }
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.inner.remove_expired_denials(before, limit).await
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_unix(1_700_000_000))
}

fn list(store: impl DenyListStore + 'static, clock: &Arc<ManualClock>) -> DenyList {
    DenyList::new(store, HOUR).unwrap().with_clock(clock.clone())
}

/// The claims of an access token that was issued a minute ago.
fn claims(change: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "sid": "s1", "jti": "t1", "iat": 1_699_999_940, "exp": 1_700_003_540,
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// The status and the reason with which a gate answers a caller.
async fn answer(list: &DenyList, claims: Value) -> (u16, Option<&'static str>) {
    admit(&dangerous::admit_everyone_as(dangerous::assume_verified(&claims).unwrap()).with_check(list.check())).await
}

async fn admit(gate: &Gate) -> (u16, Option<&'static str>) {
    match gate.admit(&HeaderList::default(), &Policy::authenticated()).await {
        Ok(_) => (200, None),
        Err(refused) => (refused.status(), refused.reason().map(|reason| reason.as_str())),
    }
}

const PASSES: (u16, Option<&str>) = (200, None);
const REVOKED: (u16, Option<&str>) = (401, Some("revoked"));

fn date(seconds: i64) -> NumericDate {
    NumericDate::from_unix(seconds, 0)
}

#[tokio::test]
async fn tokens_sessions_and_subjects_are_denied() {
    let deny_list = list(MemoryStore::new(), &clock());
    deny_list.deny_token(ISSUER, "t2", date(1_700_003_540)).await.unwrap();
    deny_list.deny_session(ISSUER, "s2").await.unwrap();
    deny_list.deny_subject(ISSUER, "bob", date(1_700_010_000)).await.unwrap();
    deny_list.deny_issued_before(ISSUER, "carol", date(1_699_999_940)).await.unwrap();
    for (change, expected) in [
        (json!({}), PASSES),
        (json!({"jti": "t2"}), REVOKED),
        (json!({"jti": "t2", "iss": "https://other.example"}), PASSES),
        (json!({"jti": "T2"}), PASSES),
        (json!({"sid": "s2"}), REVOKED),
        (json!({"sid": null, "sub": "s2"}), PASSES),
        (json!({"sub": "bob"}), REVOKED),
        (json!({"sub": "bob", "iat": 1_700_000_000}), REVOKED),
        (json!({"sub": "carol"}), REVOKED),
        (json!({"sub": "carol", "iat": 1_699_999_940.9}), REVOKED),
        (json!({"sub": "carol", "iat": 1_699_999_941}), PASSES),
    ] {
        assert_eq!(answer(&deny_list, claims(change.clone())).await, expected, "{change}");
    }
}

#[tokio::test]
async fn token_that_could_not_be_denied_is_refused() {
    let deny_list = list(MemoryStore::new(), &clock());
    for (change, expected) in [
        (json!({"sid": null, "jti": null}), PASSES),
        (json!({"sid": null}), PASSES),
        (json!({"sub": null}), PASSES),
        (json!({"sub": null, "jti": null}), REVOKED),
        (json!({"iss": null}), REVOKED),
        (json!({"iat": null}), REVOKED),
        (json!({"exp": null}), REVOKED),
        (json!({"sid": 7}), REVOKED),
        // One second longer than the list was told.
        (json!({"exp": 1_700_003_541}), REVOKED),
    ] {
        let mut claims = claims(change.clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(answer(&deny_list, claims).await, expected, "{change}");
    }
    // An API key is revoked in its own store.
    let key = Verified::from_claims(&json!({"sub": "robot"}), Evidence::ApiKey).unwrap();
    assert_eq!(admit(&dangerous::admit_everyone_as(key).with_check(deny_list.check())).await, PASSES);
    let opaque = Verified::from_claims(&json!({"sub": "robot"}), Evidence::Introspection).unwrap();
    assert_eq!(admit(&dangerous::admit_everyone_as(opaque).with_check(deny_list.check())).await, REVOKED);
}

#[tokio::test]
async fn denial_takes_effect_within_its_bound() {
    let (clock, store) = (clock(), Arc::new(Watched::default()));
    let deny_list = list(Arc::clone(&store), &clock);
    let caller = dangerous::assume_verified(&claims(json!({}))).unwrap();
    let gate = dangerous::admit_everyone_as(caller.clone()).with_check(deny_list.check());
    assert_eq!(admit(&gate).await, PASSES);
    deny_list.deny_issued_before(ISSUER, "alice", date(1_700_000_000)).await.unwrap();
    clock.advance(Duration::from_millis(4_999));
    assert_eq!((admit(&gate).await, store.asked.load(Ordering::SeqCst)), (PASSES, 1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(admit(&gate).await, REVOKED);
    // That a token is denied is kept as well.
    assert_eq!((admit(&gate).await, store.asked.load(Ordering::SeqCst)), (REVOKED, 2));

    let check = deny_list.check().max_age(Duration::ZERO).unwrap();
    let gate = dangerous::admit_everyone_as(caller).with_check(check);
    for asked in 3..6 {
        assert_eq!((admit(&gate).await, store.asked.load(Ordering::SeqCst)), (REVOKED, asked));
    }
    for (age, fits) in [(0, true), (1, true), (60_000, true), (60_001, false)] {
        assert_eq!(deny_list.check().max_age(Duration::from_millis(age)).is_ok(), fits, "{age} ms");
    }
}

#[tokio::test]
async fn store_that_is_down_admits_nobody() {
    let (clock, store) = (clock(), Arc::new(Watched::default()));
    let deny_list = list(Arc::clone(&store), &clock);
    let gate = dangerous::admit_everyone_as(dangerous::assume_verified(&claims(json!({}))).unwrap());
    let gate = gate.with_check(deny_list.check());
    assert_eq!(admit(&gate).await, PASSES);
    store.is_down.store(true, Ordering::SeqCst);
    // Until its bound, the answer of before counts. After that, no answer replaces it.
    assert_eq!(admit(&gate).await, PASSES);
    clock.advance(Duration::from_secs(5));
    assert_eq!(admit(&gate).await, (503, None));
    assert!(deny_list.deny_session(ISSUER, "s1").await.is_err());
    store.is_down.store(false, Ordering::SeqCst);
    assert_eq!(admit(&gate).await, PASSES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousand_requests_ask_once() {
    let store = Arc::new(Watched::default());
    store.is_slow.store(true, Ordering::SeqCst);
    let deny_list = DenyList::new(Arc::clone(&store), HOUR).unwrap();
    let issuer = TestIssuer::new();
    let gate = issuer.gate().with_check(deny_list.check());
    let token = issuer.token().sign();
    for (is_down, passes, asked) in [(true, false, 1), (false, true, 2)] {
        store.is_down.store(is_down, Ordering::SeqCst);
        let tasks: Vec<_> = (0..1_000)
            .map(|_| {
                let (gate, token) = (gate.clone(), token.clone());
                tokio::spawn(async move {
                    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
                    gate.admit(&request, &Policy::authenticated()).await.is_ok()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), passes);
        }
        assert!((1..=asked + 1).contains(&store.asked.load(Ordering::SeqCst)), "{:?}", store.asked);
    }
}

/// Three instances with their own connections, token caches and clocks share one database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_refuse_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("deny.db").display());
    let issuer = TestIssuer::new();
    let mut instances = Vec::new();
    for _ in 0..3 {
        let store = SqlStore::builder(&url).connect().await.unwrap();
        let deny_list = DenyList::new(store, HOUR).unwrap();
        let check = deny_list.check().max_age(Duration::from_millis(300)).unwrap();
        let verifier = issuer.verifier().cache_tokens(100).build().unwrap();
        instances.push((deny_list, Gate::new(verifier).with_check(check)));
    }
    let token = issuer.token().claim("sid", "session-1").sign();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {token}"))]);
    let policy = Policy::authenticated();
    for (_, gate) in &instances {
        for _ in 0..3 {
            assert!(gate.admit(&request, &policy).await.is_ok());
        }
    }
    instances[1].0.deny_session(issuer.url(), "session-1").await.unwrap();
    tokio::time::sleep(Duration::from_millis(301)).await;
    for (_, gate) in &instances {
        let refused = gate.admit(&request, &policy).await.unwrap_err();
        assert_eq!(refused.reason().unwrap().as_str(), "revoked");
    }
    let other = issuer.token().claim("sid", "session-2").sign();
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {other}"))]);
    assert!(instances[0].1.admit(&request, &policy).await.is_ok());
}

#[tokio::test]
async fn entries_outlive_the_tokens_that_they_concern() {
    let (clock, store) = (clock(), Arc::new(MemoryStore::new()));
    let deny_list = list(Arc::clone(&store), &clock);
    deny_list.deny_session(ISSUER, "s1").await.unwrap();
    deny_list.deny_subject(ISSUER, "bob", date(1_700_000_100)).await.unwrap();
    // The last token of the session expires after an hour, and a verifier may accept it for ten minutes more.
    clock.advance(Duration::from_secs(3600 + 600));
    // The lock of the subject ended on its date, more than an hour ago.
    assert_eq!(deny_list.remove_expired().await.unwrap(), 1);
    assert_eq!(answer(&deny_list, claims(json!({}))).await, REVOKED);
    assert_eq!(answer(&deny_list, claims(json!({"sid": "s2", "sub": "bob"}))).await, PASSES);
    clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(deny_list.remove_expired().await.unwrap(), 1);
    assert_eq!(deny_list.remove_expired().await.unwrap(), 0);
}

#[tokio::test]
async fn full_store_takes_no_entry_and_forgets_none() {
    let deny_list = list(MemoryStore::with_capacity(2), &clock());
    for session in ["s1", "s2"] {
        deny_list.deny_session(ISSUER, session).await.unwrap();
    }
    assert!(deny_list.deny_session(ISSUER, "s3").await.is_err());
    // An entry that is there can still be renewed.
    deny_list.deny_session(ISSUER, "s2").await.unwrap();
    for (session, expected) in [("s1", REVOKED), ("s2", REVOKED), ("s3", PASSES)] {
        assert_eq!(answer(&deny_list, claims(json!({"sid": session}))).await, expected);
    }
}

#[test]
fn lifetime_of_tokens_has_bounds() {
    for (seconds, fits) in [(59, false), (60, true), (400 * 86_400, true), (400 * 86_400 + 1, false)] {
        let list = DenyList::new(MemoryStore::new(), Duration::from_secs(seconds));
        assert_eq!(list.is_ok(), fits, "{seconds}");
        if let Err(error) = list {
            assert_eq!(error.field(), "max_token_lifetime");
        }
    }
}
