//! Tokens of every kind that an identity provider issues, and others that clients send by mistake.

mod auth0;
mod azure;
mod clerk;
mod cloud;
mod clouds;
mod machines;
mod oidc;
mod proxies;

pub(crate) use auth0::samples as auth0;
pub(crate) use azure::{b2c, entra_id, external_id};
pub(crate) use clerk::samples as clerk;
pub(crate) use cloud::{cognito, firebase, google};
pub(crate) use clouds::{aws_outbound, bitbucket, google_service_account, spiffe, vercel};
pub(crate) use machines::{github_actions, gitlab, kubernetes};
pub(crate) use oidc::{keycloak, logto, okta, supabase, workos_api, workos_sessions, zitadel};
pub(crate) use proxies::{aws_alb, cloudflare_access, google_iap};

use std::fmt;
use std::sync::Arc;

use portcullis::jose::Algorithm;

use crate::issuer::TestIssuer;
use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// A token of one kind, as a client of an identity provider may send it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The kind of token, for example `ID token`.
    pub name: &'static str,
    /// The token.
    pub token: String,
}

impl Sample {
    fn new(name: &'static str, token: impl Into<String>) -> Self {
        Self { name, token: token.into() }
    }

    fn signed(name: &'static str, token: &TokenBuilder) -> Self {
        Self::new(name, token.sign())
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes the samples of an issuer.
pub(crate) type Samples = fn(&TestIssuer) -> Vec<Sample>;

impl TestIssuer {
    /// Returns tokens of every kind that the identity provider issues: good ones, and others that clients send by mistake, for
    /// example ID tokens, refresh tokens and tokens of another tenant. They are signed with the keys that the identity
    /// provider would use. An issuer like no particular identity provider has none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testing::TestIssuer;
    ///
    /// let tenant = TestIssuer::auth0("tenant.eu.auth0.com", "https://api.example.com");
    /// let gate = tenant.gate();
    /// for sample in tenant.samples() {
    ///     let accepted = gate.verify(&sample.token).await.is_ok();
    ///     assert_eq!(accepted, sample.name.starts_with("access token of"), "{}", sample.name);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        (self.samples)(self)
    }
}

/// A key that the issuer does not publish: of another tenant, or of another service of the same vendor.
struct Foreign(Arc<SigningKey>);

impl Foreign {
    fn new() -> Self {
        Self::of(Algorithm::Rs256)
    }

    fn of(algorithm: Algorithm) -> Self {
        Self(Arc::new(SigningKey::generate(algorithm, "key-of-another-issuer")))
    }

    fn sign(&self, name: &'static str, token: TokenBuilder) -> Sample {
        Sample::signed(name, &token.signed_with(Arc::clone(&self.0)))
    }
}

/// Returns a token that is signed with a secret, as services that know the secret make it.
fn with_secret(name: &'static str, algorithm: Algorithm, token: TokenBuilder) -> Sample {
    Sample::signed(name, &token.signed_with(Arc::new(SigningKey::generate(algorithm, "secret"))))
}

/// Returns a token of five parts: encrypted, for the issuer only (RFC 7516 §3.1).
fn encrypted(name: &'static str) -> Sample {
    Sample::new(
        name,
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZ.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ",
    )
}
