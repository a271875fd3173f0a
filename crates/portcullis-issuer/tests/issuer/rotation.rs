//! Rotation of a ring in memory: who signs when, what is published, and verifiers that cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::{Audience, Gate, JwtVerifier, KeyProvider as _, Reason, async_trait};
use portcullis_issuer::{AccessToken, KeyRing, RingError, SignError, Signer, SigningKey};

use crate::support::{API, START, URL, clock, issuer, kid, mint, minutes, published, ring_at};

/// The number of keys in the key set.
async fn published_keys(ring: &KeyRing) -> usize {
    published(&issuer(ring)).await.matches("\"kid\"").count()
}

#[tokio::test]
async fn new_key_is_published_before_it_signs() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    let first = kid(&mint(&issuer).await);
    let rotation = ring.rotate().await.unwrap();
    assert!(rotation.is_new);
    assert_eq!(rotation.signs_from.seconds(), START + 3_600, "an hour by default");
    assert_eq!(published_keys(&ring).await, 2);

    let again = ring.rotate().await.unwrap();
    assert_eq!((again.is_new, &again.key_id), (false, &rotation.key_id), "one rotation at a time");

    clock.advance(minutes(60) - Duration::from_secs(1));
    assert_eq!(kid(&mint(&issuer).await), first);
    clock.advance(Duration::from_secs(1));
    assert_eq!(kid(&mint(&issuer).await), rotation.key_id);

    // The longest token of the old key, and ten minutes for clocks.
    clock.advance(minutes(70) - Duration::from_secs(1));
    assert_eq!(published_keys(&ring).await, 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(published_keys(&ring).await, 1);
    assert_eq!(ring.status().keys, 1);
}

#[tokio::test]
async fn old_token_is_accepted_until_it_expires() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    let gate = issuer.gate().unwrap();
    ring.rotate().await.unwrap();
    clock.advance(minutes(60) - Duration::from_secs(1));
    let token = issuer.mint(&AccessToken::new("u", "web").lifetime(minutes(60))).await.unwrap().into_string();
    for _ in 0..60 {
        assert!(gate.verify(&token).await.is_ok());
        clock.advance(minutes(1));
        ring.maintain().await;
    }
    clock.advance(Duration::from_secs(6));
    assert_eq!(gate.verify(&token).await.unwrap_err().reason(), Some(Reason::Expired), "not an unknown key");
}

#[tokio::test]
async fn schedule_replaces_each_key_in_time() {
    let clock = clock();
    let ring = ring_at(&clock).rotate_every(minutes(24 * 60)).build().unwrap();
    let issuer = issuer(&ring);
    let mut kids = vec![kid(&mint(&issuer).await)];
    for _ in 0..3 * 24 * 60 {
        let pause = ring.maintain().await;
        assert!(pause >= Duration::from_secs(1) && pause <= minutes(60), "{pause:?}");
        let kid = kid(&mint(&issuer).await);
        if kids.last() != Some(&kid) {
            kids.push(kid);
        }
        clock.advance(minutes(1));
    }
    assert_eq!(kids.len(), 3, "a change after each day");
    assert!(published_keys(&ring).await <= 3);
}

#[tokio::test]
async fn maintenance_says_when_it_is_due() {
    let clock = clock();
    let ring = ring_at(&clock).rotate_every(minutes(120)).build().unwrap();
    assert_eq!(ring.maintain().await, minutes(60), "the next key is published an hour before it signs");
    clock.advance(minutes(30));
    assert_eq!(ring.maintain().await, minutes(30));
    clock.advance(minutes(30));
    assert_eq!(ring.maintain().await, minutes(60), "the next key is published now");
    assert_eq!(published_keys(&ring).await, 2);
    let unscheduled = ring_at(&clock).build().unwrap();
    assert_eq!(unscheduled.maintain().await, minutes(60));
}

/// Verifiers that fetch the key set once in its `max-age`, at every phase, also through a shared cache whose answers are as
/// old as `max-age` allows, and without a look for unknown keys.
#[tokio::test]
async fn caching_verifiers_never_refuse_a_valid_token() {
    let clock = clock();
    let cache = 5;
    let ring = ring_at(&clock).publish_ahead(minutes(11)).rotate_every(minutes(30)).max_token_lifetime(minutes(20));
    let ring = ring.build().unwrap();
    let issuer = issuer(&ring);
    let gate_of = |jwks: &str| {
        let keys = FixedKeys::jwks(jwks).unwrap();
        let verifier = JwtVerifier::builder(URL, Audience::any_of([API]), keys).clock(Arc::clone(&clock));
        Gate::new(verifier.build().unwrap())
    };
    let start = published(&issuer).await;
    let mut verifiers: Vec<Gate> = (0..2 * cache).map(|_| gate_of(&start)).collect();
    let mut history = vec![start; cache];
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let (mut checks, mut kids) = (0, std::collections::BTreeSet::new());
    for minute in 0..240 {
        ring.maintain().await;
        history.push(published(&issuer).await);
        for (phase, verifier) in verifiers.iter_mut().enumerate().filter(|(phase, _)| minute % cache == phase % cache) {
            let age = if phase < cache { 0 } else { cache };
            *verifier = gate_of(&history[history.len() - 1 - age]);
        }
        let token = issuer.mint(&AccessToken::new("u", "web").lifetime(minutes(20))).await.unwrap().into_string();
        kids.insert(kid(&token));
        tokens.push((minute, token));
        tokens.retain(|(minted, _)| minute - minted <= 20);
        for (_, token) in tokens.iter().step_by(4).chain(tokens.last()) {
            for verifier in &verifiers {
                let verified = verifier.verify(token).await;
                assert!(verified.is_ok(), "minute {minute}: {:?}", verified.unwrap_err().reason());
                checks += 1;
            }
        }
        clock.advance(minutes(1));
    }
    assert!(kids.len() >= 7 && checks > 10_000, "{} {checks}", kids.len());
}

#[tokio::test]
async fn ring_can_change_to_another_algorithm() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    let (gate, old) = (issuer.gate().unwrap(), mint(&issuer).await);
    let next = SigningKey::generate(Algorithm::Es384).unwrap();
    let id = next.id().to_owned();
    ring.rotate_to(next).await.unwrap();
    clock.advance(minutes(60));
    let new = issuer.mint(&AccessToken::new("u", "web")).await.unwrap().into_string();
    assert_eq!(kid(&new), id);
    assert!(gate.verify(&new).await.is_ok(), "a gate that was built before");
    let old_header = old.split('.').next().unwrap();
    assert!(!new.starts_with(old_header));
}

#[tokio::test]
async fn key_cannot_be_in_the_ring_twice() {
    let clock = clock();
    let pem = SigningKey::generate(Algorithm::EdDsa).unwrap().to_pem().unwrap();
    let key = || SigningKey::from_pem(pem.as_str()).unwrap();
    let ring = ring_at(&clock).first_key(key()).build().unwrap();
    assert!(matches!(ring.rotate_to(key()).await, Err(RingError::Duplicate)));
}

#[tokio::test]
async fn exposed_key_is_replaced_at_once() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    let (gate, stolen) = (issuer.gate().unwrap(), mint(&issuer).await);
    ring.rotate().await.unwrap();
    let rotation = ring.replace_exposed().await.unwrap();
    assert_eq!(gate.verify(&stolen).await.unwrap_err().reason(), Some(Reason::UnknownKey));
    let token = mint(&issuer).await;
    assert_eq!(kid(&token), rotation.key_id);
    assert!(gate.verify(&token).await.is_ok());
    assert_eq!(published_keys(&ring).await, 1);
}

#[tokio::test]
async fn clock_that_is_set_back_still_signs() {
    let clock = clock();
    let ring = ring_at(&clock).build().unwrap();
    let issuer = issuer(&ring);
    clock.set_unix(START - 86_400);
    let token = mint(&issuer).await;
    assert!(issuer.gate().unwrap().verify(&token).await.is_ok());
}

/// Keys that are rotated by deployments: the old process, then the new one.
#[tokio::test]
async fn deployments_publish_the_other_key() {
    let clock = clock();
    let [old, new] = [(); 2].map(|()| SigningKey::generate(Algorithm::EdDsa).unwrap());
    let public = |key: &SigningKey| VerifyingKey::from_pem(&key.public_key_pem()).unwrap();
    let (old_public, new_public) = (public(&old), public(&new));
    let before = ring_at(&clock).first_key(old).also_publish(new_public).build().unwrap();
    let after = ring_at(&clock).first_key(new).also_publish(old_public).build().unwrap();
    let (before, after) = (issuer(&before), issuer(&after));
    for (from, to) in [(&before, &after), (&after, &before)] {
        let token = mint(from).await;
        assert!(to.gate().unwrap().verify(&token).await.is_ok());
        let elsewhere = FixedKeys::jwks(&published(to).await).unwrap();
        assert_eq!(elsewhere.key_set().len(), 2);
    }
    // A key that is in the ring as well is published and counted once.
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let (first, again) = (public(&key), public(&key));
    let ring = ring_at(&clock).first_key(key).also_publish(first).also_publish(again).build().unwrap();
    assert_eq!((published_keys(&ring).await, ring.status().keys), (1, 1));
}

#[test]
fn wrong_options_of_a_ring_are_named() {
    for (builder, field) in [
        (KeyRing::builder().algorithm(Algorithm::Hs256), "algorithm"),
        (KeyRing::builder().cache_lifetime(Duration::from_secs(59)), "cache_lifetime"),
        (KeyRing::builder().cache_lifetime(minutes(24 * 60 + 1)).publish_ahead(minutes(60 * 24 * 5)), "cache_lifetime"),
        (KeyRing::builder().max_token_lifetime(Duration::ZERO), "max_token_lifetime"),
        (KeyRing::builder().max_token_lifetime(minutes(24 * 60 + 1)), "max_token_lifetime"),
        (KeyRing::builder().publish_ahead(minutes(11) - Duration::from_secs(1)), "publish_ahead"),
        (KeyRing::builder().cache_lifetime(minutes(30)), "publish_ahead"),
        (KeyRing::builder().publish_ahead(Duration::MAX), "publish_ahead"),
        (KeyRing::builder().rotate_every(minutes(60)), "rotate_every"),
        (KeyRing::builder().rotate_every(Duration::MAX), "rotate_every"),
        (KeyRing::builder().also_publish(VerifyingKey::from_secret(&[7; 32]).unwrap()), "also_publish"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), field, "{error}");
    }
    let three = KeyRing::builder().algorithm(Algorithm::Hs256).max_token_lifetime(Duration::ZERO);
    let three = three.rotate_every(minutes(60)).build().unwrap_err();
    assert_eq!(three.fields().collect::<Vec<_>>(), ["algorithm", "max_token_lifetime", "rotate_every"]);
    assert!(KeyRing::builder().publish_ahead(minutes(11)).build().is_ok());
}

/// Many tasks mint and verify while keys rotate and time passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_are_minted_while_keys_rotate() {
    let clock = clock();
    let ring = ring_at(&clock).publish_ahead(minutes(11)).rotate_every(minutes(12)).build().unwrap();
    let issuer = issuer(&ring);
    let (gate, stop) = (issuer.gate().unwrap(), Arc::new(AtomicBool::new(false)));
    let minters: Vec<_> = (0..4)
        .map(|_| {
            let (issuer, gate, stop) = (issuer.clone(), gate.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut kids = std::collections::BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    // An hour, so that no token expires between the two lines.
                    let token = issuer.mint(&AccessToken::new("u", "web").lifetime(minutes(60))).await.unwrap();
                    gate.verify(token.as_str()).await.unwrap();
                    kids.insert(kid(token.as_str()));
                    tokio::task::yield_now().await;
                }
                kids.len()
            })
        })
        .collect();
    let rotators: Vec<_> = (0..2)
        .map(|_| {
            let (ring, clock) = (ring.clone(), Arc::clone(&clock));
            tokio::spawn(async move {
                for _ in 0..100 {
                    ring.maintain().await;
                    _ = ring.rotate().await.unwrap();
                    clock.advance(minutes(1));
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .collect();
    for rotator in rotators {
        rotator.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for minter in minters {
        assert!(minter.await.unwrap() > 1, "the key changed");
    }
}

/// A key in a KMS: it answers later, and can fail.
#[derive(Debug)]
struct KmsKey {
    key: SigningKey,
    algorithm: Algorithm,
    public_key: Arc<VerifyingKey>,
    is_down: AtomicBool,
}

impl KmsKey {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let public_key = VerifyingKey::from_pem(&key.public_key_pem()).unwrap().with_id("projects/1/keys/2");
        Self { algorithm: key.algorithm(), public_key: Arc::new(public_key), key, is_down: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Signer for KmsKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> Arc<VerifyingKey> {
        Arc::clone(&self.public_key)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(SignError::new("the KMS is down"));
        }
        self.key.sign(message).await
    }
}

#[tokio::test]
async fn key_in_a_kms_signs_and_is_rotated() {
    let clock = clock();
    let first = Arc::new(KmsKey::new());
    let ring = KeyRing::builder().clock(Arc::clone(&clock)).build_with(first.clone()).await.unwrap();
    let issuer = issuer(&ring);
    let gate = issuer.gate().unwrap();
    let token = mint(&issuer).await;
    assert_eq!(Some(kid(&token)), first.public_key.thumbprint(), "not the name in the KMS");
    assert!(gate.verify(&token).await.is_ok());

    assert!(matches!(ring.rotate().await, Err(RingError::NeedsSigner)));
    assert!(matches!(ring.replace_exposed().await, Err(RingError::NeedsSigner)));
    let second = Arc::new(KmsKey::new());
    ring.rotate_with(second.clone()).await.unwrap();
    clock.advance(minutes(60));
    let token = mint(&issuer).await;
    assert_eq!(Some(kid(&token)), second.public_key.thumbprint());
    assert!(gate.verify(&token).await.is_ok());

    second.is_down.store(true, Ordering::Relaxed);
    let error = issuer.mint(&AccessToken::new("u", "web")).await.unwrap_err();
    assert!(matches!(error, portcullis_issuer::MintError::Sign(_)), "{error}");
    assert!(matches!(ring.rotate_with(second).await, Err(RingError::Sign(_))), "it is tried first");
}

#[tokio::test]
async fn signer_with_another_public_key_is_refused() {
    let other = KmsKey { public_key: KmsKey::new().public_key, ..KmsKey::new() };
    let refused = KeyRing::builder().build_with(Arc::new(other)).await.unwrap_err();
    assert!(matches!(refused, RingError::WrongSignature), "{refused}");
    let unfit = KmsKey { algorithm: Algorithm::Rs256, ..KmsKey::new() };
    let refused = KeyRing::builder().build_with(Arc::new(unfit)).await.unwrap_err();
    assert!(matches!(&refused, RingError::Config(error) if error.field() == "signer"), "{refused}");
    let scheduled = KeyRing::builder().rotate_every(minutes(120)).build_with(Arc::new(KmsKey::new())).await;
    assert!(matches!(scheduled.unwrap_err(), RingError::Config(error) if error.field() == "rotate_every"));
}
