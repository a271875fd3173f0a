//! Requests that other sites cause, and the front end that may.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::service::{PASSWORD, Service, credentials, settings};

/// How browsers describe the requests that a page of another site can cause.
const OTHER_SITES: [(&str, &[(&str, &str)]); 7] = [
    ("a script", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]),
    ("a form", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
    ("a sandboxed frame", &[("origin", "null"), ("sec-fetch-site", "cross-site")]),
    ("another host of the site", &[("origin", "https://other.localhost"), ("sec-fetch-site", "same-site")]),
    ("an old browser", &[("origin", "https://evil.example")]),
    ("a link or an image", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
    ("a request without origin", &[]),
];

#[tokio::test]
async fn other_sites_change_nothing() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    let session = browser.get("/api/sessions").await.json()[0]["id"].as_str().unwrap().to_owned();
    let own = browser.fields.clone();
    for (what, fields) in OTHER_SITES {
        browser.fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        for (path, body) in [
            ("/api/auth/refresh", json!({})),
            ("/api/auth/logout", json!({})),
            ("/api/auth/login", credentials()),
            ("/api/auth/register", json!({"email": "evil@example.com"})),
            (
                "/api/auth/password",
                json!({"currentPassword": PASSWORD, "password": "evil password", "passwordConfirm": "evil password"}),
            ),
        ] {
            let answer = browser.post(path, body).await;
            assert_eq!(answer.status, 403, "{what} {path}: {}", answer.text);
            let answer = answer.expect_error(403, "cross_site_request");
            assert!(answer.cookies.is_empty(), "{what} {path}");
        }
        browser.delete(&format!("/api/sessions/{session}")).await.expect_error(403, "cross_site_request");
        // GET changes nothing.
        for path in ["/api/auth/refresh", "/api/auth/logout"] {
            browser.get(path).await.expect_error(405, "method_not_allowed");
        }
    }
    // Login without any cookie: a page could log its visitors into its own account.
    let mut visitor = service.browser();
    visitor.fields = vec![("origin", "https://evil.example".to_owned())];
    visitor.post("/api/auth/login", credentials()).await.expect_error(403, "cross_site_request");
    // No form can send JSON, and no page can claim to be native.
    browser.fields.push(("x-client", "native".to_owned()));
    browser.fields.push(("origin", "https://evil.example".to_owned()));
    browser.post_empty("/api/auth/refresh").await.expect_error(403, "cross_site_request");

    browser.fields = own;
    browser.get("/api/users/me").await.expect(200);
    browser.post_empty("/api/auth/refresh").await.expect(200);
    assert_eq!(browser.get("/api/sessions").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn origin_or_fetch_metadata_is_enough() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let mut browser = service.logged_in().await;
    for fields in [
        vec![("origin", service.url.clone())],
        vec![("sec-fetch-site", "same-origin".to_owned())],
        vec![("origin", service.url.clone()), ("sec-fetch-site", "same-origin".to_owned())],
    ] {
        browser.fields = fields;
        browser.post_empty("/api/auth/refresh").await.expect(200);
        browser.delete("/api/sessions/x").await.expect_error(404, "no_such_session");
    }
}

/// A header field needs no protection, because no page of another site can set it.
#[tokio::test]
async fn bearer_token_needs_no_origin() {
    let folder = TempDir::new().unwrap();
    let service = Service::start(settings(&folder)).await;
    let logged_in = service.logged_in().await;
    let mut client = service.browser();
    client.fields = vec![("authorization", format!("Bearer {}", logged_in.cookie("access_token")))];
    client.get("/api/users/me").await.expect(200);
    client.delete("/api/sessions/x").await.expect_error(404, "no_such_session");
}

#[tokio::test]
async fn front_end_of_another_origin_may_use_cookies() {
    const CLIENT: &str = "https://app.example.com";
    // Browsers send it in lowercase, and without the default port.
    for setting in [CLIENT, "https://APP.example.com:443/"] {
        let folder = TempDir::new().unwrap();
        let mut with_client = settings(&folder);
        with_client.client_origin = Some(setting.to_owned());
        let service = Service::start(with_client).await;
        let mut browser = service.browser();
        browser.fields = vec![("origin", CLIENT.to_owned()), ("sec-fetch-site", "cross-site".to_owned())];
        let preflight = |request: reqwest::RequestBuilder| {
            request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type")
        };
        let answer = browser.send(Method::OPTIONS, "/api/auth/login", preflight).await.expect(200);
        for (name, value) in [
            ("access-control-allow-origin", CLIENT),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST,DELETE"),
            ("access-control-allow-headers", "authorization,content-type"),
        ] {
            assert_eq!(answer.header(name), value, "{setting}");
        }
        browser.post("/api/auth/register", crate::service::registration()).await.expect(201);
        browser.post("/api/auth/login", credentials()).await.expect(200);
        // The page may read refusals too.
        for path in ["/api/users/me", "/api/nothing"] {
            let answer = browser.get(path).await;
            assert_eq!(answer.header("access-control-allow-origin"), CLIENT, "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
        }
        browser.post_empty("/api/auth/refresh").await.expect(200);

        browser.fields =
            vec![("origin", "https://evil.example".to_owned()), ("sec-fetch-site", "cross-site".to_owned())];
        let answer = browser.send(Method::OPTIONS, "/api/auth/login", preflight).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none_or(|origin| origin == CLIENT));
        let answer = browser.get("/api/users/me").await.expect(200);
        assert!(answer.headers.get("access-control-allow-origin").is_none_or(|origin| origin == CLIENT));
    }
}
