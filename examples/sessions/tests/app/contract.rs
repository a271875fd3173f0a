//! What each route answers when all is well: status, body and cookies.

use serde_json::json;
use tempfile::TempDir;

use crate::service::{PASSWORD, Service, credentials, registration, settings};

#[tokio::test]
async fn register_answers_the_user() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut body = registration();
    body["email"] = " ADA@Example.com".into();
    let answer = service.browser().post("/api/auth/register", body).await.expect(201);
    let user = answer.json();
    assert_eq!(user.as_object().unwrap().len(), 7);
    let start = r#"{"id":1,"name":"Ada","email":"ada@example.com","photo":"ada.png","role":"user","created_at":""#;
    assert!(answer.text.starts_with(start) && answer.text.contains(r#"Z","updated_at":""#), "{}", answer.text);
    assert!(answer.cookies.is_empty(), "an account is made, and no session");
    assert_eq!(answer.header("cache-control"), "no-store");

    let mut body = registration();
    body["email"] = "grace@example.com".into();
    body.as_object_mut().unwrap().remove("photo");
    let user = service.browser().post("/api/auth/register", body).await.expect(201).json();
    assert_eq!((&user["id"], &user["photo"]), (&json!(2), &json!(null)));
}

#[tokio::test]
async fn login_and_refresh_set_the_cookies() {
    let http = ["access_token", "refresh_token", "logged_in"];
    let https = ["__Host-access_token", "__Secure-refresh_token", "__Host-logged_in"];
    for (public_url, [access, refresh, flag], secure) in
        [(None, http, ""), (Some("https://app.example.com"), https, " Secure;")]
    {
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&folder);
        settings.public_url = public_url.map(str::to_owned);
        let service = Service::start(settings).await;
        let mut browser = service.browser();
        browser.post("/api/auth/register", registration()).await.expect(201);
        for path in ["/api/auth/login", "/api/auth/refresh"] {
            let answer = match path {
                "/api/auth/login" => browser.post(path, credentials()).await,
                _ => browser.post_empty(path).await,
            };
            let token = answer.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(answer.text, format!(r#"{{"status":"success","access_token":"{token}"}}"#));
            assert_eq!(answer.status, 200);
            let refresh_token = browser.cookie(refresh);
            // What is left of the session, which began before this response.
            let left: u32 = answer.cookies[1].rsplit('=').next().unwrap().parse().unwrap();
            assert!((604_740..=604_800).contains(&left), "{left}");
            assert_eq!(
                answer.cookies,
                [
                    format!("{access}={token}; HttpOnly; SameSite=Lax;{secure} Path=/; Max-Age=900"),
                    format!(
                        "{refresh}={refresh_token}; HttpOnly; SameSite=Lax;{secure} Path=/api/auth; Max-Age={left}"
                    ),
                    format!("{flag}=true; SameSite=Lax;{secure} Path=/; Max-Age={left}"),
                ]
            );
            browser.get("/api/users/me").await.expect(200);
        }
        let answer = browser.post_empty("/api/auth/logout").await.expect(200);
        assert_eq!(answer.text, r#"{"status":"success"}"#);
        for (field, start, path) in [
            (&answer.cookies[0], format!("{access}=;"), "; Path=/;"),
            (&answer.cookies[1], format!("{refresh}=;"), "; Path=/api/auth;"),
            (&answer.cookies[2], format!("{flag}=;"), "; Path=/;"),
        ] {
            assert!(field.starts_with(&start) && field.contains(path) && field.contains("Max-Age=0;"), "{field}");
            assert_eq!(field.contains("Secure"), public_url.is_some(), "{field}");
        }
        assert!(browser.cookies.is_empty());
    }
}

#[tokio::test]
async fn access_token_names_session_and_login() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let sessions = browser.get("/api/sessions").await.expect(200).json();
    let claims = crate::service::claims(browser.cookie("access_token"));
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!("1"), &sessions[0]["id"]), "the id is a text in tokens");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(service.url), &json!(service.url)));
    assert_eq!((&claims["client_id"], &claims["amr"]), (&json!("web"), &json!(["pwd"])));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 900);
    let since_login = claims["iat"].as_i64().unwrap() - claims["auth_time"].as_i64().unwrap();
    assert!((0..60).contains(&since_login), "{since_login}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut first = service.logged_in().await;
    let mut second = service.browser();
    let mut body = credentials();
    body["label"] = "Firefox on Linux".into();
    second.post("/api/auth/login", body).await.expect(200);

    let sessions = second.get("/api/sessions").await.expect(200).json();
    let members: Vec<_> = sessions[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["created_at", "current", "expires_at", "id", "label", "last_used_at"]);
    let labels: Vec<_> = sessions.as_array().unwrap().iter().map(|each| (&each["label"], &each["current"])).collect();
    assert!(labels.contains(&(&json!("Firefox on Linux"), &json!(true))), "{sessions}");
    assert!(labels.contains(&(&json!(null), &json!(false))), "{sessions}");

    let of_first = sessions.as_array().unwrap().iter().find(|each| each["current"] == false).unwrap();
    let path = format!("/api/sessions/{}", of_first["id"].as_str().unwrap());
    assert_eq!(second.delete(&path).await.expect(204).text, "");
    for path in [path.as_str(), "/api/sessions/%FF"] {
        second.delete(path).await.expect_error(404, "no_such_session");
    }
    let answer = first.get("/api/users/me").await.expect_error(401, "invalid_token");
    assert_eq!(answer.json()["reason"], "revoked");
    first.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    second.get("/api/users/me").await.expect(200);

    // The caller cannot end the session of another user.
    let mut other = service.browser();
    let mut body = registration();
    body["email"] = "grace@example.com".into();
    other.post("/api/auth/register", body).await.expect(201);
    other.post("/api/auth/login", json!({"email": "grace@example.com", "password": PASSWORD})).await.expect(200);
    let of_second = second.get("/api/sessions").await.json()[0]["id"].as_str().unwrap().to_owned();
    other.delete(&format!("/api/sessions/{of_second}")).await.expect_error(404, "no_such_session");
    second.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn new_password_ends_the_other_sessions() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut here = service.logged_in().await;
    let mut elsewhere = service.browser();
    elsewhere.post("/api/auth/login", credentials()).await.expect(200);

    let change = |current: &str, password: &str, confirm: &str| json!({"currentPassword": current, "password": password, "passwordConfirm": confirm});
    let path = "/api/auth/password";
    here.post(path, change("wrong horse", "new password", "new password"))
        .await
        .expect_error(400, "invalid_credentials");
    let answer = here.post(path, change("wrong horse", "short", "other")).await.expect_error(400, "invalid_input");
    let fields: Vec<_> = answer.json()["fields"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["password", "passwordConfirm"]);
    elsewhere.get("/api/users/me").await.expect(200);

    let answer = here.post(path, change(PASSWORD, "new password", "new password")).await.expect(200);
    assert_eq!(answer.text, r#"{"status":"success"}"#);
    here.get("/api/users/me").await.expect(200);
    here.post_empty("/api/auth/refresh").await.expect(200);
    elsewhere.get("/api/users/me").await.expect(401);
    elsewhere.post_empty("/api/auth/refresh").await.expect_error(401, "session_ended");
    service.browser().post("/api/auth/login", credentials()).await.expect_error(400, "invalid_credentials");
    let body = json!({"email": "ada@example.com", "password": "new password"});
    service.browser().post("/api/auth/login", body).await.expect(200);
}

#[tokio::test]
async fn public_routes_answer() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut visitor = service.browser();
    visitor.fields.clear();
    assert_eq!(visitor.get("/api/healthchecker").await.expect(200).json()["status"], "success");
    let keys = visitor.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(
        (&keys.json()["keys"][0]["alg"], keys.header("cache-control")),
        (&json!("ES256"), "public, max-age=300")
    );
    let metadata = visitor.get("/.well-known/openid-configuration").await.expect(200).json();
    assert_eq!(metadata["issuer"], service.url);
    assert_eq!(metadata["jwks_uri"], format!("{}/.well-known/jwks.json", service.url));
}

/// Scripts and styles come from files of the service. An injected script does not run.
#[tokio::test]
async fn page_has_a_strict_policy() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    for (path, media_type) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let answer = service.browser().get(path).await.expect(200);
        assert_eq!(answer.header("content-type"), format!("{media_type}; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        let policy = answer.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.split("; ").any(|directive| directive == part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let html = service.browser().get("/").await.text;
    for inline in ["<style", " style=", "onclick", "onload", "onsubmit", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    for script in html.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains(" src=\"/"), "{script}");
    }
}
