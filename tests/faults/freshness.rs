//! Cache lifetimes, cache validators, and clocks that jump.

use std::sync::Arc;

use portcullis::{Audience, Gate, JwtVerifier, Reason};
use portcullis_testing::Fault;

use crate::support::{REFRESH_DUE, Scene, es256, secs, set_of};

const MIN: u64 = 60;
const DEFAULT: u64 = 600;
const MAX: u64 = 3_600;
const YEAR: i64 = 365 * 24 * 3_600;

/// Expects that keys with these header fields have a lifetime of `lifetime` seconds: they are refreshed after 75 to 85 %
/// of it.
async fn assert_lifetime(headers: &[(&str, &str)], lifetime: u64) {
    let scene = Scene::cold();
    for (name, value) in headers {
        scene.server.add_header(name, value);
    }
    let token = scene.token();
    for _ in 0..20 {
        scene.admits(&token).await;
    }
    let early = lifetime * 75 / 100 - 1;
    assert!(!scene.fetches_again(secs(early), &token).await, "{headers:?}");
    assert!(scene.fetches_again(secs(lifetime * 85 / 100 + 1 - early), &token).await, "{headers:?}");
    scene.refreshed().await;
    assert_eq!(scene.server.jwks_hits(), 2, "{headers:?}");
}

#[tokio::test]
async fn fault_45_no_store_gets_the_minimum_lifetime() {
    for control in ["no-store", "no-cache", "max-age=0", "private, max-age=0", "no-store, max-age=900"] {
        assert_lifetime(&[("cache-control", control)], MIN).await;
    }
    assert_lifetime(&[("cache-control", "private")], DEFAULT).await;
    assert_lifetime(&[("pragma", "no-cache")], DEFAULT).await;
    assert_lifetime(&[("vary", "*")], DEFAULT).await;
}

#[tokio::test]
async fn fault_46_max_age_is_kept_within_bounds() {
    for (control, lifetime) in [
        ("max-age=900", 900),
        ("public, max-age=900, must-revalidate", 900),
        ("max-age=5", MIN),
        // The extremes that identity providers were seen to send: 15 seconds and 38 days.
        ("max-age=15", MIN),
        ("max-age=3283200", MAX),
        ("max-age=31536000", MAX),
        ("max-age=9223372036854775808", MAX),
        ("max-age=18446744073709551615", MAX),
        ("max-age=18446744073709551616", DEFAULT),
        ("max-age=-1", DEFAULT),
        ("max-age=900.5", DEFAULT),
        ("max-age=abc", DEFAULT),
        ("max-age=", DEFAULT),
        ("max-age", DEFAULT),
        ("=,;\"", DEFAULT),
        ("", DEFAULT),
        ("max-age=\"900\"", 900),
        ("max-age=900, max-age=1200", 1_200),
    ] {
        assert_lifetime(&[("cache-control", control)], lifetime).await;
    }
    assert_lifetime(&[("cache-control", "max-age=900"), ("cache-control", "public")], 900).await;
}

#[tokio::test]
async fn fault_47_s_maxage_and_age_are_ignored() {
    assert_lifetime(&[("cache-control", "s-maxage=5")], DEFAULT).await;
    assert_lifetime(&[("cache-control", "s-maxage=5, max-age=900")], 900).await;
    for age in ["3000", "3601", "18446744073709551615", "-1", "garbage"] {
        assert_lifetime(&[("cache-control", "max-age=3600"), ("age", age)], MAX).await;
    }
}

#[tokio::test]
async fn fault_48_expires_and_date_are_ignored() {
    for expires in ["0", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT", "garbage"] {
        assert_lifetime(&[("expires", expires), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")], DEFAULT).await;
    }
    assert_lifetime(&[("cache-control", "max-age=900"), ("date", "Sun, 06 Nov 2095 08:49:37 GMT")], 900).await;
}

#[tokio::test]
async fn fault_49_conditional_304_makes_cached_keys_fresh() {
    for (validator, condition, value) in
        [("etag", "if-none-match", "\"v1\""), ("last-modified", "if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]
    {
        let scene = Scene::cold();
        scene.server.set_header(validator, value);
        let token = scene.token();
        scene.admits(&token).await;
        for _ in 0..3 {
            scene.refresh(&token).await;
        }
        let requests = scene.server.requests();
        assert_eq!(requests.len(), 4);
        assert_eq!(requests[0].header(condition), None);
        assert!(requests[1..].iter().all(|request| request.header(condition) == Some(value)), "{requests:?}");
        // They do not become stale, because each 304 confirms them.
        scene.clock.advance(secs(24 * 3_600));
        scene.admits(&token).await;
        scene.refreshed().await;
        assert_eq!(scene.keys.status().keys, 1);
    }
}

#[tokio::test]
async fn fault_49_unconditional_304_fails() {
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.misbehave(Fault::status(304));
    assert!(scene.fail_to_refresh(&token).await.contains("status 304"));
    assert!(scene.server.requests().iter().all(|request| request.header("if-none-match").is_none()));
}

#[tokio::test]
async fn fault_50_body_counts_despite_an_unchanged_etag() {
    let scene = Scene::cold();
    scene.server.set_header("etag", "\"v1\"");
    let old = scene.token();
    scene.admits(&old).await;
    // The same ETag with other keys.
    let other = es256();
    let jwks = other.jwks();
    let head = format!(
        "HTTP/1.1 200 OK\r\netag: \"v1\"\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        jwks.len()
    );
    scene.server.misbehave(Fault::Raw([head.as_bytes(), jwks.as_bytes()].concat()));
    scene.refresh(&old).await;
    scene.refuses(&old, Reason::BadSignature).await;
}

#[tokio::test]
async fn fault_50_weak_validator_is_kept_huge_one_is_dropped() {
    let scene = Scene::cold();
    scene.server.set_header("etag", "W/\"v1\"");
    let token = scene.token();
    scene.admits(&token).await;
    scene.refresh(&token).await;
    assert_eq!(scene.server.requests()[1].header("if-none-match"), Some("W/\"v1\""));

    let huge = format!("\"{}\"", "x".repeat(5_000));
    let scene = Scene::cold();
    scene.server.set_header("etag", &huge);
    scene.admits(&scene.token()).await;
    scene.refresh(&scene.token()).await;
    assert!(scene.server.requests().iter().all(|request| request.header("if-none-match").is_none()));
    // With a validator of a megabyte the fetch fails.
    scene.server.set_header("etag", &"x".repeat(1024 * 1024));
    scene.fail_to_refresh(&scene.token()).await;
}

#[tokio::test]
async fn fault_51_wall_clock_jumps_do_not_affect_keys() {
    let scene = Scene::warm().await;
    let start = 1_700_000_000;
    let issuer = scene.server.issuer();
    let gate = Gate::new(
        JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), scene.keys.clone())
            .clock(Arc::clone(&scene.clock))
            .build()
            .unwrap(),
    );
    let at = |seconds: i64| issuer.token().issued_at(seconds).sign();
    let good = at(start);
    for (jump, refused) in
        [(0, None), (YEAR, Some(Reason::Expired)), (-YEAR, Some(Reason::IssuedInFuture)), (30, None), (0, None)]
    {
        scene.clock.set_unix(start + jump);
        for _ in 0..5 {
            match refused {
                None => assert!(gate.verify(&good).await.is_ok()),
                Some(reason) => crate::support::refuses(&gate, &good, reason).await,
            }
            assert!(gate.verify(&at(start + jump)).await.is_ok());
        }
    }
    assert!(!scene.fetches_again(secs(0), &scene.token()).await);
    assert_eq!(scene.server.jwks_hits(), 1);
    assert!(scene.keys.status().ready);
    // A step back does not keep the keys fresh.
    scene.clock.set_unix(start - YEAR);
    scene.clock.advance(REFRESH_DUE);
    assert!(gate.verify(&at(start - YEAR)).await.is_ok());
    scene.refreshed().await;
    assert_eq!(scene.server.jwks_hits(), 2);
}

#[tokio::test]
async fn fault_52_refresh_may_be_late_after_a_suspension() {
    // The monotonic clock continued: the keys are stale, used, and refreshed at once.
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.clock.advance(secs(8 * 3_600));
    scene.admits(&token).await;
    scene.refreshed().await;
    // The monotonic clock stopped, as on Linux: the refresh comes after the rest of the lifetime.
    let scene = Scene::warm().await;
    let token = scene.token();
    scene.clock.set_unix(1_700_000_000 + 8 * 3_600);
    assert!(!scene.fetches_again(secs(0), &token).await);
    assert!(scene.fetches_again(secs(511), &token).await);
    // A new key is still fetched at once.
    scene.server.rotate(portcullis::jose::Algorithm::Es256);
    scene.admits(&scene.token()).await;
}

#[tokio::test]
async fn fault_45_no_store_is_not_one_fetch_per_request() {
    let scene = Scene::cold();
    scene.server.set_header("cache-control", "no-store, no-cache, must-revalidate, max-age=0");
    scene.server.set_jwks_body(set_of(&[scene.server.issuer().first_key().jwk()]));
    let token = scene.token();
    for _ in 0..500 {
        scene.admits(&token).await;
    }
    assert_eq!(scene.server.jwks_hits(), 1);
}
