//! Sessions over HTTP on both frameworks: the first protected route, and attacks on cookies, pages and tokens.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod api_keys;
mod attacks;
mod browser;
#[path = "../../docs/first_api_key_route_actix.rs"]
mod first_api_key_route_actix;
#[path = "../../docs/first_api_key_route_axum.rs"]
mod first_api_key_route_axum;
#[path = "../../docs/first_route_actix.rs"]
mod first_route_actix;
#[path = "../../docs/first_route_axum.rs"]
mod first_route_axum;
mod refreshes;
mod services;
#[path = "../../../../tests/issuing/serving.rs"]
mod serving;

use crate::browser::{Answer, Browser};
use crate::serving::{ActixServer, serve_axum};

/// The programs that the documentation shows.
#[test]
fn first_route_takes_at_most_thirty_lines() {
    for program in [include_str!("../../docs/first_route_actix.rs"), include_str!("../../docs/first_route_axum.rs")] {
        assert!(program.lines().count() <= 30, "{}", program.lines().count());
    }
}

#[tokio::test]
async fn first_route_on_axum_has_login_refresh_and_logout() {
    let (url, server) = serve_axum(|url| first_route_axum::app(url).unwrap()).await;
    lives_through_a_session(&url).await;
    server.abort();
}

#[tokio::test]
async fn first_route_on_actix_has_login_refresh_and_logout() {
    let server = ActixServer::start(|url| {
        let (issuer, web) = first_route_actix::service(url).unwrap();
        move |app: &mut _| first_route_actix::configure(app, &issuer, &web)
    });
    lives_through_a_session(server.url()).await;
}

/// What a browser and a native client see from the login to the logout.
async fn lives_through_a_session(url: &str) {
    let mut browser = Browser::new(url);
    assert_eq!(browser.get("/me").await.status, 401);
    let login = browser.post("/auth/login").await;
    assert_eq!((login.status, login.member("status").as_str()), (200, "success"));
    let token = login.member("access_token");
    assert!(!login.body.contains("refresh_token"), "{}", login.body);
    assert_eq!(login.header("cache-control"), Some("no-store"));
    let first = browser.cookie("refresh_token").unwrap();
    assert_eq!(browser.cookie("logged_in").as_deref(), Some("true"));

    // The same token, from cookie and header.
    let me = browser.get("/me").await;
    assert_eq!((me.status, me.body.as_str()), (200, "user-1"));
    let header = [("authorization", format!("Bearer {token}"))];
    assert_eq!(Browser::new(url).send("GET", "/me", &header, "").await.status, 200);

    assert_eq!(browser.post("/auth/refresh").await.status, 200);
    assert_ne!(browser.cookie("refresh_token").unwrap(), first);
    assert_eq!(browser.get("/me").await.status, 200);

    // The refresh cookie is enough for a logout.
    browser.forget("access_token");
    let logout = browser.post("/auth/logout").await;
    assert_eq!((logout.status, logout.body.as_str()), (200, r#"{"status":"success"}"#));
    assert_eq!([browser.cookie("refresh_token"), browser.cookie("logged_in")], [None, None]);
    assert_eq!(Browser::new(url).send("GET", "/me", &header, "").await.code(), "invalid_token revoked");
    assert_eq!(browser.post("/auth/refresh").await.code(), "no_refresh_token");
    assert_eq!(browser.post("/auth/logout").await.code(), "session_ended");

    let native = [("x-client", "native".to_owned())];
    let login = Browser::new(url).send("POST", "/auth/login", &native, "").await;
    assert!(login.cookies().is_empty(), "{login:?}");
    let body = format!(r#"{{"refresh_token":"{}"}}"#, login.member("refresh_token"));
    let refresh = Browser::new(url).send("POST", "/auth/refresh", &native, &body).await;
    assert_eq!((refresh.status, refresh.cookies().len()), (200, 0));
    let body = format!(r#"{{"refresh_token":"{}"}}"#, refresh.member("refresh_token"));
    assert_eq!(Browser::new(url).send("POST", "/auth/logout", &native, &body).await.status, 200);
    let ended = Browser::new(url).send("POST", "/auth/refresh", &native, &body).await;
    assert_eq!((ended.code().as_str(), ended.cookies().len()), ("session_ended", 0));

    // Without a refresh token, the access token says which session ends.
    let mut browser = Browser::new(url);
    browser.post("/auth/login").await;
    browser.forget("refresh_token");
    assert_eq!(browser.post("/auth/logout").await.status, 200);
    let Answer { status, .. } = browser.get("/auth/logout").await;
    assert!(matches!(status, 404 | 405), "{status}");
}
