//! The requests: which header fields they have, which hosts get them, and what an error says about the answer.

use std::sync::{Arc, Mutex};

use portcullis::keys::RemoteKeys;
use portcullis_testing::{Fault, IssuerServer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Scene, assert_fails, es256};

/// A server that offers its key set only as `application/jwk-set+json`, as the API server of Kubernetes does.
async fn strict_about_accept() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openid/v1/jwks", listener.local_addr().unwrap());
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&accepted);
    let body = es256().jwks().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4_096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
            let accept: Vec<_> =
                head.lines().filter_map(|line| line.strip_prefix("accept: ")).map(str::to_owned).collect();
            let status =
                if accept.join(",").contains("application/jwk-set+json") { "200 OK" } else { "406 Not Acceptable" };
            seen.lock().unwrap().push(accept.join("|"));
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    (url, accepted)
}

#[tokio::test]
async fn key_set_media_type_is_accepted_by_default() {
    let (url, accepted) = strict_about_accept().await;
    let keys = RemoteKeys::at(&url).unwrap();
    assert!(keys.warm_up().await.is_ok(), "{:?}", keys.status());
    // A field of the user replaces ours.
    let keys = RemoteKeys::builder().header("Accept", "application/json").at(&url).unwrap();
    assert!(keys.warm_up().await.is_err());
    let error = keys.status().last_error.unwrap();
    assert!(error.starts_with("status 406 instead of 200: ") && error.contains("accept"), "{error}");
    // A client of the user keeps its own field, too.
    let fields = [("accept", "application/jwk-set+json;q=0.7")]
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let client = reqwest::Client::builder().default_headers(fields.into_iter().collect()).build().unwrap();
    assert!(RemoteKeys::builder().client(client).at(&url).unwrap().warm_up().await.is_ok());
    let accepted = accepted.lock().unwrap().clone();
    assert_eq!(accepted[1..], ["application/json", "application/jwk-set+json;q=0.7"]);
}

#[tokio::test]
async fn user_agent_of_the_user_replaces_ours() {
    for (field, expected) in
        [(None, concat!("portcullis/", env!("CARGO_PKG_VERSION"))), (Some("my-service/1"), "my-service/1")]
    {
        let scene = Scene::with(|builder| match field {
            Some(value) => builder.header("user-agent", value),
            None => builder,
        });
        scene.admits(&scene.token()).await;
        let requests = scene.server.requests();
        let sent: Vec<_> = requests[0].headers.iter().filter(|(name, _)| name == "user-agent").collect();
        assert_eq!(sent, [&("user-agent".to_owned(), expected.to_owned())]);
    }
}

/// Whether each request of `server` had the credential.
fn credentials(server: &IssuerServer) -> Vec<bool> {
    server.requests().iter().map(|request| request.header("x-api-key") == Some("secret")).collect()
}

#[tokio::test]
async fn credential_goes_only_to_hosts_that_the_configuration_names() {
    // The metadata of one server names a key set on another one.
    let (named, other) = (es256().serve(), es256().serve());
    other.set_keys(&named.issuer());
    named.set_metadata_body(json!({"issuer": named.url(), "jwks_uri": other.jwks_url()}).to_string());
    let with_credential = || RemoteKeys::builder().header("X-Api-Key", "secret");
    let keys = with_credential().discover(&named.url()).unwrap();
    assert!(keys.warm_up().await.is_ok());
    assert_eq!((credentials(&named), credentials(&other)), (vec![true], vec![false]));
    // A host that refuses the request without it is an outage whose error says why.
    other.misbehave(Fault::status(401));
    let keys = with_credential().discover(&named.url()).unwrap();
    assert!(keys.warm_up().await.is_err());
    let error = keys.status().last_error.unwrap();
    assert!(error.contains("status 401") && error.contains("hosts that the configuration names"), "{error}");
    other.behave();
    // With its URL in the configuration, it gets the credential.
    assert!(with_credential().at(&other.jwks_url()).unwrap().warm_up().await.is_ok());
    assert_eq!(credentials(&other), [false, false, true]);
    // So do the issuer and the host of its metadata.
    let metadata = other.url_of("/.well-known/openid-configuration");
    other.set_metadata_body(json!({"issuer": named.url(), "jwks_uri": named.jwks_url()}).to_string());
    assert!(with_credential().metadata_at(&metadata).discover(&named.url()).unwrap().warm_up().await.is_ok());
    assert!(credentials(&other)[3] && credentials(&named)[2], "{:?} {:?}", credentials(&other), credentials(&named));
    // A redirect is not followed, so its target gets nothing.
    let before = other.all_hits();
    named.behave();
    named.misbehave(Fault::redirect(307, &other.jwks_url()));
    assert!(with_credential().at(&named.jwks_url()).unwrap().warm_up().await.is_err());
    assert_eq!(other.all_hits(), before);
}

#[tokio::test]
async fn redirect_error_names_status_and_location() {
    for (location, shown) in [
        ("/keys", "http://127.0.0.1:PORT/keys, which is not followed; configure the final URL"),
        ("https://user:pass@idp.example/keys?token=secret#f", "https://idp.example/keys, which"),
        ("//idp.example/keys", "http://idp.example/keys, which"),
        ("", "http://127.0.0.1:PORT/.well-known/jwks.json, which"),
    ] {
        let scene = Scene::cold();
        scene.server.misbehave(Fault::redirect(308, location));
        scene.is_unavailable(&scene.token()).await;
        let error = scene.keys.status().last_error.unwrap();
        let shown = shown.replace("PORT", &scene.server.address().port().to_string());
        assert!(error.starts_with(&format!("status 308 instead of 200: a redirect to {shown}")), "{error}");
        assert!(!error.contains("secret") && !error.contains("pass"), "{error}");
    }
    let long = format!("https://idp.example/{}", "x".repeat(3_000));
    let error = assert_fails(|server| server.misbehave(Fault::redirect(301, &long))).await;
    assert!(error.len() < 500, "{error}");
    for (status, says) in [
        (301, "without a readable Location"),
        (403, "needs a credential"),
        (404, "nothing at this URL"),
        (429, "too many requests"),
        (500, "instead of 200 ("),
    ] {
        let error = assert_fails(|server| server.misbehave(Fault::status(status))).await;
        assert!(error.starts_with(&format!("status {status} instead of 200")) && error.contains(says), "{error}");
    }
}
