//! A service on both adapters, and the signer of its tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::test::{self, TestRequest};
use axum::body::Body;
use axum::http::Request;
use example_custom_key_provider::{on_actix, on_axum};
use portcullis_axum::jose::Algorithm;
use portcullis_axum::verifier::JwtVerifierBuilder;
use portcullis_axum::{Audience, Gate, JwtVerifier, KeyProvider};
use portcullis_testing::{SigningKey, TestIssuer};
use tower::ServiceExt as _;

pub(crate) const GOOD: &str = "200 hello, alice\n";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://api.example";

/// One gate behind Axum and behind Actix Web.
pub(crate) struct Service {
    pub(crate) gate: Gate,
}

impl Service {
    pub(crate) fn with(keys: impl KeyProvider + 'static) -> Self {
        Self::built(keys, |builder| builder)
    }

    pub(crate) fn built(
        keys: impl KeyProvider + 'static,
        options: impl FnOnce(JwtVerifierBuilder) -> JwtVerifierBuilder,
    ) -> Self {
        let verifier = options(JwtVerifier::builder(ISSUER, Audience::any_of([AUDIENCE]), keys)).build().unwrap();
        Self { gate: Gate::new(verifier) }
    }

    /// The response of both: the status, and the reason or error code of a refusal.
    pub(crate) async fn answer(&self, token: &str) -> String {
        let answer = self.on_axum(token).await;
        assert_eq!(answer, self.on_actix(token).await, "Axum's answer, and Actix's");
        answer
    }

    /// Sends requests until both respond with `expected`.
    pub(crate) async fn comes_to_answer(&self, token: &str, expected: &str) {
        let started_at = Instant::now();
        loop {
            let answers = [self.on_axum(token).await, self.on_actix(token).await];
            if answers.iter().all(|answer| answer == expected) {
                return;
            }
            assert!(started_at.elapsed() < Duration::from_secs(30), "still {answers:?} instead of {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn on_axum(&self, token: &str) -> String {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = on_axum::app(self.gate.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        summary(status, &axum::body::to_bytes(response.into_body(), 10_000).await.unwrap())
    }

    pub(crate) async fn on_actix(&self, token: &str) -> String {
        let app = test::init_service(actix_web::App::new().configure(on_actix::routes(self.gate.clone()))).await;
        let request = TestRequest::get().uri("/").insert_header(("authorization", format!("Bearer {token}")));
        let response = test::call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        summary(status, &test::read_body(response).await)
    }
}

fn summary(status: u16, body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(refusal) => {
            let said = refusal.get("reason").or_else(|| refusal.get("error")).and_then(|value| value.as_str());
            format!("{status} {}", said.unwrap())
        }
        Err(_) => format!("{status} {text}"),
    }
}

pub(crate) fn new_key(kid: &str) -> Arc<SigningKey> {
    new_key_for(Algorithm::EdDsa, kid)
}

pub(crate) fn new_key_for(algorithm: Algorithm, kid: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm, kid))
}

/// A token that is good if the service has the key.
pub(crate) fn token(key: &Arc<SigningKey>) -> String {
    let issuer = TestIssuer::from_algorithms([Algorithm::EdDsa]).with_url(ISSUER).with_audience(AUDIENCE);
    issuer.token().subject("alice").signed_with(Arc::clone(key)).sign()
}
