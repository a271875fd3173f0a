//! What each route refuses, and in which order it looks.

use std::num::NonZeroU32;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::proxy::Proxy;
use crate::service::{EMAIL, PASSWORD, Service, credentials, registration, settings};

#[tokio::test]
async fn existing_account_is_found_first() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    service.logged_in().await;
    for body in [
        registration(),
        json!({"email": "ADA@EXAMPLE.COM"}),
        json!({"email": EMAIL, "password": "a", "passwordConfirm": "b"}),
    ] {
        service.browser().post("/api/auth/register", body).await.expect_error(409, "user_exists");
    }
}

#[tokio::test]
async fn each_wrong_field_is_named() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let with = |name: &str, value: Value| {
        let mut body = registration();
        body[name] = value;
        body
    };
    for (body, expected) in [
        (json!({}), &["email", "name", "password"][..]),
        (with("password", "1234567".into()), &["password", "passwordConfirm"]),
        (with("passwordConfirm", "correct house".into()), &["passwordConfirm"]),
        (with("password", 12_345_678.into()), &["password", "passwordConfirm"]),
        (with("email", "ada".into()), &["email"]),
        (with("email", json!(["ada@example.com"])), &["email"]),
        (with("name", " ".into()), &["name"]),
        (with("name", "a".repeat(101).into()), &["name"]),
        (with("photo", "a".repeat(2001).into()), &["photo"]),
        (with("name", "a\0".into()), &["name"]),
        (with("email", "a\0@example.com".into()), &["email"]),
        (with("photo", "\0a.png".into()), &["photo"]),
    ] {
        let answer = service.browser().post("/api/auth/register", body).await.expect_error(400, "invalid_input");
        let json = answer.json();
        let fields: Vec<_> = json["fields"].as_object().unwrap().iter().collect();
        assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
        assert!(fields.iter().all(|(_, text)| text.as_str().unwrap().starts_with("Write ")), "{json}");
    }
    // Eight and 2000 characters, not bytes.
    service.browser().post("/api/auth/register", with("photo", "ä".repeat(2000).into())).await.expect(201);
    for (password, status) in [("pässwör", 400), ("pässwört", 201)] {
        let body = json!({"name": "A", "email": "a@example.com", "password": password, "passwordConfirm": password});
        service.browser().post("/api/auth/register", body).await.expect(status);
    }
}

/// PostgreSQL refuses statements with this character. What a client sends is never an error of the database.
#[tokio::test]
async fn nul_in_a_request_is_no_outage() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    for email in ["ada\0@example.com", "\0", "ada@example.com\0"] {
        let body = json!({"email": email, "password": PASSWORD});
        browser.post("/api/auth/login", body).await.expect_error(400, "invalid_credentials");
        let answer = browser.post("/api/auth/register", json!({"email": email})).await;
        assert!(answer.expect_error(400, "invalid_input").json()["fields"]["email"].is_string());
    }
    let mut body = credentials();
    body["label"] = "Fire\0fox".into();
    browser.post("/api/auth/login", body).await.expect(200);
    let sessions = browser.get("/api/sessions").await.expect(200).json();
    let current = sessions.as_array().unwrap().iter().find(|each| each["current"] == true).unwrap();
    assert_eq!(current["label"], "Firefox");
    for id in ["%00".to_owned(), format!("{}%00", current["id"].as_str().unwrap())] {
        browser.delete(&format!("/api/sessions/{id}")).await.expect_error(404, "no_such_session");
    }
    let change = json!({"currentPassword": PASSWORD, "password": "a\0 password", "passwordConfirm": "a\0 password"});
    browser.post("/api/auth/password", change).await.expect(200);
    let body = json!({"email": EMAIL, "password": "a\0 password"});
    service.browser().post("/api/auth/login", body).await.expect(200);

    let mut native = service.browser();
    native.fields = vec![("x-client", "native".to_owned())];
    let body = json!({"refresh_token": "pcr1_\0"});
    native.post("/api/auth/refresh", body).await.expect_error(401, "session_ended");
}

#[tokio::test]
async fn two_registrations_at_once_make_one_account() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let (mut one, mut other) = (service.browser(), service.browser());
    let (one, other) =
        tokio::join!(one.post("/api/auth/register", registration()), other.post("/api/auth/register", registration()));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn verification_is_checked_after_the_password() {
    let folder = TempDir::new().unwrap();
    let mut required = settings(&folder);
    required.require_verified = true;
    let service = Service::start(required).await;
    let mut browser = service.browser();
    browser.post("/api/auth/register", registration()).await.expect(201);
    let wrong = json!({"email": EMAIL, "password": "wrong horse"});
    browser.post("/api/auth/login", wrong).await.expect_error(400, "invalid_credentials");
    let answer = browser.post("/api/auth/login", credentials()).await.expect_error(401, "user_unverified");
    assert!(answer.cookies.is_empty());

    service.sql("UPDATE {}users SET verified = 1").await;
    browser.post("/api/auth/login", credentials()).await.expect(200);
    browser.get("/api/users/me").await.expect(200);
    service.sql("UPDATE {}users SET verified = 0").await;
    let answer = browser.get("/api/users/me").await.expect_error(401, "invalid_token");
    assert_eq!(answer.json()["reason"], "user_unverified");
    service.sql("DELETE FROM {}users").await;
    let answer = browser.get("/api/users/me").await.expect_error(401, "invalid_token");
    assert_eq!(answer.json()["reason"], "user_not_found");
}

#[tokio::test]
async fn attempts_are_limited() {
    let folder = TempDir::new().unwrap();
    let mut limited = settings(&folder);
    limited.attempts_per_minute = NonZeroU32::new(3).unwrap();
    let service = Service::start(limited).await;
    let mut browser = service.logged_in().await;
    let wrong = json!({"email": EMAIL, "password": "wrong horse"});
    browser.post("/api/auth/login", wrong).await.expect_error(400, "invalid_credentials");
    for path in ["/api/auth/login", "/api/auth/register", "/api/auth/password"] {
        let answer = browser.post(path, credentials()).await.expect_error(429, "rate_limited");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=21).contains(&seconds), "{seconds}");
        assert!(answer.cookies.is_empty());
    }
    // Nothing else is limited, and a page of another site cannot use up the attempts.
    browser.get("/api/users/me").await.expect(200);
    browser.post_empty("/api/auth/refresh").await.expect(200);
    browser.fields = vec![("origin", "https://evil.example".to_owned())];
    browser.post("/api/auth/login", credentials()).await.expect_error(403, "cross_site_request");
}

#[tokio::test]
async fn malformed_requests_get_json_errors() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.browser();
    let json_type = ("content-type", "application/json");
    let login = "/api/auth/login";
    for (method, path, field, body, status, code) in [
        (Method::GET, "/api/nothing", json_type, "", 404, "not_found"),
        (Method::GET, "/nothing", json_type, "", 404, "not_found"),
        (Method::DELETE, login, json_type, "", 405, "method_not_allowed"),
        (Method::GET, login, json_type, "", 405, "method_not_allowed"),
        (Method::GET, "/api/auth/refresh", json_type, "", 405, "method_not_allowed"),
        (Method::GET, "/api/auth/logout", json_type, "", 405, "method_not_allowed"),
        (Method::POST, login, json_type, "", 400, "invalid_json"),
        (Method::POST, login, json_type, "{", 400, "invalid_json"),
        (Method::POST, login, json_type, "[]", 400, "invalid_json"),
        (Method::POST, login, json_type, "{\"email\":\"\\ud800\"}", 400, "invalid_json"),
        (Method::POST, login, json_type, "{} {}", 400, "invalid_json"),
        (Method::POST, login, ("content-type", "text/plain"), "{}", 415, "unsupported_media_type"),
        (
            Method::POST,
            login,
            ("content-type", "application/x-www-form-urlencoded"),
            "email=a",
            415,
            "unsupported_media_type",
        ),
    ] {
        let send = |request: reqwest::RequestBuilder| request.header(field.0, field.1).body(body);
        let answer = browser.send(method.clone(), path, send).await;
        if status == 405 {
            assert_eq!(answer.header("allow"), "POST");
        }
        answer.expect_error(status, code);
    }
    let large = json!({"email": "a".repeat(16 * 1024)});
    browser.post(login, large).await.expect_error(413, "body_too_large");
}

#[tokio::test]
async fn missing_and_wrong_tokens_are_refused() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let logged_in = service.logged_in().await;
    let mut visitor = service.browser();
    visitor.post_empty("/api/auth/refresh").await.expect_error(400, "no_refresh_token");
    let answer = visitor.post_empty("/api/auth/logout").await.expect_error(401, "session_ended");
    assert_eq!(answer.cookies.len(), 3, "what is left of a session is deleted");
    for path in ["/api/users/me", "/api/sessions"] {
        visitor.get(path).await.expect_error(401, "missing_token");
    }
    visitor.delete("/api/sessions/x").await.expect_error(401, "missing_token");
    visitor.post("/api/auth/password", json!({})).await.expect_error(401, "missing_token");

    let (access, refresh) = (logged_in.cookie("access_token"), logged_in.cookie("refresh_token"));
    // Each differs from the good token, whichever characters that ends with.
    let forged = format!("{}{}", &refresh[..refresh.len() - 1], if refresh.ends_with('A') { "B" } else { "A" });
    let tampered = format!("{}{}", &access[..access.len() - 4], if access.ends_with("AAAA") { "EEEE" } else { "AAAA" });
    let of_another_service = {
        let folder = TempDir::new().unwrap();
        let other = Service::start(settings(&folder)).await;
        other.logged_in().await.cookie("access_token").to_owned()
    };
    for (cookie, reason) in [
        (refresh, "not_compact_jws"),
        ("a.b.c", "malformed"),
        (&tampered, "bad_signature"),
        (&of_another_service, "unknown_key"),
    ] {
        visitor.set_cookie("access_token", cookie);
        let answer = visitor.get("/api/users/me").await.expect_error(401, "invalid_token");
        assert_eq!(answer.json()["reason"], reason, "{cookie}");
    }
    for cookie in [access, "x", &forged] {
        visitor.set_cookie("refresh_token", cookie);
        visitor.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    }
}

/// A database that is down is never a reason to let a request in, to end a session or to delete cookies.
#[tokio::test]
async fn outage_is_503_and_keeps_the_cookies() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    // With Redis, the connections to it break.
    let redis = match &mut settings.redis_url {
        Some(url) => Some(Proxy::start(url).await),
        None => None,
    };
    let service = Service::start(settings).await;
    let mut browser = service.logged_in().await;
    match &redis {
        Some(proxy) => proxy.interrupt(),
        None => service.sql("ALTER TABLE {}portcullis_sessions RENAME TO {}gone").await,
    }
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        let answer = browser.post_empty(path).await.expect_error(503, "temporarily_unavailable");
        assert!(answer.cookies.is_empty());
        assert_eq!(answer.header("retry-after"), "1");
    }
    browser.get("/api/users/me").await.expect_error(503, "temporarily_unavailable");
    browser.post("/api/auth/login", credentials()).await.expect_error(503, "temporarily_unavailable");
    match &redis {
        Some(proxy) => proxy.go_on().await,
        None => service.sql("ALTER TABLE {}gone RENAME TO {}portcullis_sessions").await,
    }
    service.sql("ALTER TABLE {}users RENAME TO {}gone").await;
    browser.get("/api/users/me").await.expect_error(503, "temporarily_unavailable");
    browser.post("/api/auth/login", json!({"email": EMAIL, "password": PASSWORD})).await.expect(503);
    service.sql("ALTER TABLE {}gone RENAME TO {}users").await;
    browser.post_empty("/api/auth/refresh").await.expect(200);
    browser.get("/api/users/me").await.expect(200);
}
