//! Responses with a wrong status, a redirect or unusual header fields.

use portcullis_testing::{Fault, TestIssuer};

use crate::support::{Scene, assert_accepted, assert_fails, es256, eventually, secs};

#[tokio::test]
async fn fault_01_server_errors_keep_keys_and_back_off() {
    for status in [500, 502, 503] {
        let error = assert_fails(|server| server.misbehave(Fault::status(status))).await;
        assert!(error.contains(&format!("status {status}")), "{error}");
    }

    let scene = Scene::warm().await;
    let token = scene.token();
    scene.server.misbehave(Fault::status(503));
    scene.fail_to_refresh(&token).await;
    // One second and up to a quarter of it, then two seconds and up to a quarter of them.
    assert!(!scene.fetches_again(secs(0), &token).await);
    assert!(scene.fetches_again(secs(2), &token).await);
    eventually("the attempt has failed", || scene.keys.status().next_attempt > Some(secs(1))).await;
    assert!(!scene.fetches_again(secs(1), &token).await);
    assert!(scene.fetches_again(secs(2), &token).await);
}

#[tokio::test]
async fn fault_01_many_callers_share_one_fetch() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::Hold);
    let token = scene.token();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (gate, token) = (scene.gate.clone(), token.clone());
            tokio::spawn(async move { gate.verify(&token).await.is_ok() })
        })
        .collect();
    eventually("the fetch has arrived", || scene.server.held() == 1).await;
    assert!(scene.server.release(0));
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_02_body_of_an_error_status_is_ignored() {
    for status in [400, 401, 403, 404, 410] {
        let error = assert_fails(|server| server.misbehave(Fault::status(status))).await;
        assert!(error.contains(&format!("status {status}")), "{error}");
    }
}

#[tokio::test]
async fn fault_03_retry_after_is_a_minimum_within_bounds() {
    assert_fails(|server| server.misbehave(Fault::status_with(429, "retry-after", "120"))).await;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (retry_after, not_yet, then) in [
        ("120", 119, 2),
        ("Sun, 06 Nov 1994 08:51:37 GMT", 119, 2),
        // Ten years, and the largest number: five minutes.
        ("315360000", 299, 2),
        ("18446744073709551615", 299, 2),
        // A time in the past, or an unreadable value: no effect.
        ("0", 0, 2),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0, 2),
        ("-120", 0, 2),
        ("soon", 0, 2),
        ("1e9", 0, 2),
        ("99999999999999999999999999", 0, 2),
    ] {
        let scene = Scene::warm().await;
        let token = scene.token();
        let headers = vec![("retry-after".to_owned(), retry_after.to_owned()), ("date".to_owned(), DATE.to_owned())];
        scene.server.misbehave(Fault::Status { status: 429, headers });
        scene.fail_to_refresh(&token).await;
        assert!(!scene.fetches_again(secs(not_yet), &token).await, "{retry_after}");
        assert!(scene.fetches_again(secs(then), &token).await, "{retry_after}");
    }
}

#[tokio::test]
async fn fault_03_callers_without_keys_get_the_same_pause() {
    let scene = Scene::cold();
    scene.server.misbehave(Fault::status_with(429, "retry-after", "120"));
    assert_eq!(scene.is_unavailable(&scene.token()).await, 120);
    scene.clock.advance(secs(60));
    assert_eq!(scene.is_unavailable(&scene.token()).await, 60);
    assert_eq!(scene.server.jwks_hits(), 1);
}

#[tokio::test]
async fn fault_04_empty_response_fails() {
    assert_fails(|server| server.misbehave(Fault::status(204))).await;
    assert_fails(|server| server.set_jwks_body("")).await;
}

#[tokio::test]
async fn fault_05_only_status_200_is_accepted() {
    for status in [201, 202, 203, 206, 300, 304] {
        let error = assert_fails(|server| server.misbehave(Fault::status(status))).await;
        assert!(error.contains(&format!("status {status}")), "{error}");
    }
}

#[tokio::test]
async fn fault_16_redirect_loop_is_not_followed() {
    let scene = Scene::warm().await;
    scene.server.misbehave(Fault::redirect(302, &scene.server.jwks_url()));
    scene.fail_to_refresh(&scene.token()).await;
    assert_eq!(scene.server.jwks_hits(), 2);
    assert_fails(|server| server.misbehave(Fault::redirect(302, &server.jwks_url()))).await;
}

#[tokio::test]
async fn fault_18_redirect_to_another_host_is_not_followed() {
    let elsewhere = es256().serve();
    for location in [
        elsewhere.jwks_url(),
        elsewhere.jwks_url().replace("127.0.0.1", "localhost"),
        elsewhere.jwks_url().replace("http:", ""),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::1]/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:application/json,{\"keys\":[]}".to_owned(),
    ] {
        let error = assert_fails(|server| server.misbehave(Fault::redirect(302, &location))).await;
        assert!(error.contains("status 302"), "{location}: {error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn fault_19_redirect_to_the_same_host_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        for location in ["/keys", "/.well-known/jwks.json/"] {
            let scene = Scene::cold();
            scene.server.serve_at(location, scene.server.issuer().jwks());
            scene.server.misbehave(Fault::redirect(status, location));
            scene.is_unavailable(&scene.token()).await;
            assert_eq!((scene.server.jwks_hits(), scene.server.all_hits()), (1, 1));
            assert!(scene.keys.status().last_error.unwrap().contains(&format!("status {status}")));
        }
    }
}

#[tokio::test]
async fn fault_20_content_type_does_not_matter() {
    for content_type in ["text/html", "text/plain; charset=utf-8", "application/octet-stream", "nonsense"] {
        assert_accepted(|server| server.set_header("content-type", content_type)).await;
    }
    assert_accepted(|server| server.remove_header("content-type")).await;
}

#[tokio::test]
async fn fault_67_huge_header_fails() {
    assert_fails(|server| server.misbehave(Fault::HeaderBomb { fields: 10_000, bytes: 8 })).await;
    assert_fails(|server| server.misbehave(Fault::HeaderBomb { fields: 1, bytes: 1_000_000 })).await;
    assert_fails(|server| server.misbehave(Fault::HeaderBomb { fields: 64, bytes: 16_384 })).await;
}

#[tokio::test]
async fn fault_68_informational_responses_are_skipped() {
    assert_accepted(|server| server.misbehave(Fault::EarlyHints)).await;
}

#[tokio::test]
async fn no_status_of_the_issuer_makes_a_token_bad() {
    // A caller without keys gets 503 for each of them, and never 401.
    let server = TestIssuer::from_algorithms([portcullis::jose::Algorithm::EdDsa]).serve();
    for status in (200..600).step_by(7).filter(|status| *status != 200) {
        server.misbehave(Fault::status(status));
        let scene = Scene::over(es256().serve(), |_, builder| builder.at(&server.jwks_url()).unwrap());
        scene.is_unavailable(&scene.token()).await;
    }
}
