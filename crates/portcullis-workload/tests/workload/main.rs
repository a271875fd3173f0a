//! Tests each preset with tokens and keys like those of its issuer.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod clouds;
mod github;
mod gitlab;
mod kubernetes;
mod proxies;

use portcullis::{AuthError, Gate, JwtVerifier, Reason, Verified};
use portcullis_testing::{TestIssuer, TokenBuilder};

const API: &str = "https://api.example.com";

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
        match self.0.verify(&token.sign()).await.map_err(AuthError::from) {
            Err(AuthError::InvalidToken(error)) => error.reason(),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that each forgery is refused for its reason, and that those named in `good` are admitted. They are valid
    /// tokens of this issuer.
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

/// Reads variables from a table.
fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}
