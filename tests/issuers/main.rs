//! Several issuers behind one gate, in fixed and open sets.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod http;
#[path = "../running.rs"]
mod running;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::error::Unavailable;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::{ByIssuer, IssuerDirectory, OpenIssuers};
use portcullis::{Audience, Gate, JwtVerifier, Reason, async_trait};
use portcullis_testing::{IssuerServer, TestIssuer};

/// Two issuers with different keys under the same `kid`.
fn two() -> (TestIssuer, TestIssuer) {
    let (a, b) = (TestIssuer::new().with_url("https://a.test/"), TestIssuer::new().with_url("https://b.test/"));
    assert_eq!(a.first_key().id(), b.first_key().id());
    (a, b)
}

fn gate_of(issuers: [&TestIssuer; 2]) -> Gate {
    Gate::new(ByIssuer::new(issuers.map(|issuer| issuer.verifier().build().unwrap())).unwrap())
}

async fn reason(gate: &Gate, token: &str) -> Option<Reason> {
    gate.verify(token).await.err().and_then(|error| error.reason())
}

#[tokio::test]
async fn each_issuer_is_verified_with_its_own_keys() {
    let (a, b) = two();
    let gate = gate_of([&a, &b]);
    for issuer in [&a, &b] {
        let caller = gate.verify(&issuer.token().sign()).await.unwrap();
        assert_eq!(caller.issuer(), Some(issuer.url()));
    }
    // A token in the name of one issuer, signed by the other under the same kid.
    for (named, signer) in [(&a, &b), (&b, &a)] {
        let forged = named.token().forged_with(Arc::clone(signer.first_key())).sign();
        assert_eq!(reason(&gate, &forged).await, Some(Reason::BadSignature));
        let foreign = signer.token().issuer(named.url()).sign();
        assert_eq!(reason(&gate, &foreign).await, Some(Reason::BadSignature));
    }
}

#[tokio::test]
async fn issuer_of_one_gate_does_not_pass_another() {
    let (a, b) = two();
    let (gate_a, gate_b) = (a.gate(), b.gate());
    assert!(gate_a.verify(&a.token().sign()).await.is_ok() && gate_b.verify(&b.token().sign()).await.is_ok());
    assert!(gate_a.verify(&b.token().sign()).await.is_err() && gate_b.verify(&a.token().sign()).await.is_err());
}

#[tokio::test]
async fn forgeries_are_refused_among_several_issuers() {
    let (a, b) = two();
    let gate = gate_of([&a, &b]);
    for forgery in a.forgeries() {
        assert!(gate.verify(&forgery.token).await.is_err(), "{}", forgery.name);
    }
}

fn served() -> (IssuerServer, JwtVerifier) {
    let server = TestIssuer::new().serve();
    let keys = RemoteKeys::discover(&server.url()).unwrap();
    let audience = Audience::any_of([server.issuer().audience()]);
    let verifier = JwtVerifier::builder(server.url(), audience, keys).build().unwrap();
    (server, verifier)
}

#[tokio::test]
async fn outage_of_one_issuer_does_not_affect_the_other() {
    let ((up, verifier_up), (down, verifier_down)) = (served(), served());
    let token_of_down = down.issuer().token().sign();
    down.go_down();
    let gate = Gate::new(ByIssuer::new([verifier_down, verifier_up]).unwrap());
    assert!(gate.warm_up().await.is_ok());
    assert!(gate.status().ready);
    assert!(gate.verify(&up.issuer().token().sign()).await.is_ok());
    let refused = gate.verify(&token_of_down).await.unwrap_err();
    assert_eq!(refused.status(), 503);
    assert_eq!(up.jwks_hits(), 1);
}

#[tokio::test]
async fn unknown_issuers_open_no_connection() {
    let (known, verifier) = served();
    let stranger = TestIssuer::new().serve();
    let gate = Gate::new(ByIssuer::new([verifier]).unwrap());
    for number in 0..1_000 {
        // Each token names an address that would answer.
        let token = stranger.issuer().token().issuer(&format!("{}{number}", stranger.url())).sign();
        assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer));
    }
    assert_eq!((known.connections(), stranger.connections()), (0, 0));
}

/// Approves `https://customer-N.test/` for each known customer.
#[derive(Debug)]
struct Customers {
    keys: TestIssuer,
    known: usize,
    asked: AtomicUsize,
    down: Mutex<bool>,
}

#[async_trait]
impl IssuerDirectory for Customers {
    async fn verifier(&self, unverified_issuer: &str) -> Result<Option<JwtVerifier>, Unavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if *self.down.lock().unwrap() {
            let mut unavailable = Unavailable::new();
            unavailable.retry_after = Some(Duration::from_secs(42));
            return Err(unavailable);
        }
        let number = unverified_issuer.strip_prefix("https://customer-").and_then(|rest| rest.strip_suffix(".test/"));
        let is_ours = number.and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number < self.known);
        let verifier = || self.keys.clone().with_url(unverified_issuer).verifier().build();
        is_ours.then(verifier).transpose().map_err(|error| Unavailable::new().with_source(error))
    }
}

fn customers(known: usize, capacity: u64) -> (TestIssuer, Arc<Customers>, Arc<OpenIssuers>) {
    let keys = TestIssuer::new();
    let directory = Customers { keys: keys.clone(), known, asked: AtomicUsize::new(0), down: Mutex::new(false) };
    let directory = Arc::new(directory);
    let open = OpenIssuers::new(Shared(Arc::clone(&directory)), capacity, Duration::from_secs(600));
    (keys, directory, Arc::new(open))
}

#[derive(Debug)]
struct Shared(Arc<Customers>);

#[async_trait]
impl IssuerDirectory for Shared {
    async fn verifier(&self, unverified_issuer: &str) -> Result<Option<JwtVerifier>, Unavailable> {
        self.0.verifier(unverified_issuer).await
    }
}

fn token_of(keys: &TestIssuer, number: usize) -> String {
    keys.token().issuer(&format!("https://customer-{number}.test/")).sign()
}

#[tokio::test]
async fn verifier_is_made_once_for_concurrent_requests() {
    let (keys, directory, open) = customers(10, 100);
    let gate = Gate::new(open);
    let token = token_of(&keys, 3);
    let asks = (0..100).map(|_| {
        let (gate, token) = (gate.clone(), token.clone());
        tokio::spawn(async move { gate.verify(&token).await.is_ok() })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(ask.await.unwrap());
    }
    assert_eq!(directory.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unknown_issuers_are_remembered_and_an_unsure_directory_is_a_503() {
    let (keys, directory, open) = customers(10, 100);
    let gate = Gate::new(open);
    for _ in 0..10 {
        assert_eq!(reason(&gate, &token_of(&keys, 77)).await, Some(Reason::WrongIssuer));
    }
    assert_eq!(directory.asked.load(Ordering::SeqCst), 1);
    *directory.down.lock().unwrap() = true;
    let refusal = gate.refuse(&gate.verify(&token_of(&keys, 5)).await.unwrap_err());
    assert_eq!(refusal.status, 503);
    assert!(refusal.headers.contains(&("retry-after".to_owned(), "42".to_owned())), "{refusal:?}");
    *directory.down.lock().unwrap() = false;
    assert!(gate.verify(&token_of(&keys, 5)).await.is_ok());
}

#[tokio::test]
async fn open_issuers_stay_within_the_bound() {
    let (keys, _, open) = customers(10_000, 100);
    let gate = Gate::new(Arc::clone(&open));
    for number in 0..10_000 {
        assert!(gate.verify(&token_of(&keys, number)).await.is_ok());
    }
    assert!(open.cached_verifiers().await <= 100);
}
