//! Tests of the service and the verifier together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::adapter::HeaderList;
use portcullis::clock::{Clock as _, ManualClock, SystemClock};
use portcullis::error::Unavailable;
use portcullis::verifier::Evidence;
use portcullis::{Gate, Policy, TokenSource, Verified, async_trait, scopes};

use super::format::KeyFormat;
use super::*;
use crate::MemoryStore;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A store in memory that counts lookups and uses, and that can be down.
#[derive(Clone, Debug, Default)]
struct Counted {
    inner: Arc<MemoryStore>,
    lookups: Arc<AtomicUsize>,
    uses: Arc<AtomicUsize>,
    is_down: Arc<AtomicBool>,
}

impl Counted {
    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), Unavailable> {
        if self.is_down.load(Ordering::SeqCst) { Err(Unavailable::new().with_source("down")) } else { Ok(()) }
    }
}

#[async_trait]
impl ApiKeyStore for Counted {
    async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable> {
        self.check()?;
        self.inner.insert_api_key(key).await
    }

    async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable> {
        self.check()?;
        self.inner.find_api_key(id).await
    }

    async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.check()?;
        self.inner.find_api_key_by_hash(hash).await
    }

    async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
        self.check()?;
        self.inner.api_keys_of(owner).await
    }

    async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable> {
        self.check()?;
        self.inner.replace_api_key_secret(key).await
    }

    async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable> {
        self.check()?;
        self.inner.revoke_api_keys(which, at).await
    }

    async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable> {
        self.uses.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        self.inner.note_api_key_use(hash, at).await
    }

    async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.check()?;
        self.inner.remove_ended_api_keys(before, limit).await
    }
}

struct Scene {
    store: Counted,
    clock: Arc<ManualClock>,
    keys: ApiKeys,
    gate: Gate,
}

fn scene() -> Scene {
    let (store, clock) = (Counted::default(), Arc::new(ManualClock::at_unix(1_800_000_000)));
    let keys = ApiKeys::builder(store.clone()).clock(clock.clone()).build().unwrap();
    Scene { store, clock, gate: Gate::new(keys.clone()), keys }
}

impl Scene {
    async fn made(&self) -> NewApiKey {
        self.keys.create("alice", "a label", ["read", "write"], Some(DAY)).await.unwrap()
    }

    async fn verify(&self, secret: &str) -> Result<Verified, String> {
        verify(&self.gate, secret).await
    }

    /// Lets the writer of last uses run.
    async fn written(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

/// The caller, or the reason or the status of the refusal.
async fn verify(gate: &Gate, secret: &str) -> Result<Verified, String> {
    let reason = |denied: portcullis::adapter::Denied| match denied.reason() {
        Some(reason) => reason.to_string(),
        None => denied.status().to_string(),
    };
    gate.verify(secret).await.map_err(reason)
}

/// A key of the right form that was never stored.
fn made_up() -> String {
    KeyFormat::new("pk_").unwrap().generate().unwrap().as_str().to_owned()
}

fn refused(reason: &str) -> Result<(), String> {
    Err(reason.to_owned())
}

fn ok(result: Result<Verified, String>) -> Result<(), String> {
    result.map(drop)
}

#[tokio::test]
async fn caller_has_the_claims_of_a_token() {
    let scene = scene();
    let made = scene.made().await;
    let caller = scene.verify(made.secret.as_str()).await.unwrap();
    assert_eq!(caller.evidence(), Evidence::ApiKey);
    assert_eq!((caller.subject(), caller.token_id()), (Some("alice"), Some(made.key.id.as_str())));
    assert_eq!(caller.scopes(), ["read", "write"]);
    assert_eq!(caller.claim::<i64>("iat").unwrap(), Some(1_800_000_000));
    assert_eq!(caller.expires_at().unwrap().seconds(), 1_800_000_000 + 86_400);
    assert_eq!(caller.sender_constraint(), None);

    let without_end = scene.keys.create("bob", "", [""; 0], None).await.unwrap();
    let caller = scene.verify(without_end.secret.as_str()).await.unwrap();
    assert_eq!((caller.expires_at(), caller.all_claims().contains("scope")), (None, false));
}

#[tokio::test]
async fn scopes_are_judged_by_the_policy() {
    let scene = scene();
    let made = scene.made().await;
    let request = HeaderList::new("GET", [("authorization", format!("Bearer {}", made.secret.as_str()))]);
    assert!(scene.gate.admit(&request, &scopes("read write")).await.is_ok());
    assert_eq!(scene.gate.admit(&request, &scopes("admin")).await.unwrap_err().status(), 403);
}

#[tokio::test]
async fn each_state_has_its_reason() {
    let scene = scene();
    let (one, other) = (scene.made().await, scene.made().await);
    assert_eq!(ok(scene.verify(one.secret.as_str()).await), Ok(()));
    assert_eq!(ok(scene.verify(&made_up()).await), refused("inactive"));
    assert_eq!(ok(scene.verify(&one.secret.as_str()[..51]).await), refused("malformed"));
    assert_eq!(ok(scene.verify("a.b.c").await), refused("malformed"));
    assert!(scene.keys.revoke("alice", &one.key.id).await.unwrap());
    assert_eq!(ok(scene.verify(one.secret.as_str()).await), refused("revoked"));
    scene.clock.advance(DAY - SECOND);
    assert_eq!(ok(scene.verify(other.secret.as_str()).await), Ok(()));
    scene.clock.advance(SECOND);
    assert_eq!(ok(scene.verify(other.secret.as_str()).await), refused("expired"));
    // Time is checked before revocation, as for tokens.
    assert_eq!(ok(scene.verify(one.secret.as_str()).await), refused("expired"));
}

#[tokio::test]
async fn malformed_keys_never_reach_the_store() {
    let scene = scene();
    let key = made_up();
    for position in 0..key.len() {
        let mut changed = key.clone().into_bytes();
        changed[position] = if changed[position] == b'x' { b'y' } else { b'x' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(ok(scene.verify(&changed).await), refused("malformed"));
    }
    assert_eq!(scene.store.lookups(), 0);
}

#[tokio::test]
async fn flood_of_made_up_keys_costs_few_lookups() {
    let scene = scene();
    let (known, late) = (scene.made().await, scene.made().await);
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), Ok(()));
    let (mut inactive, mut limited) = (0, 0);
    for _ in 0..10_000 {
        match scene.verify(&made_up()).await.unwrap_err().as_str() {
            "inactive" => inactive += 1,
            "503" => limited += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((inactive, limited, scene.store.lookups()), (100, 9_900, 101));
    // Known keys go on, also when they are looked up again.
    scene.clock.advance(Duration::from_millis(5_000));
    for _ in 0..1_000 {
        let _ = scene.verify(&made_up()).await;
    }
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), Ok(()));
    // A key that was not seen before waits for the end of the flood.
    assert_eq!(ok(scene.verify(late.secret.as_str()).await), refused("503"));
    scene.clock.advance(Duration::from_millis(10));
    assert_eq!(ok(scene.verify(late.secret.as_str()).await), Ok(()));
    assert!(scene.store.lookups() <= 101 + 101 + 2, "{}", scene.store.lookups());
}

#[tokio::test]
async fn one_made_up_key_is_looked_up_once_in_a_while() {
    let (scene, key) = (scene(), made_up());
    for _ in 0..1_000 {
        assert_eq!(ok(scene.verify(&key).await), refused("inactive"));
    }
    assert_eq!(scene.store.lookups(), 1);
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(ok(scene.verify(&key).await), refused("inactive"));
    assert_eq!(scene.store.lookups(), 2);
}

/// Good keys that were not seen before, as after a restart, take nothing from the budget.
#[tokio::test]
async fn new_keys_are_not_limited() {
    let scene = scene();
    for number in 0..500 {
        let made = scene.keys.create(&format!("owner {number}"), "", ["read"], None).await.unwrap();
        assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_with_one_key_share_a_lookup() {
    let scene = scene();
    let made = scene.made().await;
    for round in 1..=2 {
        let requests = (0..1_000).map(|_| {
            let (gate, secret) = (scene.gate.clone(), made.secret.clone());
            tokio::spawn(async move { verify(&gate, secret.as_str()).await.is_ok() })
        });
        for request in requests.collect::<Vec<_>>() {
            assert!(request.await.unwrap());
        }
        assert_eq!(scene.store.lookups(), round);
        scene.clock.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn revocation_is_immediate_here_and_bounded_elsewhere() {
    let scene = scene();
    let elsewhere = ApiKeys::builder(scene.store.clone()).clock(scene.clock.clone()).build().unwrap();
    let elsewhere = Gate::new(elsewhere);
    let made = scene.made().await;
    let secret = made.secret.as_str();
    assert_eq!(ok(scene.verify(secret).await), Ok(()));
    assert_eq!(ok(verify(&elsewhere, secret).await), Ok(()));
    assert!(scene.keys.revoke_any(&made.key.id).await.unwrap());
    assert_eq!(ok(scene.verify(secret).await), refused("revoked"));
    scene.clock.advance(Duration::from_millis(4_999));
    assert_eq!(ok(verify(&elsewhere, secret).await), Ok(()));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(ok(verify(&elsewhere, secret).await), refused("revoked"));
}

#[tokio::test]
async fn maximum_age_of_zero_asks_each_time() {
    let (store, clock) = (Counted::default(), Arc::new(ManualClock::at_unix(0)));
    let keys = ApiKeys::builder(store.clone()).max_age(Duration::ZERO).clock(clock).build().unwrap();
    let made = keys.create("alice", "", ["read"], None).await.unwrap();
    let gate = Gate::new(keys);
    for _ in 0..10 {
        assert_eq!(ok(verify(&gate, made.secret.as_str()).await), Ok(()));
    }
    assert_eq!(store.lookups(), 10);
}

#[tokio::test]
async fn store_that_is_down_is_a_503_after_the_age() {
    let scene = scene();
    let (known, other) = (scene.made().await, scene.made().await);
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), Ok(()));
    scene.store.is_down.store(true, Ordering::SeqCst);
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), Ok(()));
    assert_eq!(ok(scene.verify(other.secret.as_str()).await), refused("503"));
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), refused("503"));
    assert_eq!(ok(scene.verify("pk_malformed").await), refused("malformed"));
    assert!(matches!(scene.keys.create("alice", "", ["read"], None).await.unwrap_err(), ApiKeyError::Unavailable(_)));
    assert!(scene.keys.revoke("alice", &known.key.id).await.is_err());
    scene.store.is_down.store(false, Ordering::SeqCst);
    assert_eq!(ok(scene.verify(known.secret.as_str()).await), Ok(()));
}

#[tokio::test]
async fn rotation_keeps_two_secrets_until_the_overlap_ends() {
    let scene = scene();
    let first = scene.made().await;
    scene.clock.advance(DAY / 2);
    assert_eq!(ok(scene.verify(first.secret.as_str()).await), Ok(()));
    let second = scene.keys.rotate("alice", &first.key.id, 60 * SECOND).await.unwrap();
    assert_eq!((&second.key.id, second.key.created_at), (&first.key.id, first.key.created_at));
    // The new secret has the whole lifetime again, and the old one no more than the overlap.
    assert_eq!(second.key.expires_at.unwrap().seconds(), 1_800_000_000 + 43_200 + 86_400);
    let old = scene.verify(first.secret.as_str()).await.unwrap();
    assert_eq!(old.expires_at().unwrap().seconds(), 1_800_000_000 + 43_200 + 60);
    assert_eq!(old.claim::<i64>("iat").unwrap(), Some(1_800_000_000));
    let new = scene.verify(second.secret.as_str()).await.unwrap();
    assert_eq!(new.claim::<i64>("iat").unwrap(), Some(1_800_000_000 + 43_200));
    assert_eq!((old.token_id(), old.subject()), (new.token_id(), new.subject()));

    let again = scene.keys.rotate("alice", &first.key.id, 60 * SECOND).await;
    assert!(matches!(again, Err(ApiKeyError::InRotation)));
    scene.clock.advance(60 * SECOND);
    assert_eq!(ok(scene.verify(first.secret.as_str()).await), refused("expired"));
    assert_eq!(ok(scene.verify(second.secret.as_str()).await), Ok(()));

    let third = scene.keys.rotate("alice", &first.key.id, 60 * SECOND).await.unwrap();
    assert_eq!(ok(scene.verify(first.secret.as_str()).await), refused("inactive"));
    // Without an overlap, both earlier secrets end at once.
    let fourth = scene.keys.rotate("alice", &first.key.id, Duration::ZERO).await.unwrap();
    assert_eq!(ok(scene.verify(second.secret.as_str()).await), refused("inactive"));
    assert_eq!(ok(scene.verify(third.secret.as_str()).await), refused("expired"));
    assert_eq!(ok(scene.verify(fourth.secret.as_str()).await), Ok(()));
}

#[tokio::test]
async fn overlap_ends_with_the_secret() {
    let scene = scene();
    let first = scene.made().await;
    scene.clock.advance(DAY - SECOND);
    let second = scene.keys.rotate("alice", &first.key.id, 60 * SECOND).await.unwrap();
    assert_eq!(ok(scene.verify(first.secret.as_str()).await), Ok(()));
    scene.clock.advance(SECOND);
    assert_eq!(ok(scene.verify(first.secret.as_str()).await), refused("expired"));
    assert_eq!(ok(scene.verify(second.secret.as_str()).await), Ok(()));
}

#[tokio::test]
async fn keys_of_other_owners_are_not_found() {
    let scene = scene();
    let made = scene.made().await;
    for owner in ["bob", "Alice", "alice ", ""] {
        let rotated = scene.keys.rotate(owner, &made.key.id, SECOND).await;
        assert!(matches!(rotated, Err(ApiKeyError::NotFound)), "{owner}");
        assert!(!scene.keys.revoke(owner, &made.key.id).await.unwrap(), "{owner}");
        assert_eq!(scene.keys.list(owner).await.unwrap(), [], "{owner}");
    }
    assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
}

#[tokio::test]
async fn ended_keys_are_not_rotated() {
    let scene = scene();
    let (revoked, expired) = (scene.made().await, scene.made().await);
    assert_eq!(scene.keys.revoke_all("bob").await.unwrap(), 0);
    scene.keys.revoke("alice", &revoked.key.id).await.unwrap();
    assert!(!scene.keys.revoke("alice", &revoked.key.id).await.unwrap(), "once");
    let rotate = async |made: &NewApiKey| scene.keys.rotate("alice", &made.key.id, SECOND).await;
    assert!(matches!(rotate(&revoked).await, Err(ApiKeyError::Ended)));
    scene.clock.advance(DAY);
    assert!(matches!(rotate(&expired).await, Err(ApiKeyError::Ended)));
}

#[tokio::test]
async fn list_shows_states_and_no_secrets() {
    let scene = scene();
    let first = scene.made().await;
    scene.clock.advance(SECOND);
    let second = scene.made().await;
    scene.clock.advance(SECOND);
    scene.keys.rotate("alice", &second.key.id, DAY * 2).await.unwrap();
    scene.keys.revoke("alice", &first.key.id).await.unwrap();
    let listed = scene.keys.list("alice").await.unwrap();
    let shown: Vec<_> = listed.iter().map(|key| (key.id.as_str(), key.status.as_str())).collect();
    assert_eq!(shown, [(first.key.id.as_str(), "revoked"), (second.key.id.as_str(), "active")]);
    // The previous secret does not outlive its own expiry.
    assert_eq!(listed[1].previous.unwrap().expires_at.seconds(), 1_800_000_001 + 86_400);
    assert_eq!((listed[0].previous, listed[0].revoked_at.unwrap().seconds()), (None, 1_800_000_002));
    for debug in [format!("{listed:?}"), format!("{second:?}"), format!("{:?}", scene.keys)] {
        assert!(
            !debug.contains("alice") && !debug.contains("pk_0") && !debug.contains(second.secret.as_str()),
            "{debug}"
        );
    }
    scene.clock.advance(DAY);
    assert_eq!(scene.keys.list("alice").await.unwrap()[1].previous, None);
    let found = scene.keys.find(second.secret.as_str()).await.unwrap().unwrap();
    assert_eq!((found.id, found.label.as_str()), (second.key.id, "a label"));
    assert_eq!(scene.keys.find(&made_up()).await.unwrap(), None);
    assert_eq!(scene.keys.find("no key").await.unwrap(), None);
}

#[tokio::test]
async fn last_use_is_written_rarely_and_in_the_background() {
    let scene = scene();
    let made = scene.made().await;
    let last_used = async || scene.keys.list("alice").await.unwrap()[0].last_used_at.map(|at| at.seconds());
    for _ in 0..100 {
        assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
    }
    assert_eq!(last_used().await, None, "no request waited for the write");
    scene.written().await;
    assert_eq!((last_used().await, scene.store.uses.load(Ordering::SeqCst)), (Some(1_800_000_000), 1));
    for _ in 0..59 {
        scene.clock.advance(5 * SECOND);
        assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
        scene.written().await;
    }
    assert_eq!((last_used().await, scene.store.uses.load(Ordering::SeqCst)), (Some(1_800_000_000), 1));
    scene.clock.advance(5 * SECOND);
    assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
    scene.written().await;
    assert_eq!((last_used().await, scene.store.uses.load(Ordering::SeqCst)), (Some(1_800_000_300), 2));

    // After a rotation, the list says whether a client still uses the secret before.
    scene.keys.rotate("alice", &made.key.id, 60 * SECOND).await.unwrap();
    let of_previous = async || scene.keys.list("alice").await.unwrap()[0].previous.unwrap().last_used_at;
    assert_eq!(of_previous().await, None);
    scene.clock.advance(SECOND);
    assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
    scene.written().await;
    assert_eq!(of_previous().await.map(|at| at.seconds()), Some(1_800_000_301));
    assert_eq!(last_used().await, Some(1_800_000_301));
}

#[tokio::test]
async fn failed_write_of_a_last_use_refuses_nobody() {
    let scene = scene();
    let made = scene.made().await;
    scene.verify(made.secret.as_str()).await.unwrap();
    scene.store.is_down.store(true, Ordering::SeqCst);
    scene.written().await;
    assert_eq!(scene.store.uses.load(Ordering::SeqCst), 1);
    assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
    scene.store.is_down.store(false, Ordering::SeqCst);
    scene.clock.advance(5 * SECOND);
    assert_eq!(ok(scene.verify(made.secret.as_str()).await), Ok(()));
    scene.written().await;
    assert!(scene.keys.list("alice").await.unwrap()[0].last_used_at.is_some(), "the next lookup writes it");
}

/// Outside of tokio there is no task that could write.
#[test]
fn keys_are_verified_without_a_runtime() {
    let scene = scene();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let made = runtime.block_on(scene.made());
    drop(runtime);
    let mut verified = Box::pin(scene.gate.verify(made.secret.as_str()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let caller = loop {
        if let std::task::Poll::Ready(result) = verified.as_mut().poll(&mut context) {
            break result;
        }
    };
    assert!(caller.is_ok());
    assert_eq!(scene.store.uses.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn writer_stops_with_the_service() {
    let scene = scene();
    let made = scene.made().await;
    scene.verify(made.secret.as_str()).await.unwrap();
    let (store, Scene { keys, gate, .. }) = (scene.store.clone(), scene);
    drop((keys, gate));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.uses.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn wrong_values_are_refused_and_not_stored() {
    let scene = scene();
    let field = async |owner: &str, label: &str, scope: &str, lifetime: Option<Duration>| match scene
        .keys
        .create(owner, label, [scope], lifetime)
        .await
    {
        Err(ApiKeyError::InvalidInput { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field("", "", "read", None).await, "owner");
    assert_eq!(field("a\nb", "", "read", None).await, "owner");
    assert_eq!(field("alice", "\u{7}", "read", None).await, "label");
    assert_eq!(field("alice", "", "read write", None).await, "scopes");
    assert_eq!(field("alice", "", "", None).await, "scopes");
    assert_eq!(field("alice", "", "read", Some(Duration::ZERO)).await, "lifetime");
    assert_eq!(scene.keys.list("alice").await.unwrap(), []);
    let made = scene.made().await;
    let rotated = scene.keys.rotate("alice", &made.key.id, DAY * 91).await;
    assert!(matches!(rotated, Err(ApiKeyError::InvalidInput { field: "overlap", .. })));
}

#[tokio::test]
async fn owner_has_at_most_a_thousand_keys() {
    let scene = scene();
    for _ in 0..1_000 {
        scene.keys.create("alice", "", ["read"], Some(DAY)).await.unwrap();
    }
    let surplus = scene.keys.create("alice", "", ["read"], None).await;
    assert!(matches!(surplus, Err(ApiKeyError::TooMany)));
    assert!(scene.keys.create("bob", "", ["read"], None).await.is_ok());
    // Those that ended make room when they are removed.
    scene.clock.advance(DAY * 32);
    assert_eq!(scene.keys.remove_ended().await.unwrap(), 1_000);
    assert!(scene.keys.create("alice", "", ["read"], None).await.is_ok());
}

#[tokio::test]
async fn ended_keys_are_told_apart_for_thirty_days() {
    let scene = scene();
    let (expired, revoked) = (scene.made().await, scene.keys.create("alice", "", ["read"], None).await.unwrap());
    scene.clock.advance(DAY);
    scene.keys.revoke("alice", &revoked.key.id).await.unwrap();
    scene.clock.advance(DAY * 30);
    assert_eq!(scene.keys.remove_ended().await.unwrap(), 0);
    assert_eq!(ok(scene.verify(expired.secret.as_str()).await), refused("expired"));
    assert_eq!(ok(scene.verify(revoked.secret.as_str()).await), refused("revoked"));
    scene.clock.advance(5 * SECOND);
    assert_eq!(scene.keys.remove_ended().await.unwrap(), 2);
    assert_eq!(ok(scene.verify(expired.secret.as_str()).await), refused("inactive"));
    assert_eq!(ok(scene.verify(revoked.secret.as_str()).await), refused("inactive"));
}

#[tokio::test]
async fn stated_order_of_sources_decides() {
    let scene = scene();
    let (alice, bob) = (scene.made().await, scene.keys.create("bob", "", [""; 0], None).await.unwrap());
    let (alice, bob) = (alice.secret.as_str(), bob.secret.as_str());
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    let header = |key: &str| ("x-api-key", key.to_owned());
    let sources = || (TokenSource::header("X-API-Key"), TokenSource::authorization());
    let (first, second) = sources();
    let header_first = Gate::new(scene.keys.clone()).with_token_sources([first, second]);
    let (first, second) = sources();
    let bearer_first = Gate::new(scene.keys.clone()).with_token_sources([second, first]);
    let only_header = Gate::new(scene.keys.clone()).with_token_sources([sources().0]);
    let broken = &format!("{alice}x");
    for (gate, fields, expected) in [
        (&header_first, vec![bearer(alice), header(bob)], Ok("bob")),
        (&header_first, vec![header(bob)], Ok("bob")),
        (&header_first, vec![bearer(alice)], Ok("alice")),
        (&header_first, vec![bearer(alice), header(broken)], Err(401)),
        (&header_first, vec![bearer(alice), header("")], Err(400)),
        (&header_first, vec![header(alice), header(alice)], Err(400)),
        (&header_first, vec![bearer(alice), header(bob), header(bob)], Err(400)),
        (&bearer_first, vec![bearer(alice), header(bob)], Ok("alice")),
        (&bearer_first, vec![bearer(broken), header(bob)], Err(401)),
        (&bearer_first, vec![("authorization", "Basic dTpw".to_owned()), header(bob)], Ok("bob")),
        (&bearer_first, vec![bearer(alice), bearer(alice), header(bob)], Err(400)),
        (&only_header, vec![bearer(alice)], Err(401)),
        (&only_header, vec![bearer(alice), header(bob)], Ok("bob")),
        (&only_header, vec![header(&format!("Bearer {bob}"))], Err(400)),
    ] {
        let request = HeaderList::new("GET", fields.clone());
        let admitted = gate.admit(&request, &Policy::authenticated()).await;
        let admitted = admitted.map(|caller| caller.subject().unwrap().to_owned()).map_err(|denied| denied.status());
        assert_eq!(admitted, expected.map(str::to_owned), "{fields:?}");
    }
}

#[tokio::test]
async fn key_passes_no_proof_of_possession() {
    use portcullis::adapter::PresentedToken;
    use portcullis::adapter::{Credential, Scheme};
    use portcullis::{AuthError, Verifier};

    /// Gives credentials of both schemes to the keys.
    #[derive(Debug)]
    struct BothSchemes(ApiKeys);

    #[async_trait]
    impl Verifier for BothSchemes {
        async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
            self.0.verify(credential).await
        }

        fn schemes(&self) -> &[Scheme] {
            &[Scheme::Dpop, Scheme::Bearer]
        }
    }

    let scene = scene();
    let made = scene.made().await;
    let secret = made.secret.as_str().to_owned();
    let gate = Gate::new(BothSchemes(scene.keys.clone()));
    let status = async |gate: &Gate, value: String| {
        let request = HeaderList::new("GET", [("authorization", value)]);
        let admitted = gate.admit(&request, &Policy::authenticated()).await;
        admitted.map(drop).map_err(|denied| (denied.status(), denied.reason().map(|reason| reason.as_str())))
    };
    assert_eq!(status(&gate, format!("Bearer {secret}")).await, Ok(()));
    assert_eq!(status(&gate, format!("DPoP {secret}")).await, Err((401, Some("sender_constrained"))));
    // A gate without such schemes sees no token at all.
    assert_eq!(status(&scene.gate, format!("DPoP {secret}")).await, Err((401, None)));
    let custom = TokenSource::custom("dpop", move |_| Ok(Some(PresentedToken::new(Scheme::Dpop, secret.clone()))));
    assert_eq!(status(&gate.with_token_sources([custom]), String::new()).await, Err((401, Some("sender_constrained"))));
}

#[test]
fn wrong_settings_are_refused_together() {
    let error = ApiKeys::builder(MemoryStore::new()).prefix("PK").max_age(Duration::from_secs(61)).build().unwrap_err();
    assert_eq!(error.fields().collect::<Vec<_>>(), ["prefix", "max_age"], "{error}");
    assert!(ApiKeys::builder(MemoryStore::new()).max_age(Duration::from_secs(60)).build().is_ok());
}

#[tokio::test]
async fn open_connection_ends_within_its_bound_after_a_revocation() {
    const BOUND: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(20);
    // Of now, because the system's clock ends connections at `exp`.
    let clock = Arc::new(ManualClock::at_unix(SystemClock::new().now().seconds()));
    let store = Counted::default();
    let machine = || ApiKeys::builder(store.clone()).clock(clock.clone()).build().unwrap();
    let (here, other) = (machine(), machine());
    let gate = Gate::new(here.clone());
    let caller = async |made: &NewApiKey| verify(&gate, made.secret.as_str()).await.unwrap();
    let make = async || here.create("alice", "a label", ["read"], Some(DAY)).await.unwrap();
    let [kept, revoked_here, revoked_elsewhere] = [make().await, make().await, make().await];
    let mut kept = gate.watch(&caller(&kept).await).within(BOUND);
    let mut first = gate.watch(&caller(&revoked_here).await).within(BOUND);
    let mut second = gate.watch(&caller(&revoked_elsewhere).await).within(BOUND);
    assert!(tokio::time::timeout(BOUND * 2, &mut first).await.is_err());

    assert!(here.revoke("alice", &revoked_here.key.id).await.unwrap());
    let ended = tokio::time::timeout(LONG, &mut first).await.unwrap();
    assert_eq!((ended.reason().unwrap().as_str(), ended.websocket_close_code()), ("revoked", 3000));
    // Here, a cached answer is used for 5 seconds more.
    assert!(other.revoke("alice", &revoked_elsewhere.key.id).await.unwrap());
    assert!(tokio::time::timeout(BOUND * 2, &mut second).await.is_err());
    clock.advance(5 * SECOND);
    let ended = tokio::time::timeout(LONG, &mut second).await.unwrap();
    assert_eq!(ended.reason().unwrap().as_str(), "revoked");
    // Other keys go on.
    assert!(tokio::time::timeout(BOUND * 2, &mut kept).await.is_err());
}
