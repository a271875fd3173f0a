//! Attacks on a signed-in user, the same rows against a server on Axum and one on Actix Web.

use std::sync::atomic::Ordering;

use portcullis_issuer::{Issuer, KeyRing};

use crate::browser::{Answer, Browser};
use crate::services::{Service, on_actix, on_axum};
use crate::serving::{ActixServer, serve_axum};

/// A request, and the status and code with which it is refused.
struct Attack {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    fields: Vec<(&'static str, String)>,
    expected: (u16, &'static str),
}

#[tokio::test]
async fn requests_from_other_sites_are_refused() {
    run(async |url, service| {
        let mut victim = signed_in(&url).await;
        for attack in cross_site(&victim).into_iter().chain(login_from_other_sites()) {
            let answer = is_refused(&url, &attack).await;
            assert_eq!(answer.cookies(), [""; 0], "{}", attack.name);
        }
        // No attack reached the handler or ended the session, and the user's own page still works.
        assert_eq!(service.orders.load(Ordering::SeqCst), 0);
        assert_eq!(victim.get("/me").await.status, 200);
        assert_eq!(victim.post("/orders").await.body, "order 1");
        assert_eq!(victim.post("/auth/logout").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn stolen_cookies_open_nothing_after_their_end() {
    run(async |url, _| {
        let mut victim = signed_in(&url).await;
        let (access, used) = (victim.cookie("access_token").unwrap(), victim.cookie("refresh_token").unwrap());
        for _ in 0..2 {
            assert_eq!(victim.post("/auth/refresh").await.status, 200);
        }
        // A page of another site, and a thief who does not know that a page is needed.
        let cookie = format!("access_token={access}; refresh_token={used}");
        for page in [vec![], vec![("origin", "https://evil.example".to_owned())]] {
            for path in ["/orders", "/auth/refresh", "/auth/logout"] {
                let fields = [&page[..], &[("cookie", cookie.clone())]].concat();
                let answer = Browser::new(&url).send("POST", path, &fields, "").await;
                assert_eq!((answer.status, answer.code().as_str()), (403, "cross_site_request"), "{path} {page:?}");
            }
        }
        assert_eq!(victim.get("/me").await.status, 200);
        // A thief who does: the used token ends the session of both.
        let own = |cookie: &str| vec![("origin", url.clone()), ("cookie", cookie.to_owned())];
        let answer = Browser::new(&url).send("POST", "/auth/refresh", &own(&cookie), "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "session_ended"));
        assert!(answer.cookies().iter().all(|cookie| cookie.contains("Max-Age=0")), "{answer:?}");
        let access = format!("access_token={}", victim.cookie("access_token").unwrap());
        for (method, path) in [("GET", "/me"), ("POST", "/orders")] {
            let answer = Browser::new(&url).send(method, path, &own(&access), "").await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token revoked"), "{path}");
        }
        assert_eq!(victim.post("/auth/refresh").await.code(), "session_ended");
        assert_eq!(victim.cookies(), "");
        // A stolen access cookie ends with the logout of its user.
        let mut victim = signed_in(&url).await;
        let access = format!("access_token={}", victim.cookie("access_token").unwrap());
        assert_eq!(Browser::new(&url).send("GET", "/me", &own(&access), "").await.status, 200);
        victim.post("/auth/logout").await;
        let answer = Browser::new(&url).send("GET", "/me", &own(&access), "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token revoked"));
    })
    .await;
}

#[tokio::test]
async fn expired_wrong_and_forged_tokens_are_refused() {
    run(async |url, service| {
        let mut victim = signed_in(&url).await;
        for attack in tokens(&url, &victim, &service).await {
            let answer = is_refused(&url, &attack).await;
            // Cookies are deleted only when the session has ended.
            let is_deleted = attack.expected.1 == "session_ended";
            let deleted = answer.cookies().iter().filter(|cookie| cookie.contains("Max-Age=0")).count();
            assert_eq!((deleted, answer.cookies().len()), if is_deleted { (3, 3) } else { (0, 0) }, "{}", attack.name);
        }
        assert_eq!(service.orders.load(Ordering::SeqCst), 0);
        assert_eq!(victim.post("/auth/refresh").await.status, 200);
    })
    .await;
}

/// Another site's page, form, image and link. Browsers leave out `SameSite=Lax` cookies in most of these; here they are sent
/// anyway, as from a browser without that, or from another host of the same site.
fn cross_site(victim: &Browser) -> Vec<Attack> {
    let cookies = victim.cookies();
    let attack = |name, method, path, fields: &[(&'static str, &str)]| {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let fields = fields.chain([("cookie", cookies.clone())]).collect();
        Attack { name, method, path, fields, expected: (403, "cross_site_request") }
    };
    const EVIL: (&str, &str) = ("origin", "https://evil.example");
    const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");
    let kind = |mode: &'static str, dest: &'static str| [("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
    let [script, form, image] = [kind("cors", "empty"), kind("navigate", "document"), kind("no-cors", "image")];
    let with = |page: &[(&'static str, &'static str)], kind: [(&'static str, &'static str); 2]| [page, &kind].concat();
    let mut attacks = Vec::new();
    for path in ["/orders", "/auth/refresh", "/auth/logout"] {
        attacks.extend([
            attack("script", "POST", path, &with(&[EVIL, CROSS_SITE], script)),
            attack("script without Fetch Metadata", "POST", path, &[EVIL]),
            attack("script in a sandbox", "POST", path, &with(&[("origin", "null"), CROSS_SITE], script)),
            attack(
                "script of another host of the site",
                "POST",
                path,
                &[("origin", "http://other.localhost"), ("sec-fetch-site", "same-site")],
            ),
            attack("form", "POST", path, &with(&[EVIL, CROSS_SITE], form)),
            attack("form in a sandbox", "POST", path, &with(&[("origin", "null"), CROSS_SITE], form)),
            attack("form without Origin", "POST", path, &with(&[CROSS_SITE], form)),
            attack("form of an old browser", "POST", path, &[]),
            attack("form that names GET", "POST", path, &[EVIL, ("x-http-method-override", "GET")]),
            attack("two origins", "POST", path, &[EVIL, EVIL]),
        ]);
    }
    attacks.extend([
        // A request that changes something is not sent with GET, and routes for sessions that do are protected.
        attack("image", "GET", "/auth/logout", &with(&[CROSS_SITE], image)),
        attack("link", "GET", "/auth/logout", &with(&[CROSS_SITE], form)),
        attack("link of an old browser", "GET", "/auth/logout", &[]),
        attack("typed address", "GET", "/auth/logout", &with(&[("sec-fetch-site", "none")], form)),
        attack("link on the same page", "GET", "/auth/logout", &with(&[("sec-fetch-site", "same-origin")], form)),
        attack("WebSocket", "GET", "/me", &[EVIL, ("upgrade", "websocket"), ("sec-websocket-version", "13")]),
        attack("cookies with the field of native clients", "POST", "/orders", &[("x-client", "native")]),
    ]);
    attacks
}

/// Another site logs its visitors into an account of the attacker. There is no cookie yet.
fn login_from_other_sites() -> Vec<Attack> {
    let attack = |name, fields: &[(&'static str, &str)]| {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Attack { name, method: "POST", path: "/auth/login", fields, expected: (403, "cross_site_request") }
    };
    const EVIL: (&str, &str) = ("origin", "https://evil.example");
    const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");
    vec![
        attack("login by script", &[EVIL, CROSS_SITE]),
        attack("login by form", &[EVIL, CROSS_SITE, ("content-type", "application/x-www-form-urlencoded")]),
        attack("login by form in a sandbox", &[("origin", "null")]),
        attack("login by form without Origin", &[CROSS_SITE]),
        attack("login without page", &[]),
        attack("login by a page that calls itself native", &[EVIL, ("x-client", "native")]),
        attack("login by a page without Origin that calls itself native", &[CROSS_SITE, ("x-client", "native")]),
    ]
}

/// Expired, wrong and forged tokens, from the user's own page and from the header.
async fn tokens(url: &str, victim: &Browser, service: &Service) -> Vec<Attack> {
    let other = Issuer::builder(url, url, KeyRing::builder().build().unwrap()).build().unwrap();
    let forged = other.mint(&portcullis_issuer::AccessToken::new("user-1", "web").session("s")).await.unwrap();
    let access = victim.cookie("access_token").unwrap();
    let refresh = victim.cookie("refresh_token").unwrap();
    let (header, rest) = access.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    // `{"alg":"none","typ":"at+jwt"}` and `{"alg":"ES256"}`, and a payload of another user.
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.");
    let untyped = format!("eyJhbGciOiJFUzI1NiJ9.{payload}.{signature}");
    let changed = format!("{header}.{}.{signature}", forged.as_str().split('.').nth(1).unwrap());
    let expired = service.expired_access_token().await;
    let mut attacks = Vec::new();
    for (name, token, expected) in [
        ("expired access token", expired.as_str(), "invalid_token expired"),
        ("access token of another key", forged.as_str(), "invalid_token unknown_key"),
        ("access token without signature", &unsigned, "invalid_token algorithm_not_allowed"),
        ("token of another type", &untyped, "invalid_token wrong_type"),
        ("access token with another payload", &changed, "invalid_token bad_signature"),
        ("refresh token as access token", &refresh, "invalid_token not_compact_jws"),
        ("anything", "abc", "invalid_token not_compact_jws"),
    ] {
        for (method, path) in [("GET", "/me"), ("POST", "/orders")] {
            for credential in
                [("cookie", format!("access_token={token}")), ("authorization", format!("Bearer {token}"))]
            {
                let fields = vec![("origin", url.to_owned()), credential];
                attacks.push(Attack { name, method, path, fields, expected: (401, expected) });
            }
        }
    }
    let expired = service.expired_refresh_token().await;
    // Another family, which no session has.
    let unknown = format!("pcr1_{}", "A".repeat(refresh.len() - 5));
    for (name, cookie, expected) in [
        ("expired refresh token", format!("refresh_token={expired}"), (401, "session_ended")),
        ("access token as refresh token", format!("refresh_token={access}"), (401, "session_ended")),
        ("made-up refresh token", format!("refresh_token={unknown}"), (401, "session_ended")),
        ("text as refresh token", "refresh_token=abc".to_owned(), (401, "session_ended")),
        ("refresh token under another name", format!("access_token={refresh}"), (400, "no_refresh_token")),
        ("two refresh tokens", format!("refresh_token={refresh}; refresh_token=abc"), (400, "no_refresh_token")),
        ("only the flag", "logged_in=true".to_owned(), (400, "no_refresh_token")),
    ] {
        let fields = vec![("origin", url.to_owned()), ("cookie", cookie)];
        attacks.push(Attack { name, method: "POST", path: "/auth/refresh", fields, expected });
    }
    for (name, cookie, expected) in [
        ("only the flag", "logged_in=true".to_owned(), (401, "missing_token")),
        ("only the refresh token", format!("refresh_token={refresh}"), (401, "missing_token")),
        ("two access tokens", format!("access_token={access}; access_token=abc"), (400, "invalid_request")),
        ("name of https", format!("__Host-access_token={access}"), (401, "missing_token")),
    ] {
        let fields = vec![("origin", url.to_owned()), ("cookie", cookie)];
        attacks.push(Attack { name, method: "POST", path: "/orders", fields, expected });
    }
    attacks
}

async fn is_refused(url: &str, attack: &Attack) -> Answer {
    let answer = Browser::new(url).send(attack.method, attack.path, &attack.fields, "").await;
    let found = (answer.status, answer.code());
    let expected = (attack.expected.0, attack.expected.1.to_owned());
    assert_eq!(found, expected, "{}: {} {}", attack.name, attack.method, attack.path);
    answer
}

async fn signed_in(url: &str) -> Browser {
    let mut browser = Browser::new(url);
    assert_eq!(browser.post("/auth/login").await.status, 200);
    browser
}

/// Runs `attacks` against both frameworks.
async fn run(attacks: impl AsyncFn(String, Service)) {
    let mut made = None;
    let (url, server) = serve_axum(|url| {
        let service = made.insert(Service::new(url));
        on_axum::app(service)
    })
    .await;
    attacks(url, made.unwrap()).await;
    server.abort();

    let mut made = None;
    let server = ActixServer::start(|url| {
        let service = made.insert(Service::new(url)).clone();
        move |app: &mut _| on_actix::configure(app, &service)
    });
    attacks(server.url().to_owned(), made.unwrap()).await;
}
