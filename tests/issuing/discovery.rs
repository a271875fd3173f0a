//! A second service that knows only the URL of the first one.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use portcullis::clock::ManualClock;
use portcullis::keys::RemoteKeys;
use portcullis::{Audience, Config, Gate, JwtVerifier};
use portcullis_issuer::{AccessToken, Issuer, KeyRing, axum::documents};

use crate::serving::{ActixServer, serve_axum};

const API: &str = "https://api.example.com";

/// The first service, on Axum.
async fn first(ring: KeyRing, path: &str) -> (Issuer, tokio::task::JoinHandle<()>) {
    let mut issuer = None;
    let (_, server) = serve_axum(|url| {
        let built = Issuer::builder(format!("{url}{path}"), API, ring).build().unwrap();
        documents(issuer.insert(built))
    })
    .await;
    (issuer.unwrap(), server)
}

/// The second service, on Actix.
fn second(gate: Gate) -> ActixServer {
    async fn me(auth: portcullis_actix::Auth) -> String {
        auth.subject().unwrap_or_default().to_owned()
    }
    ActixServer::start(|_| {
        move |app: &mut ServiceConfig| {
            app.app_data(gate.clone()).route("/me", web::get().to(me));
        }
    })
}

async fn me(service: &ActixServer, token: &str) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("{}/me", service.url())).bearer_auth(token);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn mint(issuer: &Issuer) -> String {
    issuer.mint(&AccessToken::new("user-1", "web")).await.unwrap().into_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_service_finds_the_keys_of_the_first() {
    for path in ["", "/", "/auth", "/auth/"] {
        let (issuer, server) = first(KeyRing::builder().build().unwrap(), path).await;
        // As a user writes it.
        let service = second(Gate::new(Config::new(issuer.url(), API).verifier().unwrap()));
        assert_eq!(me(&service, &mint(&issuer).await).await, (200, "user-1".to_owned()), "{path:?}");

        let foreign = Issuer::builder(issuer.url(), API, KeyRing::builder().build().unwrap()).build().unwrap();
        let (status, body) = me(&service, &mint(&foreign).await).await;
        assert!(status == 401 && body.contains("unknown_key"), "{path:?}: {status} {body}");

        // By the metadata of RFC 8414.
        let keys = RemoteKeys::builder().oauth_metadata().discover(issuer.url()).unwrap();
        let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([API]), keys).build().unwrap();
        assert!(Gate::new(verifier).verify(&mint(&issuer).await).await.is_ok(), "{path:?}");
        server.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_service_follows_rotations() {
    let clock = Arc::new(ManualClock::at_unix(1_800_000_000));
    let (issuer, server) = first(KeyRing::builder().clock(Arc::clone(&clock)).build().unwrap(), "").await;
    let keys = RemoteKeys::discover(issuer.url()).unwrap();
    let verifier = JwtVerifier::builder(issuer.url(), Audience::any_of([API]), keys).clock(Arc::clone(&clock));
    let service = second(Gate::new(verifier.build().unwrap()));
    let old = mint(&issuer).await;
    assert_eq!(me(&service, &old).await.0, 200);
    for _ in 0..2 {
        issuer.ring().rotate().await.unwrap();
        clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(me(&service, &mint(&issuer).await).await.0, 200);
    }
    server.abort();
}
