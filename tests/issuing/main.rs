//! A service that issues its own tokens, over HTTP and on both frameworks: its first protected route, its documents, and
//! other services that find its keys.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod discovery;
mod documents;
#[path = "../../crates/portcullis-issuer/docs/first_route_actix.rs"]
mod first_route_actix;
#[path = "../../crates/portcullis-issuer/docs/first_route_axum.rs"]
mod first_route_axum;
mod serving;

use crate::serving::{ActixServer, serve_axum};

/// The programs that the documentation shows.
#[test]
fn first_route_takes_at_most_thirty_lines() {
    for program in [
        include_str!("../../crates/portcullis-issuer/docs/first_route_actix.rs"),
        include_str!("../../crates/portcullis-issuer/docs/first_route_axum.rs"),
    ] {
        assert!(program.lines().count() <= 30, "{}", program.lines().count());
    }
}

#[tokio::test]
async fn first_route_on_axum_admits_own_tokens() {
    let (url, server) = serve_axum(|url| first_route_axum::app(url).unwrap()).await;
    admits_own_tokens(&url).await;
    server.abort();
}

#[tokio::test]
async fn first_route_on_actix_admits_own_tokens() {
    let server = ActixServer::start(|url| {
        let (issuer, gate) = first_route_actix::issuer(url).unwrap();
        move |app: &mut _| first_route_actix::routes(app, &issuer, &gate)
    });
    admits_own_tokens(server.url()).await;
}

async fn admits_own_tokens(url: &str) {
    let client = reqwest::Client::new();
    let token = client.post(format!("{url}/login")).send().await.unwrap().text().await.unwrap();
    let me = async |token: &str| {
        let response = client.get(format!("{url}/me")).bearer_auth(token).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(me(&token).await, (200, "user-1".to_owned()));
    let forged = format!("{}A", &token[..token.len() - 1]);
    let forged = if forged == token { format!("{}E", &token[..token.len() - 1]) } else { forged };
    let (status, body) = me(&forged).await;
    assert!(status == 401 && !body.contains("user-1"), "{status} {body}");
    let without = client.get(format!("{url}/me")).send().await.unwrap();
    assert_eq!(without.status().as_u16(), 401);
    let keys = client.get(format!("{url}/.well-known/jwks.json")).send().await.unwrap();
    assert!(keys.text().await.unwrap().contains("\"use\":\"sig\""));
}
