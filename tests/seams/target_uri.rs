//! The URI that a request is for: the gate's public URL and the path that the client sent.

use portcullis::adapter::Credential;
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, Policy, Require, Verified, Verifier, async_trait};

use crate::ways::{Ask, ask};

/// Admits each request, with its target URI as the subject.
#[derive(Debug)]
struct Witness;

#[async_trait]
impl Verifier for Witness {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let uri = credential.target_uri().unwrap_or_else(|| "unknown".to_owned());
        Ok(Verified::from_claims(&serde_json::json!({ "sub": uri }), Evidence::Session)?)
    }
}

struct Authenticated;

impl Require for Authenticated {
    fn policy() -> Policy {
        Policy::authenticated()
    }
}

async fn target(gate: &Gate, path: &str) -> String {
    let request = Ask::new(path)
        .field("authorization", "Bearer x")
        .field("host", "evil.test")
        .field("forwarded", "host=evil.test;proto=http")
        .field("x-forwarded-host", "evil.test")
        .field("x-forwarded-prefix", "/evil")
        .field("x-forwarded-proto", "http");
    let answer = ask::<Authenticated>(gate, &request, |caller| caller.subject().unwrap_or_default().to_owned()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[actix_web::test]
async fn target_uri_is_the_public_url_and_the_whole_path() {
    let gate = Gate::new(Witness).with_public_url("https://api.test/base").unwrap();
    for (path, expected) in [
        ("/orders", "https://api.test/base/orders"),
        ("/orders?page=2", "https://api.test/base/orders"),
        // The prefix of a nested router, of a nested layer and of a scope is in it.
        ("/v1/orders", "https://api.test/base/v1/orders"),
        ("/v1/orders?page=2", "https://api.test/base/v1/orders"),
    ] {
        assert_eq!(target(&gate, path).await, expected);
    }
}

#[actix_web::test]
async fn target_uri_ignores_the_form_of_the_request_target() {
    let gate = Gate::new(Witness).with_public_url("https://api.test").unwrap();
    assert_eq!(target(&gate, "http://evil.test/v1/orders?page=2").await, "https://api.test/v1/orders");
}

#[actix_web::test]
async fn target_uri_is_unknown_without_a_public_url() {
    assert_eq!(target(&Gate::new(Witness), "/v1/orders").await, "unknown");
}

/// A layer around the whole router sees the path before the router takes a prefix off.
#[tokio::test]
async fn target_uri_is_the_same_around_the_whole_router() {
    use axum::routing::get;
    use portcullis::adapter::Admission;
    use tower::{Layer as _, ServiceExt as _};

    let gate = Gate::new(Witness).with_public_url("https://api.test/base").unwrap();
    let handler = |caller: axum::Extension<Admission>| async move { caller.caller().subject().unwrap().to_owned() };
    let routes = axum::Router::new().route("/orders", get(handler));
    let nested = || axum::Router::new().nest("/v1", axum::Router::new().nest("/eu", routes.clone()));
    let layer = || portcullis_axum::AuthLayer::new(gate.clone());
    let extractor = |auth: portcullis_axum::Auth| async move { auth.subject().unwrap().to_owned() };
    let extracted = axum::Router::new().route("/orders", get(extractor));
    let request = || {
        let request = http::Request::get("/v1/eu/orders").header("authorization", "Bearer x");
        request.body(axum::body::Body::empty()).unwrap()
    };
    let apps = [
        nested().layer(layer()),
        axum::Router::new().nest("/v1", axum::Router::new().nest("/eu", routes.clone().layer(layer()))),
        axum::Router::new().nest("/v1", axum::Router::new().nest("/eu", routes.clone()).layer(layer())),
        axum::Router::new().nest("/v1", axum::Router::new().nest("/eu", extracted.with_state(gate.clone()))),
    ];
    for app in apps {
        let response = app.oneshot(request()).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        assert_eq!(body, "https://api.test/base/v1/eu/orders");
    }
    // Around the router as a service, outside of axum.
    let response = layer().layer(nested()).oneshot(request()).await.unwrap();
    let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1024).await.unwrap();
    assert_eq!(body, "https://api.test/base/v1/eu/orders");
}
