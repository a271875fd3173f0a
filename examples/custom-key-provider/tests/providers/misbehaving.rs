//! Key providers that are slow, fail, panic or return a wrong key. Each behaves as the documentation of `KeyProvider`
//! says.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_axum::error::Unavailable;
use portcullis_axum::jose::Algorithm;
use portcullis_axum::keys::{CachedKeys, FirstOf, FixedKeys, KeyError, KeyQuery, TimeLimited, VerifyingKey};
use portcullis_axum::{KeyProvider, async_trait};
use portcullis_testing::SigningKey;

use crate::support::{GOOD, Service, new_key, new_key_for, token};

/// Runs a script for each call. The first call has the number 0.
struct Scripted<F> {
    script: F,
    asked: AtomicUsize,
}

enum Act {
    Answer(Arc<SigningKey>),
    Fail,
    Panic,
    Wait,
}

fn scripted<F: Fn(usize, &KeyQuery<'_>) -> Act + Send + Sync>(script: F) -> Scripted<F> {
    Scripted { script, asked: AtomicUsize::new(0) }
}

#[async_trait]
impl<F: Fn(usize, &KeyQuery<'_>) -> Act + Send + Sync> KeyProvider for Scripted<F> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        match (self.script)(self.asked.fetch_add(1, Ordering::SeqCst), query) {
            Act::Answer(key) => Ok(Arc::new(key.verifying_key())),
            Act::Fail => Err(Unavailable::new().with_source("the vault is sealed").into()),
            Act::Panic => panic!("a defect of the key provider"),
            Act::Wait => std::future::pending().await,
        }
    }
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

#[actix_web::test]
async fn slow_provider_is_503_and_delays_no_other_request() {
    let (slow, quick) = (new_key("slow"), new_key("quick"));
    let key = Arc::clone(&quick);
    let provider = move |_: usize, query: &KeyQuery<'_>| match query.key_id() {
        Some("quick") => Act::Answer(Arc::clone(&key)),
        _ => Act::Wait,
    };
    let service = Service::with(TimeLimited::new(scripted(provider.clone()), SOON).unwrap());
    assert_eq!(service.answer(&token(&slow)).await, "503 temporarily_unavailable");
    // Other requests are served while one waits. This one waits for an hour.
    let service = Service::with(TimeLimited::new(scripted(provider.clone()), LONG).unwrap());
    let (held_up, quick_token) = (token(&slow), token(&quick));
    tokio::select! {
        biased;
        answer = service.answer(&held_up) => panic!("{answer}"),
        answer = service.answer(&quick_token) => assert_eq!(answer, GOOD),
    }
    // A passed time limit is not cached as a missing key.
    let limited = TimeLimited::new(scripted(provider), SOON).unwrap();
    let service = Service::with(CachedKeys::new(limited, 10, LONG).unwrap());
    for _ in 0..2 {
        assert_eq!(service.answer(&token(&slow)).await, "503 temporarily_unavailable");
    }
    assert_eq!(service.answer(&token(&quick)).await, GOOD);
}

#[actix_web::test]
async fn second_provider_is_asked_after_a_slow_one() {
    let key = new_key("k");
    let slow = TimeLimited::new(scripted(|_, _| Act::Wait), SOON).unwrap();
    let service = Service::with(FirstOf::new([
        Arc::new(slow) as Arc<dyn KeyProvider>,
        Arc::new(FixedKeys::key(key.verifying_key())),
    ]));
    assert_eq!(service.answer(&token(&key)).await, GOOD);
    assert_eq!(service.answer(&token(&new_key("other"))).await, "503 temporarily_unavailable");
}

#[actix_web::test]
async fn canceled_request_leaves_no_other_request_waiting() {
    let key = new_key("k");
    let answer = Arc::clone(&key);
    let provider = scripted(move |nth, _| if nth == 0 { Act::Wait } else { Act::Answer(Arc::clone(&answer)) });
    let service = Service::with(CachedKeys::new(provider, 10, LONG).unwrap());
    let token = token(&key);
    {
        let canceled = service.on_axum(&token);
        tokio::select! {
            biased;
            answer = canceled => panic!("{answer}"),
            () = tokio::time::sleep(SOON) => {}
        }
    }
    assert_eq!(service.answer(&token).await, GOOD);
}

#[actix_web::test]
async fn failing_provider_is_503_while_it_fails() {
    let key = new_key("k");
    let answer = Arc::clone(&key);
    // Each response takes two calls, one per adapter.
    let script = move |nth, _: &KeyQuery<'_>| if nth < 4 { Act::Fail } else { Act::Answer(Arc::clone(&answer)) };
    let uncached = Service::with(scripted(script.clone()));
    let cached = Service::with(CachedKeys::new(scripted(script), 10, LONG).unwrap());
    for service in [uncached, cached] {
        assert_eq!(service.answer(&token(&key)).await, "503 temporarily_unavailable");
        assert_eq!(service.answer(&token(&key)).await, "503 temporarily_unavailable");
        assert_eq!(service.answer(&token(&key)).await, GOOD);
    }
}

#[actix_web::test]
async fn panicking_provider_is_500_for_one_request() {
    let key = new_key("k");
    let answer = Arc::clone(&key);
    let script = move |nth, _: &KeyQuery<'_>| if nth < 2 { Act::Panic } else { Act::Answer(Arc::clone(&answer)) };
    let limited = TimeLimited::new(scripted(script.clone()), LONG).unwrap();
    let none = Arc::new(FixedKeys::key(new_key("other").verifying_key()));
    for service in [
        Service::with(scripted(script.clone())),
        Service::with(limited),
        Service::with(CachedKeys::new(scripted(script.clone()), 10, LONG).unwrap()),
        Service::with(FirstOf::new([none as Arc<dyn KeyProvider>, Arc::new(scripted(script))])),
    ] {
        assert_eq!(service.answer(&token(&key)).await, "500 server_error");
        assert_eq!(service.answer(&token(&key)).await, GOOD);
    }
}

#[actix_web::test]
async fn panic_affects_one_of_many_waiting_requests() {
    let key = new_key("k");
    let answer = Arc::clone(&key);
    let provider = scripted(move |nth, _| if nth == 0 { Act::Panic } else { Act::Answer(Arc::clone(&answer)) });
    let service = Arc::new(Service::with(CachedKeys::new(provider, 10, LONG).unwrap()));
    let token = token(&key);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let (service, token) = (Arc::clone(&service), token.clone());
            actix_web::rt::spawn(async move { service.on_axum(&token).await })
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    answers.sort();
    assert_eq!(answers.iter().filter(|answer| *answer == "500 server_error").count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| *answer == GOOD).count(), 19, "{answers:?}");
}

#[actix_web::test]
async fn key_that_was_not_asked_for_verifies_nothing() {
    let ours = new_key("k");
    let returning = |key: Arc<SigningKey>| Service::with(scripted(move |_, _| Act::Answer(Arc::clone(&key))));
    assert_eq!(returning(Arc::clone(&ours)).answer(&token(&ours)).await, GOOD);
    // The key that signed, with another `kid`: the key that the token names may have been withdrawn.
    let renamed = Service::with(FixedKeys::key(ours.verifying_key().with_id("other")));
    assert_eq!(renamed.answer(&token(&ours)).await, "401 unknown_key");
    let other_name = returning(new_key("other"));
    assert_eq!(other_name.answer(&token(&ours)).await, "401 unknown_key");
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
        let other_algorithm = returning(new_key_for(algorithm, "k"));
        assert_eq!(other_algorithm.answer(&token(&ours)).await, "401 unknown_key", "{algorithm}");
    }
    let other_key = returning(new_key("k"));
    assert_eq!(other_key.answer(&token(&ours)).await, "401 bad_signature");
}

#[actix_web::test]
async fn provider_of_secrets_must_name_its_algorithms() {
    let secret = new_key_for(Algorithm::Hs256, "k");
    let key = Arc::clone(&secret);
    let unnamed = Service::with(scripted(move |_, _| Act::Answer(Arc::clone(&key))));
    assert_eq!(unnamed.answer(&token(&secret)).await, "401 algorithm_not_allowed");
    assert_eq!(Service::with(FixedKeys::key(secret.verifying_key())).answer(&token(&secret)).await, GOOD);
}

#[actix_web::test]
async fn debug_output_of_a_gate_has_that_of_its_provider() {
    let service = Service::with(scripted(|_, _| Act::Fail));
    assert!(format!("{:?}", service.gate).contains("Scripted"));
}

#[actix_web::test]
async fn cached_token_is_refused_after_its_key_is_replaced() {
    let (ours, other) = (new_key("k"), new_key("k"));
    let token = token(&ours);
    for remembered in [None, Some(100)] {
        let (first, second) = (Arc::clone(&ours), Arc::clone(&other));
        let swapped = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&swapped);
        let keys =
            scripted(move |_, _| Act::Answer(Arc::clone(if now.load(Ordering::SeqCst) { &second } else { &first })));
        let service = Service::built(keys, |builder| match remembered {
            None => builder,
            Some(tokens) => builder.cache_tokens(tokens),
        });
        assert_eq!(service.answer(&token).await, GOOD);
        swapped.store(true, Ordering::SeqCst);
        assert_eq!(service.answer(&token).await, "401 bad_signature");
        assert_eq!(service.answer(&token).await, "401 bad_signature");
        swapped.store(false, Ordering::SeqCst);
        assert_eq!(service.answer(&token).await, GOOD);
    }
}
