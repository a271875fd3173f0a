//! Requests that race, tokens that are used again, and restarts.

use portcullis_axum::clock::ManualClock;
use portcullis_axum::jose::Algorithm;
use portcullis_issuer::{AccessToken, Issuer, KeyRing, SigningKey};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::service::{Service, claims, credentials, settings};

/// A page rendered on a server sends many requests at once, and each of them refreshes.
#[tokio::test]
async fn twenty_requests_of_one_page_stay_signed_in() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let browser = service.logged_in().await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut browser = browser.clone();
        requests.spawn(async move {
            let answer = browser.post_empty("/api/auth/refresh").await.expect(200);
            assert_eq!(answer.cookies.len(), 3);
            assert!(!answer.cookies.iter().any(|cookie| cookie.contains("Max-Age=0")), "{:?}", answer.cookies);
            browser.get("/api/users/me").await.expect(200);
            browser
        });
    }
    let mut browsers = requests.join_all().await;
    let successor = browsers[0].cookie("refresh_token").to_owned();
    assert!(browsers.iter().all(|each| each.cookie("refresh_token") == successor), "all got the same token");
    assert_eq!(browsers[0].get("/api/sessions").await.json().as_array().unwrap().len(), 1);
    for browser in &mut browsers {
        browser.post_empty("/api/auth/refresh").await.expect(200);
    }
}

#[tokio::test]
async fn stolen_token_ends_the_session_for_both() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut owner = service.logged_in().await;
    let mut thief = owner.clone();
    owner.post_empty("/api/auth/refresh").await.expect(200);
    owner.post_empty("/api/auth/refresh").await.expect(200);
    // Outside the grace, because the successor of the thief's token was used.
    let answer = thief.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    assert_eq!(answer.cookies.len(), 3);
    assert!(thief.cookies.is_empty());
    let answer = owner.get("/api/users/me").await.expect_error(401, "invalid_token");
    assert_eq!(answer.json()["reason"], "revoked");
    owner.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    assert!(owner.cookies.is_empty(), "the user logs in again");
}

#[tokio::test]
async fn logging_out_needs_no_access_token() {
    let folder = TempDir::new().unwrap();
    let pem = SigningKey::generate(Algorithm::Es256).unwrap().to_pem().unwrap();
    let mut with_key = settings(&folder);
    with_key.keys.signing_key = Some(SigningKey::from_pem(pem.as_str()).unwrap());
    let service = Service::start(with_key).await;
    let mut browser = service.logged_in().await;
    let claims = claims(browser.cookie("access_token"));
    let expired = {
        // The issuer of the service, a day ago.
        let clock = ManualClock::at_unix(claims["iat"].as_i64().unwrap() - 86_400);
        let ring = KeyRing::builder().first_key(SigningKey::from_pem(pem.as_str()).unwrap()).clock(clock);
        let issuer = Issuer::builder(&service.url, &service.url, ring.build().unwrap()).build().unwrap();
        let token = AccessToken::new(claims["sub"].as_str().unwrap(), "web").session(claims["sid"].as_str().unwrap());
        issuer.mint(&token).await.unwrap()
    };
    browser.set_cookie("access_token", expired.as_str());
    let answer = browser.get("/api/users/me").await.expect_error(401, "invalid_token");
    assert_eq!(answer.json()["reason"], "expired");
    assert!(answer.cookies.is_empty(), "a refused access token leaves the cookies");
    browser.post_empty("/api/auth/logout").await.expect(200);

    // The refresh cookie is enough, and so is a valid access token.
    for name in ["access_token", "refresh_token"] {
        let mut browser = service.logged_in_again().await;
        let mut rest = browser.clone();
        rest.cookies.remove(name);
        let answer = rest.post_empty("/api/auth/logout").await.expect(200);
        assert_eq!(answer.cookies.len(), 3);
        browser.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    }
}

/// Another host of the same domain can add a cookie, but not choose which one counts.
#[tokio::test]
async fn two_refresh_cookies_count_as_none() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let twice = format!("{}; refresh_token=pcr1_of-an-attacker", browser.cookie("refresh_token"));
    let good = browser.cookie("refresh_token").to_owned();
    browser.set_cookie("refresh_token", &twice);
    let answer = browser.post_empty("/api/auth/refresh").await.expect_error(400, "no_refresh_token");
    assert!(answer.cookies.is_empty());
    browser.set_cookie("refresh_token", &good);
    browser.post_empty("/api/auth/refresh").await.expect(200);
}

#[tokio::test]
async fn sessions_and_keys_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let before_refresh = browser.clone();
    browser.post_empty("/api/auth/refresh").await.expect(200);
    let (keys, port) = (browser.get("/.well-known/jwks.json").await.text, service.port());
    service.stop().await;

    let mut same_port = settings(&folder);
    same_port.port = port;
    let service = Service::start(same_port).await;
    assert_eq!(browser.get("/.well-known/jwks.json").await.text, keys);
    browser.get("/api/users/me").await.expect(200);
    // A token in grace has the same successor as before, because the keys are the same.
    let mut late = before_refresh.clone();
    late.post_empty("/api/auth/refresh").await.expect(200);
    assert_eq!(late.cookie("refresh_token"), browser.cookie("refresh_token"));
    browser.post_empty("/api/auth/refresh").await.expect(200);
    service.stop().await;
}

/// Instances that share the database and the keys are one service.
#[tokio::test]
async fn two_instances_share_sessions_and_keys() {
    let folder = TempDir::new().unwrap();
    let with_url = || {
        let mut settings = settings(&folder);
        settings.public_url = Some("http://localhost:8000".to_owned());
        settings
    };
    let (one, other) = (Service::start(with_url()).await, Service::start(with_url()).await);
    let mut browser = one.logged_in().await;
    browser.move_to(&other.address);
    browser.get("/api/users/me").await.expect(200);
    browser.post_empty("/api/auth/refresh").await.expect(200);
    browser.move_to(&one.address);
    browser.get("/api/users/me").await.expect(200);
    browser.post_empty("/api/auth/logout").await.expect(200);
    browser.move_to(&other.address);
    browser.get("/api/users/me").await.expect(401);
}

#[tokio::test]
async fn native_client_gets_no_cookies() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let mut native = service.browser();
    native.fields = vec![("x-client", "native".to_owned())];
    let login = native.post("/api/auth/login", credentials()).await.expect(200);
    assert!(login.cookies.is_empty());
    let login = login.json();
    let token = login["refresh_token"].as_str().unwrap();
    assert_eq!(claims(login["access_token"].as_str().unwrap())["client_id"], "native");

    let body = json!({"refresh_token": token});
    let next = native.post("/api/auth/refresh", body).await.expect(200);
    assert!(next.cookies.is_empty());
    let next = next.json();
    assert_ne!(next["refresh_token"], token);
    native.fields.push(("authorization", format!("Bearer {}", next["access_token"].as_str().unwrap())));
    native.get("/api/users/me").await.expect(200);
    let sessions = native.get("/api/sessions").await.expect(200).json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    native.delete("/api/sessions/x").await.expect_error(404, "no_such_session");

    // The cookies of a browser do not count, and the body of a browser does not either.
    native.set_cookie("refresh_token", browser.cookie("refresh_token"));
    native.post_empty("/api/auth/refresh").await.expect_error(400, "no_refresh_token");
    native.cookies.clear();
    let kept = browser.cookies.remove("refresh_token").unwrap();
    let body = json!({"refresh_token": next["refresh_token"]});
    browser.post("/api/auth/refresh", body.clone()).await.expect_error(400, "no_refresh_token");
    browser.cookies.insert("refresh_token".to_owned(), kept);

    let answer = native.post("/api/auth/logout", body.clone()).await.expect(200);
    assert!(answer.cookies.is_empty());
    let answer = native.post("/api/auth/refresh", body).await.expect_error(401, "session_ended");
    assert!(answer.cookies.is_empty());
    browser.post_empty("/api/auth/refresh").await.expect(200);
}
