//! Refreshes while the signing key is unavailable, and by GET, on both frameworks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::async_trait;
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use portcullis_issuer::{Issuer, KeyRing, SignError, Signer, SigningKey};
use portcullis_sessions::{AuthFacts, Client, MemoryStore, Sessions, SuccessorKeys, WebSessions};

use crate::browser::{Answer, Browser};
use crate::serving::{ActixServer, serve_axum};

/// A key that the test takes away.
#[derive(Debug)]
struct RemoteKey {
    key: SigningKey,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl Signer for RemoteKey {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> Arc<VerifyingKey> {
        self.key.public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(SignError::new("the vault is sealed"));
        }
        self.key.sign(message).await
    }
}

#[tokio::test]
async fn refresh_without_signing_key_hands_over_the_next_token() {
    let is_down = Arc::new(AtomicBool::new(false));
    let (key, down) = (SigningKey::generate(Algorithm::Es256).unwrap(), is_down.clone());
    let ring = KeyRing::builder().build_with(Arc::new(RemoteKey { key, is_down: down })).await.unwrap();
    on_both(
        &ring,
        |web| web,
        async |url, web| {
            let first = begin(&web).await;
            is_down.store(true, Ordering::SeqCst);
            let answer = refresh_in_browser(&url, &first, "POST", "same-origin").await;
            assert_eq!((answer.status, answer.code().as_str()), (503, "temporarily_unavailable"));
            assert!(answer.header("retry-after").is_some() && !answer.body.contains("refresh_token"), "{answer:?}");
            let cookies = answer.cookies();
            assert!(cookies.len() == 2 && cookies[1].starts_with("logged_in=true; "), "{cookies:?}");
            let second = refresh_cookie(&answer);
            let answer = refresh_in_native_client(&url, &second).await;
            assert_eq!((answer.status, answer.code().as_str()), (503, "temporarily_unavailable"));
            assert_eq!((answer.cookies().len(), answer.header("content-type")), (0, Some("application/json")));
            let third = answer.member("refresh_token");
            is_down.store(false, Ordering::SeqCst);

            // There is no grace, so only the handed over token continues the session.
            let answer = refresh_in_browser(&url, &third, "POST", "same-origin").await;
            assert_eq!((answer.status, answer.cookies().len()), (200, 3));
            assert_eq!(refresh_in_native_client(&url, &refresh_cookie(&answer)).await.status, 200);
            assert_eq!(refresh_in_native_client(&url, &second).await.code(), "session_ended");
        },
    )
    .await;
}

#[tokio::test]
async fn get_refreshes_only_after_the_switch_and_from_the_same_origin() {
    let ring = KeyRing::builder().build().unwrap();
    on_both(
        &ring,
        |web| web,
        async |url, web| {
            let token = begin(&web).await;
            let answer = refresh_in_browser(&url, &token, "GET", "same-origin").await;
            assert!(matches!(answer.status, 404 | 405), "{answer:?}");
        },
    )
    .await;
    on_both(&ring, WebSessions::allow_get, async |url, web| {
        let token = begin(&web).await;
        for site in ["cross-site", "same-site", "none"] {
            let answer = refresh_in_browser(&url, &token, "GET", site).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "cross_site_request"), "{site}");
        }
        let answer = refresh_in_browser(&url, &token, "GET", "same-origin").await;
        assert_eq!((answer.status, answer.cookies().len()), (200, 3));
        let answer = refresh_in_browser(&url, &refresh_cookie(&answer), "POST", "same-origin").await;
        let fields = in_browser(&url, &refresh_cookie(&answer), "same-origin");
        assert_eq!(Browser::new(&url).send("GET", "/auth/logout", &fields, "").await.status, 200);
    })
    .await;
}

async fn begin(web: &WebSessions) -> String {
    let response = web.log_in(Client::Native, "user-1", AuthFacts::now()).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    body["refresh_token"].as_str().unwrap().to_owned()
}

fn in_browser(url: &str, token: &str, site: &str) -> Vec<(&'static str, String)> {
    let cookie = format!("refresh_token={token}");
    vec![("origin", url.to_owned()), ("sec-fetch-site", site.to_owned()), ("cookie", cookie)]
}

async fn refresh_in_browser(url: &str, token: &str, method: &str, site: &str) -> Answer {
    Browser::new(url).send(method, "/auth/refresh", &in_browser(url, token, site), "").await
}

async fn refresh_in_native_client(url: &str, token: &str) -> Answer {
    let native = [("x-client", "native".to_owned())];
    Browser::new(url).send("POST", "/auth/refresh", &native, &format!(r#"{{"refresh_token":"{token}"}}"#)).await
}

fn refresh_cookie(answer: &Answer) -> String {
    let cookies = answer.cookies();
    let cookie = cookies.iter().find_map(|cookie| cookie.strip_prefix("refresh_token=")).expect("a refresh cookie");
    cookie.split(';').next().unwrap().to_owned()
}

/// Runs `work` against a server on each framework. Its sessions have no grace.
async fn on_both(ring: &KeyRing, configure: fn(WebSessions) -> WebSessions, work: impl AsyncFn(String, WebSessions)) {
    let web = |url: &str| {
        let issuer = Issuer::builder(url, url, ring.clone()).build().unwrap();
        let sessions = Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap()).grace(Duration::ZERO);
        configure(WebSessions::new(&issuer, sessions.build().unwrap(), "/auth").unwrap())
    };
    let mut made = None;
    let (url, server) = serve_axum(|url| portcullis_sessions::axum::routes(made.insert(web(url)))).await;
    work(url, made.unwrap()).await;
    server.abort();

    let mut made = None;
    let server = ActixServer::start(|url| {
        let web = made.insert(web(url)).clone();
        move |app: &mut actix_web::web::ServiceConfig| {
            app.configure(portcullis_sessions::actix::routes(&web));
        }
    });
    work(server.url().to_owned(), made.unwrap()).await;
}
