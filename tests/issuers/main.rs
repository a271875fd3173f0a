//! Several issuers behind one gate, in fixed and open sets.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

#[path = "../child.rs"]
mod child;
mod http;
mod open;
#[path = "../running.rs"]
mod running;

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::ByIssuer;
use portcullis::{Audience, Gate, JwtVerifier, Reason};
use portcullis_testing::{Fault, IssuerServer, TestIssuer};

/// An issuer with a key that is generated and used quickly.
fn es256() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

/// Two issuers with different keys under the same `kid`.
fn two() -> (TestIssuer, TestIssuer) {
    let (a, b) = (es256().with_url("https://a.test/"), es256().with_url("https://b.test/"));
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
    let server = es256().serve();
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
    let stranger = es256().serve();
    let gate = Gate::new(ByIssuer::new([verifier]).unwrap());
    for number in 0..1_000 {
        // Each token names an address that would answer.
        let path = if number == 0 { String::new() } else { number.to_string() };
        let token = stranger.issuer().token().issuer(&format!("{}{path}", stranger.url())).sign();
        assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer));
    }
    assert_eq!((known.connections(), stranger.connections()), (0, 0));
}

#[tokio::test]
async fn warm_up_of_several_issuers_ends_at_the_deadline() {
    let silent: Vec<_> = (0..3).map(|_| served()).collect();
    for (server, _) in &silent {
        server.misbehave(Fault::Hold);
    }
    let (servers, verifiers): (Vec<_>, Vec<_>) = silent.into_iter().unzip();
    let gate = Gate::new(ByIssuer::new(verifiers).unwrap());
    let started_at = Instant::now();
    assert_eq!(gate.warm_up_within(Duration::from_millis(500)).await.unwrap_err().status(), 503);
    assert!(started_at.elapsed() < Duration::from_secs(3), "{:?}", started_at.elapsed());
    assert!(servers.iter().all(|server| server.held() == 1), "all were asked at the same time");
    assert!(!gate.status().ready);
}

#[tokio::test]
async fn readiness_needs_no_token_and_waits_for_no_hanging_issuer() {
    let (hanging, ready, other) = (served(), served(), served());
    for (server, _) in [&hanging, &other] {
        server.misbehave(Fault::Hold);
    }
    let gate = Gate::new(ByIssuer::new([hanging.1, ready.1, other.1]).unwrap());
    assert!(!gate.status().ready, "no token came yet, so nothing was fetched");
    let started_at = Instant::now();
    let status = gate.ready().await;
    assert!(status.ready && status.keys == 1, "{status:?}");
    assert!(started_at.elapsed() < Duration::from_secs(3), "{:?}", started_at.elapsed());
    // While keys are cached, a probe fetches nothing.
    assert!(gate.ready().await.ready);
    assert_eq!(ready.0.jwks_hits(), 1);
}

#[tokio::test]
async fn probe_of_a_hanging_issuer_ends_and_the_next_finds_the_keys() {
    let (server, verifier) = served();
    server.misbehave(Fault::Hold.first(1));
    let gate = Gate::new(verifier);
    let started_at = Instant::now();
    assert!(!gate.ready().await.ready);
    assert!(started_at.elapsed() < Duration::from_secs(4), "{:?}", started_at.elapsed());
    assert!(server.release(0));
    for _ in 0..100 {
        if gate.ready().await.ready {
            assert_eq!(server.jwks_hits(), 1, "the fetch of the first probe went on");
            return;
        }
    }
    panic!("never ready: {:?}", gate.status());
}
