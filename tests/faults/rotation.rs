//! Keys that are added, replaced and withdrawn.

use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::{AuthError, Reason};
use portcullis_testing::Fault;
use serde_json::json;

use crate::log::Log;
use crate::support::{Scene, caching_gate, es256, eventually, happens, key, refuses, secs, set_of, with_members};

#[tokio::test]
async fn fault_34_new_key_under_an_old_kid_replaces_it() {
    let scene = Scene::warm().await;
    let caching = caching_gate(&scene.server, scene.keys.clone());
    let kid = scene.server.issuer().first_key().id().to_owned();
    let (old, new) = (scene.token(), key(Algorithm::Es256, &kid));
    assert!(caching.verify(&old).await.is_ok());
    scene.server.set_jwks_body(set_of(&[new.jwk()]));
    let renewed = scene.server.issuer().token().signed_with(new).sign();
    scene.refuses(&renewed, Reason::BadSignature).await;

    scene.refresh(&old).await;
    scene.admits(&renewed).await;
    scene.refuses(&old, Reason::BadSignature).await;
    refuses(&caching, &old, Reason::BadSignature).await;
    assert_eq!(scene.server.jwks_hits(), 2);
}

#[tokio::test]
async fn fault_35_new_key_is_fetched_once_for_all_callers() {
    let scene = Scene::warm().await;
    let old = scene.token();
    scene.server.rotate(Algorithm::EdDsa);
    scene.server.misbehave(Fault::Hold);
    let new = scene.token();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (gate, new) = (scene.gate.clone(), new.clone());
            tokio::spawn(async move { gate.verify(&new).await.is_ok() })
        })
        .collect();
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    // Callers with the old key do not wait.
    scene.admits(&old).await;
    assert!(scene.server.release(0));
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    scene.admits(&old).await;
    assert_eq!(scene.server.jwks_hits(), 2);
}

#[tokio::test]
async fn fault_35_unknown_keys_get_a_burst_then_one_per_cooldown() {
    let scene = Scene::warm().await;
    // The first fetch counts, so two more are allowed at once. The other names can't be looked up yet.
    for number in 0..50 {
        let token = scene.token_of_unknown_key(&format!("burst-{number}"));
        if number < 2 {
            scene.refuses(&token, Reason::UnknownKey).await;
        } else {
            assert_eq!(scene.is_unavailable(&token).await, 30);
        }
    }
    assert_eq!(scene.server.jwks_hits(), 3);
    for cooldown in 1..=4 {
        scene.clock.advance(secs(29));
        let early = scene.token_of_unknown_key(&format!("early-{cooldown}"));
        assert_eq!(scene.is_unavailable(&early).await, 1);
        assert_eq!(scene.server.jwks_hits(), 2 + cooldown);
        scene.clock.advance(secs(1));
        scene.refuses(&scene.token_of_unknown_key(&format!("first-{cooldown}")), Reason::UnknownKey).await;
        // That fetch did not have the early name either.
        scene.refuses(&early, Reason::UnknownKey).await;
        for number in 0..20 {
            scene.is_unavailable(&scene.token_of_unknown_key(&format!("cooldown-{cooldown}-{number}"))).await;
        }
        assert_eq!(scene.server.jwks_hits(), 3 + cooldown);
    }
    // A rotation during the flood is found with the next fetch.
    scene.server.rotate(Algorithm::Es256);
    scene.clock.advance(secs(30));
    scene.admits(&scene.token()).await;
    assert_eq!(scene.server.jwks_hits(), 8);
}

#[tokio::test]
async fn fault_35_late_published_key_is_found_after_a_cooldown() {
    let scene = Scene::warm().await;
    let next = key(Algorithm::Es256, "announced-late");
    let token = scene.server.issuer().token().signed_with(Arc::clone(&next)).sign();
    for _ in 0..10 {
        scene.refuses(&token, Reason::UnknownKey).await;
    }
    // The second caller may have asked after the publication, so it causes a fetch as well.
    assert_eq!(scene.server.jwks_hits(), 3, "then it is missing");
    let old = scene.server.issuer().first_key().jwk();
    scene.server.set_jwks_body(set_of(&[old, next.jwk()]));
    scene.clock.advance(secs(30));
    scene.admits(&token).await;
}

#[tokio::test]
async fn fault_36_fetch_before_the_publication_is_repeated() {
    let scene = Scene::warm().await;
    let old = scene.token();
    scene.server.misbehave(Fault::Hold.first(1));
    scene.clock.advance(crate::support::REFRESH_DUE);
    scene.admits(&old).await;
    eventually("the refresh has arrived", || scene.server.held() == 1).await;
    // The new key is published after the response was created.
    scene.server.rotate(Algorithm::EdDsa);
    let (gate, new) = (scene.gate.clone(), scene.token());
    let caller = tokio::spawn(async move { gate.verify(&new).await.is_ok() });
    assert!(!happens(|| caller.is_finished()).await);
    assert!(scene.server.release(0));
    assert!(caller.await.unwrap());
    assert_eq!(scene.server.jwks_hits(), 3);
}

#[tokio::test]
async fn fault_37_withdrawn_key_is_refused_after_the_next_fetch() {
    let scene = Scene::warm().await;
    let caching = caching_gate(&scene.server, scene.keys.clone());
    let (old, kid) = (scene.token(), scene.server.issuer().first_key().id().to_owned());
    assert!(caching.verify(&old).await.is_ok());
    scene.server.rotate(Algorithm::Es256);
    scene.server.withdraw(&kid);
    scene.admits(&old).await;
    // The token of another key causes the fetch.
    scene.admits(&scene.token()).await;
    scene.refuses(&old, Reason::UnknownKey).await;
    refuses(&caching, &old, Reason::UnknownKey).await;
    assert_eq!(scene.keys.status().keys, 1);
    assert_eq!(scene.server.jwks_hits(), 3, "one for the new key, one for the old");
}

#[tokio::test]
async fn withdrawn_key_is_refused_while_the_budget_is_spent() {
    let scene = Scene::warm().await;
    let (old, kid) = (scene.token(), scene.server.issuer().first_key().id().to_owned());
    scene.server.rotate(Algorithm::Es256);
    scene.server.withdraw(&kid);
    scene.admits(&scene.token()).await;
    for number in 0..10 {
        let _ = scene.gate.verify(&scene.token_of_unknown_key(&format!("made-up-{number}"))).await;
    }
    assert_eq!(scene.is_unavailable(&scene.token_of_unknown_key("one-more")).await, 30);
    scene.refuses(&old, Reason::UnknownKey).await;
    // The next rotation keeps its name.
    let kid = scene.server.issuer().first_key().id().to_owned();
    scene.clock.advance(secs(30));
    scene.server.rotate(Algorithm::Es256);
    scene.server.withdraw(&kid);
    scene.admits(&scene.token()).await;
    scene.refuses(&old, Reason::UnknownKey).await;
}

#[tokio::test]
async fn fault_38_flood_of_made_up_kids_causes_a_burst() {
    let scene = Scene::warm().await;
    let good = scene.token();
    let input = scene.server.issuer().token();
    for number in 0..5_000 {
        // Without a real signature, because signing is slow and the signature is not checked.
        let forged = input.clone().header("kid", format!("made-up-{number}")).signing_input() + ".AAAA";
        if number < 2 {
            scene.refuses(&forged, Reason::UnknownKey).await;
        } else {
            assert_eq!(scene.is_unavailable(&forged).await, 30);
        }
        if number % 500 == 0 {
            scene.admits(&good).await;
        }
    }
    assert_eq!(scene.server.jwks_hits(), 3);
    // The made-up names are not sent to the issuer.
    assert!(scene.server.requests().iter().all(|request| !format!("{request:?}").contains("made-up")));

    // Known callers do not wait while a fetch for the flood is in flight.
    scene.clock.advance(secs(30));
    scene.server.misbehave(Fault::Hold);
    let (gate, unknown) = (scene.gate.clone(), scene.token_of_unknown_key("one-more"));
    let caller = tokio::spawn(async move { gate.verify(&unknown).await.is_err() });
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    for _ in 0..100 {
        scene.admits(&good).await;
    }
    assert_eq!(scene.server.held(), 1);
    assert!(scene.server.release(0));
    assert!(caller.await.unwrap());
}

#[tokio::test]
async fn fault_38_flood_during_an_outage_backs_off() {
    let scene = Scene::warm().await;
    let good = scene.token();
    scene.server.misbehave(Fault::status(503));
    for number in 0..500 {
        scene.is_unavailable(&scene.token_of_unknown_key(&format!("made-up-{number}"))).await;
    }
    assert_eq!(scene.server.jwks_hits(), 2);
    scene.admits(&good).await;
}

#[tokio::test]
async fn fault_39_bad_signatures_fetch_nothing() {
    let scene = Scene::warm().await;
    let (good, stranger) = (scene.token(), key(Algorithm::Es256, "stranger"));
    let forged = scene.server.issuer().token().forged_with(stranger);
    for number in 0..200 {
        scene.refuses(&forged.clone().claim("jti", number).sign(), Reason::BadSignature).await;
    }
    scene.admits(&good).await;
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_69_key_set_of_another_tenant_admits_no_token() {
    let scene = Scene::warm().await;
    let (good, other) = (scene.token(), es256());
    let kid = scene.server.issuer().first_key().id().to_owned();
    // The other tenant's key has the same `kid`, for example "1".
    let theirs = with_members(other.first_key().jwk(), json!({ "kid": kid }));
    scene.server.set_jwks_body(set_of(&[theirs]));
    scene.refresh(&good).await;
    for _ in 0..50 {
        scene.refuses(&good, Reason::BadSignature).await;
    }
    assert_eq!(scene.server.jwks_hits(), 2, "no further fetches");
    // Tokens of the other tenant have a valid signature and another issuer.
    scene.refuses(&other.token().header("kid", kid).sign(), Reason::WrongIssuer).await;
    // The next refresh finds the right set.
    scene.server.behave();
    scene.clock.advance(crate::support::REFRESH_DUE);
    scene.refuses(&good, Reason::BadSignature).await;
    scene.refreshed().await;
    scene.admits(&good).await;
}

#[tokio::test]
async fn fault_70_flapping_set_stays_within_the_budget() {
    let scene = Scene::warm().await;
    let good = scene.token();
    let lacking = set_of(&[key(Algorithm::Es256, "of-another-node").jwk()]);
    scene.server.set_jwks_body(lacking);
    scene.refresh(&good).await;
    // A key that the new set does not have is withdrawn at once.
    let before = scene.server.jwks_hits();
    for _ in 0..100 {
        scene.refuses(&good, Reason::UnknownKey).await;
    }
    assert_eq!(scene.server.jwks_hits(), before + 2);
    // The node with the key responds again: the key is found after a cooldown.
    scene.server.behave();
    scene.clock.advance(secs(29));
    scene.refuses(&good, Reason::UnknownKey).await;
    scene.clock.advance(secs(1));
    scene.admits(&good).await;
    assert_eq!(scene.server.jwks_hits(), before + 3);
}

#[tokio::test]
async fn flood_is_told_from_an_outage() {
    let (log, _guards) = Log::capture();
    let limited = |error: &AuthError| matches!(error, AuthError::Unavailable(unavailable) if unavailable.limited);
    let scene = Scene::warm().await;
    for number in 0..100 {
        let error = scene.gate.verify(&scene.token_of_unknown_key(&format!("made-up-{number}"))).await.unwrap_err();
        assert_eq!(scene.gate.refuse(&error).status, if number < 2 { 401 } else { 503 });
        assert_eq!(limited(&error), number >= 2, "{number}: {error}");
    }
    assert_eq!((scene.keys.status().last_error, scene.keys.status().next_attempt), (None, None));
    let warned = "unknown keys are not looked up before the next fetch";
    let lines = |part: &str| log.text().lines().filter(|line| line.contains(part)).count();
    assert_eq!(lines(warned), 1, "one warning for all of them");
    assert!(log.has_line(&["WARN", warned, "next_fetch=30s"]), "{}", log.text());
    scene.clock.advance(secs(30));
    scene.refuses(&scene.token_of_unknown_key("later"), Reason::UnknownKey).await;
    assert!(log.has_line(&["keys fetched", "unknown_key", "turned_away=98"]), "{}", log.text());

    scene.server.misbehave(Fault::status(503));
    scene.clock.advance(secs(30));
    let error = scene.gate.verify(&scene.token_of_unknown_key("in-an-outage")).await.unwrap_err();
    assert!(!limited(&error) && scene.keys.status().last_error.is_some());
    assert!(log.has_line(&["WARN", "keys not fetched", "status 503"]), "{}", log.text());
    assert_eq!(lines(warned), 1);
}

#[tokio::test]
async fn failed_lookups_do_not_spend_the_budget() {
    let scene = Scene::with(|builder| builder.cooldown(secs(300), 2)).warmed().await;
    scene.server.misbehave(Fault::status(503));
    scene.server.rotate(Algorithm::Es256);
    let new = scene.token();
    // A short outage: each attempt waits for the pause after the one before.
    for _ in 0..3 {
        scene.is_unavailable(&new).await;
        scene.clock.advance(secs(10));
    }
    scene.server.behave();
    scene.admits(&new).await;
}

#[tokio::test]
async fn old_tokens_leave_a_fetch_for_a_rotation() {
    let scene = Scene::warm().await;
    let old = ["retired-1", "retired-2", "retired-3"].map(|kid| scene.token_of_unknown_key(kid));
    for _ in 0..300 {
        for token in &old {
            assert!(scene.gate.verify(token).await.is_err());
        }
        scene.clock.advance(secs(1));
    }
    let hits = scene.server.jwks_hits();
    // One per cooldown, and a second one for each of the names.
    assert!(hits <= 14, "{hits}");
    scene.server.rotate(Algorithm::Es256);
    scene.admits(&scene.token()).await;
}
