//! Outages of the issuer: at the start, with cached keys, and for too long.

use portcullis::keys::{KeyError, RemoteKeys};
use portcullis::verifier::ByIssuer;
use portcullis::{Audience, AuthError, Gate, JwtVerifier, Reason};
use portcullis_testing::{Fault, TestIssuer};

use crate::support::{Scene, es256, gate, refuses, secs, unavailable};

#[tokio::test]
async fn fault_40_outage_at_the_start_has_no_later_effect() {
    let scene = Scene::over(es256().serve(), |server, builder| {
        server.go_down();
        builder.at(&server.jwks_url()).unwrap()
    });
    // An explicit warm-up returns the error.
    assert!(matches!(scene.gate.warm_up().await, Err(AuthError::Unavailable(_))));
    assert!(matches!(scene.keys.warm_up().await, Err(KeyError::Unavailable(_))));
    assert!(!scene.gate.status().ready);
    for _ in 0..5 {
        scene.clock.advance(secs(1));
        scene.is_unavailable(&scene.token()).await;
    }
    scene.server.come_back();
    // Without keys a pause is at most one second.
    scene.clock.advance(secs(1));
    scene.admits(&scene.token()).await;
    assert!(scene.gate.status().ready);
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_40_warm_up_fetches_once() {
    let scene = Scene::cold();
    for _ in 0..3 {
        scene.gate.warm_up().await.unwrap();
    }
    scene.admits(&scene.token()).await;
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_40_seed_serves_during_an_outage() {
    let server = es256().serve();
    let seed = server.issuer().jwks();
    server.go_down();
    let scene = Scene::over(server, |server, builder| builder.seed(seed).at(&server.jwks_url()).unwrap());
    assert!(scene.gate.status().ready);
    scene.admits(&scene.token()).await;
    scene.server.come_back();
    scene.recovers().await;
    // The first use of a seed starts a refresh.
    let server = es256().serve();
    let seed = server.issuer().jwks();
    let scene = Scene::over(server, |server, builder| builder.seed(seed).at(&server.jwks_url()).unwrap());
    assert_eq!(scene.server.connections(), 0);
    scene.clock.advance(secs(1));
    scene.admits(&scene.token()).await;
    scene.refreshed().await;
    assert_eq!(scene.server.jwks_hits(), 1);
    // A seed becomes too old as well, counted from the start.
    let other = es256();
    let server = TestIssuer::new().serve();
    server.misbehave(Fault::status(503));
    let scene = Scene::over(server, |server, builder| builder.seed(other.jwks()).at(&server.jwks_url()).unwrap());
    scene.clock.advance(secs(24 * 3_600 + 1));
    scene.is_unavailable(&scene.token()).await;
}

#[tokio::test]
async fn fault_41_cached_keys_serve_during_an_outage() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.go_down();
    for _ in 0..23 {
        scene.clock.advance(secs(3_600));
        scene.admits(&token).await;
    }
    assert!(scene.gate.status().ready);
    // The limit is 24 hours after the lifetime of ten minutes.
    scene.clock.advance(secs(3_600 + 599));
    scene.admits(&token).await;
    scene.server.come_back();
    scene.recovers().await;
}

#[tokio::test]
async fn fault_42_stale_keys_are_refused_after_the_bound() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.go_down();
    scene.clock.advance(secs(24 * 3_600 + 600));
    scene.is_unavailable(&token).await;
    assert!(!scene.gate.status().ready);
    // A cached token is refused as well.
    let short = Scene::with(|builder| builder.stale(secs(60)));
    let caching = crate::support::caching_gate(&short.server, short.keys.clone());
    let token = short.token();
    assert!(caching.verify(&token).await.is_ok());
    short.server.go_down();
    short.clock.advance(secs(659));
    assert!(caching.verify(&token).await.is_ok());
    short.clock.advance(secs(1));
    crate::support::unavailable(&caching, &token).await;

    scene.server.come_back();
    scene.recovers().await;
}

#[tokio::test]
async fn fault_63_outage_of_one_issuer_does_not_affect_another() {
    let (up, down) = (Scene::cold(), Scene::cold());
    down.server.misbehave(Fault::status(503));
    for _ in 0..3 {
        down.is_unavailable(&down.token()).await;
        up.admits(&up.token()).await;
    }
    assert_eq!((up.server.jwks_hits(), down.server.jwks_hits()), (1, 1));
    // A shared cache, and a flood of unknown keys, do not change that.
    let cache = portcullis::keys::KeySetCache::new(10);
    let shared = |scene: &Scene| RemoteKeys::builder().cache(&cache).at(&scene.server.jwks_url()).unwrap();
    let (with_up, with_down) = (gate(&up.server, shared(&up)), gate(&down.server, shared(&down)));
    for number in 0..20 {
        assert!(with_down.verify(&down.token_of_unknown_key(&number.to_string())).await.is_err());
        assert!(with_up.verify(&up.token()).await.is_ok());
    }
    assert_eq!(up.server.jwks_hits(), 2);
    // A key of one issuer is not a key of the other.
    let theirs = up.server.issuer().token().issuer(&down.server.url()).sign();
    down.server.behave();
    down.recovers().await;
    down.refuses(&theirs, Reason::BadSignature).await;
}

#[tokio::test]
async fn fault_63_one_gate_keeps_two_issuers_apart() {
    let (up, down) = (Scene::discovering(), Scene::discovering());
    down.server.misbehave(Fault::status(503));
    let verifier = |scene: &Scene| {
        let issuer = scene.server.issuer();
        JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), scene.keys.clone()).build().unwrap()
    };
    let gate = Gate::new(ByIssuer::new([verifier(&down), verifier(&up)]).unwrap());
    gate.warm_up().await.unwrap();
    for number in 0..20 {
        assert!(gate.verify(&up.token()).await.is_ok());
        unavailable(&gate, &down.token()).await;
        unavailable(&gate, &down.token_of_unknown_key(&number.to_string())).await;
    }
    assert_eq!((up.server.all_hits(), down.server.all_hits()), (2, 1));
    // A flood at one issuer does not use the budget of the other.
    for number in 0..20 {
        let token = up.token_of_unknown_key(&number.to_string());
        match number {
            0 | 1 => refuses(&gate, &token, Reason::UnknownKey).await,
            _ => assert_eq!(unavailable(&gate, &token).await, 30),
        }
    }
    down.server.behave();
    down.clock.advance(secs(1));
    assert!(gate.verify(&down.token()).await.is_ok());
    // A key of one issuer does not serve the other.
    refuses(&gate, &up.server.issuer().token().issuer(&down.server.url()).sign(), Reason::BadSignature).await;
}

#[tokio::test]
async fn fault_64_token_of_unknown_issuer_fetches_nothing() {
    let (known, stranger) = (Scene::discovering(), es256().serve());
    let issuer = known.server.issuer();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), known.keys.clone());
    let gate = Gate::new(ByIssuer::new([verifier.build().unwrap()]).unwrap());
    let theirs = stranger.issuer();
    for token in [theirs.token().sign(), theirs.token().header("jku", stranger.jwks_url()).sign()] {
        refuses(&gate, &token, Reason::WrongIssuer).await;
    }
    assert_eq!((known.server.connections(), stranger.connections()), (0, 0));
}
