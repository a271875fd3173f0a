//! Each preset with tokens and keys of its provider's shape: the way in, and the refusals on the preset's own path.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod authok;
mod cognito;
mod discovery;
mod firebase;
mod google;
mod keycloak;
mod logto;
mod okta;
mod supabase;
mod workos;
mod zitadel;

use portcullis::{AuthError, Gate, JwtVerifier, Reason, Verified};
use portcullis_testing::{TestIssuer, TokenBuilder};

/// A gate, and the answers of its verifier.
struct Door(Gate);

impl Door {
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
        match self.0.verify(token).await {
            Err(AuthError::InvalidToken(error)) => error.reason(),
            other => panic!("{other:?}"),
        }
    }

    /// Every forgery is refused for its reason; those named in `good` are none with this provider, and are let in.
    async fn refuses_all_forgeries_but(&self, issuer: &TestIssuer, good: &[&str]) {
        self.0.verify(&issuer.token().sign()).await.expect("what a forgery changes is good");
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
