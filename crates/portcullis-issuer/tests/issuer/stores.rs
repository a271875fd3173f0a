//! A ring that several machines share through a store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::clock::ManualClock;
use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{Audience, Gate, JwtVerifier, Reason, async_trait};
use portcullis_issuer::{
    AccessToken, KeyRing, MemoryRingStore, MintError, RingError, RingSecret, RingStore, SigningKey, StoreError,
    StoredRing,
};

use crate::support::{API, START, URL, clock, issuer, kid, mint, minutes, published, ring_at, secret};

/// A store that other tasks can use between any two steps, and that can fail.
#[derive(Debug, Default)]
struct TestStore {
    inner: MemoryRingStore,
    is_down: AtomicBool,
    loads: AtomicUsize,
    successes: AtomicUsize,
}

#[async_trait]
impl RingStore for TestStore {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.pass().await?;
        let ring = self.inner.load().await;
        tokio::task::yield_now().await;
        ring
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        self.pass().await?;
        let replaced = self.inner.replace(expected, ring).await?;
        self.successes.fetch_add(usize::from(replaced), Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(replaced)
    }
}

impl TestStore {
    async fn pass(&self) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.is_down.load(Ordering::SeqCst) { Err(StoreError::new("connection refused")) } else { Ok(()) }
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

async fn machine(clock: &Arc<ManualClock>, store: &Arc<TestStore>) -> KeyRing {
    ring_at(clock).open(Arc::clone(store), secret()).await.unwrap()
}

/// The `kid`s of the key set.
async fn kids(ring: &KeyRing) -> BTreeSet<String> {
    let keys = FixedKeys::jwks(&published(&issuer(ring)).await).unwrap();
    keys.key_set().keys().map(|key| key.id().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn machines_accept_the_tokens_of_each_other() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let (one, other) = (machine(&clock, &store).await, machine(&clock, &store).await);
    assert_eq!(kids(&one).await, kids(&other).await);
    let token = mint(&issuer(&one)).await;
    assert!(issuer(&other).gate().unwrap().verify(&token).await.is_ok());
    // A restart changes nothing.
    drop(one);
    let restarted = machine(&clock, &store).await;
    assert!(issuer(&restarted).gate().unwrap().verify(&token).await.is_ok());
    assert_eq!(kid(&mint(&issuer(&restarted)).await), kid(&token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn machines_that_start_together_have_one_key() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let starts: Vec<_> = (0..16)
        .map(|_| {
            let (clock, store) = (Arc::clone(&clock), Arc::clone(&store));
            tokio::spawn(async move { machine(&clock, &store).await })
        })
        .collect();
    let mut all = BTreeSet::new();
    for start in starts {
        all.extend(kids(&start.await.unwrap()).await);
    }
    assert_eq!(all.len(), 1);
    assert_eq!(store.successes.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn machines_that_rotate_together_get_one_new_key() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let mut machines = Vec::new();
    for _ in 0..8 {
        machines.push(machine(&clock, &store).await);
    }
    for round in 1..=5 {
        let rotations: Vec<_> = machines
            .iter()
            .flat_map(|ring| [ring.clone(), ring.clone()])
            .map(|ring| tokio::spawn(async move { ring.rotate().await.unwrap() }))
            .collect();
        let (mut ids, mut new) = (BTreeSet::new(), 0);
        for rotation in rotations {
            let rotation = rotation.await.unwrap();
            ids.insert(rotation.key_id);
            new += usize::from(rotation.is_new);
        }
        assert_eq!((ids.len(), new), (1, 1), "round {round}");
        clock.advance(minutes(60));
        let mut active = BTreeSet::new();
        for ring in &machines {
            active.insert(kid(&mint(&issuer(ring)).await));
        }
        assert_eq!(active, ids, "round {round}: one active key");
        clock.advance(minutes(75));
    }
}

/// Two machines with clocks that differ by a minute, a schedule, and verifiers that cache what either of them published.
#[tokio::test]
async fn two_machines_never_make_a_token_that_is_refused() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let late = Arc::new(ManualClock::at_unix(START - 60));
    let options = |clock| {
        let ring = ring_at(clock).publish_ahead(minutes(13)).rotate_every(minutes(30));
        ring.max_token_lifetime(minutes(20)).open(Arc::clone(&store), secret())
    };
    let machines = [options(&clock).await.unwrap(), options(&late).await.unwrap()];
    let gate_of = |jwks: &str| {
        let keys = FixedKeys::jwks(jwks).unwrap();
        let verifier = JwtVerifier::builder(URL, Audience::any_of([API]), keys).clock(Arc::clone(&clock));
        Gate::new(verifier.build().unwrap())
    };
    let start = published(&issuer(&machines[0])).await;
    let mut verifiers: Vec<Gate> = (0..10).map(|_| gate_of(&start)).collect();
    let (mut tokens, mut kids, mut checks) = (Vec::<(usize, String)>::new(), BTreeSet::new(), 0);
    for minute in 0..180 {
        // Each machine looks at the store in turn, so one is always late by a minute.
        machines[minute % 2].maintain().await;
        for (phase, verifier) in verifiers.iter_mut().enumerate().filter(|(phase, _)| minute % 5 == phase % 5) {
            *verifier = gate_of(&published(&issuer(&machines[phase % 2])).await);
        }
        for machine in &machines {
            let token = AccessToken::new("u", "web").lifetime(minutes(20));
            let token = issuer(machine).mint(&token).await.unwrap().into_string();
            kids.insert(kid(&token));
            tokens.push((minute, token));
        }
        tokens.retain(|(minted, _)| minute - minted < 19);
        for (_, token) in tokens.iter().step_by(7).chain(tokens.iter().rev().take(2)) {
            for verifier in &verifiers {
                let verified = verifier.verify(token).await;
                assert!(verified.is_ok(), "minute {minute}: {:?}", verified.unwrap_err().reason());
                checks += 1;
            }
            for machine in &machines[..1] {
                assert!(issuer(machine).gate().unwrap().verify(token).await.is_ok(), "minute {minute}");
            }
        }
        clock.advance(minutes(1));
        late.advance(minutes(1));
    }
    assert!(kids.len() >= 5 && checks > 5_000, "{} {checks}", kids.len());
}

#[tokio::test]
async fn unknown_key_is_looked_up_in_the_store() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let (one, other) = (machine(&clock, &store).await, machine(&clock, &store).await);
    let gate = issuer(&other).gate().unwrap();
    one.rotate().await.unwrap();
    clock.advance(minutes(60));
    let token = mint(&issuer(&one)).await;
    // The other machine was never maintained. All requests that need the key share the load.
    let before = store.loads.load(Ordering::SeqCst);
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let (gate, token) = (gate.clone(), token.clone());
            tokio::spawn(async move { gate.verify(&token).await.is_ok() })
        })
        .collect();
    for request in requests {
        assert!(request.await.unwrap());
    }
    assert!(store.loads.load(Ordering::SeqCst) - before <= 1);
}

#[tokio::test]
async fn made_up_keys_cause_one_load_per_second() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let (ring, foreign) = (machine(&clock, &store).await, ring_at(&clock).build().unwrap());
    let gate = issuer(&ring).gate().unwrap();
    let forged = mint(&issuer(&foreign)).await;
    let (before, start) = (store.loads.load(Ordering::SeqCst), std::time::Instant::now());
    for _ in 0..100 {
        assert_eq!(gate.verify(&forged).await.unwrap_err().reason(), Some(Reason::UnknownKey));
    }
    let most = 2 + usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!(store.loads.load(Ordering::SeqCst) - before <= most);
}

#[tokio::test]
async fn store_that_is_down_is_a_503() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let (ring, foreign) = (machine(&clock, &store).await, ring_at(&clock).build().unwrap());
    let gate = issuer(&ring).gate().unwrap();
    let known = mint(&issuer(&ring)).await;
    store.set_down(true);
    let refused = gate.verify(&mint(&issuer(&foreign)).await).await.unwrap_err();
    assert_eq!((refused.status(), refused.reason()), (503, None), "the key may have been published meanwhile");
    assert!(gate.verify(&known).await.is_ok(), "known keys need no store");
    assert!(matches!(ring.rotate().await, Err(RingError::Store(_))));
    assert_eq!(ring.maintain().await, Duration::from_secs(30), "the next attempt");
    assert!(ring_at(&clock).open(Arc::clone(&store), secret()).await.is_err());
}

#[tokio::test]
async fn machine_without_its_store_stops_signing_in_time() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let (ring, other) = (machine(&clock, &store).await, machine(&clock, &store).await);
    let issuer = issuer(&ring);
    let first = kid(&mint(&issuer).await);
    other.rotate().await.unwrap();
    store.set_down(true);
    // An hour, less twice the five minutes for which verifiers cache keys.
    clock.advance(minutes(50));
    assert_eq!(kid(&mint(&issuer).await), first);
    clock.advance(Duration::from_secs(1));
    let error = issuer.mint(&AccessToken::new("u", "web")).await.unwrap_err();
    assert!(matches!(error, MintError::Ring(RingError::Store(_))), "{error}");
    assert_eq!(kids(&ring).await.len(), 1, "the last known keys are still published");
    store.set_down(false);
    clock.advance(minutes(10));
    assert_ne!(kid(&mint(&issuer).await), first);
    assert_eq!(kids(&ring).await.len(), 2);
}

#[tokio::test]
async fn private_keys_are_forgotten_after_their_last_token() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let ring = machine(&clock, &store).await;
    let bytes = async || store.inner.load().await.unwrap().unwrap().sealed.len();
    let one = bytes().await;
    ring.rotate().await.unwrap();
    let two = bytes().await;
    clock.advance(minutes(60 + 70));
    ring.maintain().await;
    assert!(two > one + 50, "the premise");
    assert!(bytes().await <= one + 10);
}

#[tokio::test]
async fn longest_lifetimes_of_all_machines_count() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let short = ring_at(&clock).publish_ahead(minutes(11)).max_token_lifetime(minutes(5));
    let short = short.open(Arc::clone(&store), secret()).await.unwrap();
    let long = ring_at(&clock).publish_ahead(minutes(90)).max_token_lifetime(minutes(120));
    let long = long.open(Arc::clone(&store), secret()).await.unwrap();
    let rotation = short.rotate().await.unwrap();
    assert_eq!(rotation.signs_from.seconds(), START + 90 * 60);
    clock.advance(minutes(90 + 129));
    assert_eq!(kids(&short).await.len(), 2, "the long tokens of the other machine");
    clock.advance(minutes(1));
    assert_eq!(kids(&long).await.len(), 1);
}

#[tokio::test]
async fn other_secret_does_not_open_the_ring() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let token = mint(&issuer(&machine(&clock, &store).await)).await;
    let other = RingSecret::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let refused = ring_at(&clock).open(Arc::clone(&store), other.clone()).await.unwrap_err();
    assert!(matches!(refused, RingError::Sealed), "{refused}");
    assert!(!format!("{refused:?}{refused}").contains("AAEC"));

    // The secret is replaced: the new one seals from the next change on.
    let both = ring_at(&clock).open(Arc::clone(&store), other.clone().with_previous(secret())).await.unwrap();
    assert!(issuer(&both).gate().unwrap().verify(&token).await.is_ok());
    both.rotate().await.unwrap();
    assert!(ring_at(&clock).open(Arc::clone(&store), other).await.is_ok());
}

#[tokio::test]
async fn store_that_goes_back_is_noticed() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let ring = machine(&clock, &store).await;
    let backup = store.inner.load().await.unwrap().unwrap();
    ring.rotate().await.unwrap();
    assert!(store.inner.replace(Some(2), &backup).await.unwrap());
    assert!(matches!(ring.rotate().await, Err(RingError::WentBack)));
    // A restart accepts the backup.
    assert!(machine(&clock, &store).await.rotate().await.unwrap().is_new);
}

#[tokio::test]
async fn first_key_does_not_replace_stored_keys() {
    let (clock, store) = (clock(), Arc::new(TestStore::default()));
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let id = key.id().to_owned();
    let first = ring_at(&clock).first_key(key).open(Arc::clone(&store), secret()).await.unwrap();
    assert_eq!(kids(&first).await, BTreeSet::from([id.clone()]));
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let second = ring_at(&clock).first_key(other).open(Arc::clone(&store), secret()).await.unwrap();
    assert_eq!(kids(&second).await, BTreeSet::from([id]));
}

#[tokio::test]
async fn every_algorithm_survives_the_store() {
    for algorithm in crate::keys::algorithms() {
        let (clock, store) = (clock(), Arc::new(MemoryRingStore::new()));
        let open =
            || KeyRing::builder().algorithm(algorithm).clock(Arc::clone(&clock)).open(Arc::clone(&store), secret());
        let token = mint(&issuer(&open().await.unwrap())).await;
        let again = issuer(&open().await.unwrap());
        assert!(again.gate().unwrap().verify(&token).await.is_ok(), "{algorithm}");
        assert_eq!(kid(&mint(&again).await), kid(&token), "{algorithm}");
    }
}
