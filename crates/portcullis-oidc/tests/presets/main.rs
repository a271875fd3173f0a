//! Tests each preset with tokens and keys like those of its identity provider.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod authok;
mod cognito;

mod firebase;
mod google;
mod keycloak;
mod logto;
mod okta;
mod supabase;
mod workos;
mod zitadel;

use portcullis::{AuthError, Gate, JwtVerifier, Reason, Verified};
use portcullis_testing::{IssuerServer, TestIssuer, TokenBuilder};
use serde_json::json;

/// A gate that panics when a verdict is not the expected one.
struct TestGate(Gate);

impl TestGate {
    fn new(verifier: JwtVerifier) -> Self {
        Self(Gate::new(verifier))
    }

    async fn admits(&self, token: &TokenBuilder) -> Verified {
        self.0.verify(&token.sign()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn refuses(&self, token: &TokenBuilder) -> Reason {
        self.refuses_text(&token.sign()).await
    }

    async fn refuses_text(&self, token: &str) -> Reason {
        match self.0.verify(token).await.map_err(AuthError::from) {
            Err(AuthError::InvalidToken(error)) => error.reason(),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that each forgery is refused for its reason, and that those named in `good` are admitted. They are valid
    /// tokens of this identity provider.
    async fn refuses_forgeries_except(&self, issuer: &TestIssuer, good: &[&str]) {
        self.0.verify(&issuer.token().sign()).await.expect("the token without a forgery is good");
        for forgery in issuer.forgeries() {
            let verdict = self.0.verify(&forgery.token).await;
            if good.contains(&forgery.name) {
                assert!(verdict.is_ok(), "{}: {verdict:?}", forgery.name);
            } else {
                let reason = verdict.err().and_then(|error| error.reason());
                assert_eq!(reason, Some(forgery.reason), "{}", forgery.name);
            }
        }
    }
}

/// Serves the issuer under `path`, with its keys at `keys` and metadata that says so.
fn serve_discovered(issuer: TestIssuer, path: &str, keys: &str) -> IssuerServer {
    let server = issuer.serve_under(path);
    server.set_metadata_body(json!({"issuer": server.url(), "jwks_uri": server.url_of(keys)}).to_string());
    server.serve_at(keys, server.issuer().jwks());
    server
}
