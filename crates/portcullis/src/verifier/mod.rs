//! From a credential to a verified identity.
//!
//! Design notes: [Tokens and algorithms](crate::_docs::tokens).

mod builder;
mod by_issuer;
mod dangerous_builder;
mod header_memo;
pub mod jws;
mod jwt;
mod key_lookup;
mod open_issuers;
mod token_cache;
mod unverified;
mod verified;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use builder::JwtVerifierBuilder;
pub use by_issuer::ByIssuer;
pub use dangerous_builder::DangerousBuilder;
pub use jwt::JwtVerifier;
pub use open_issuers::{IssuerDirectory, OpenIssuers};
pub use unverified::UnverifiedToken;
pub(crate) use verified::Signed;
pub use verified::Verified;

use crate::credential::{Credential, Scheme};
use crate::error::AuthError;
use crate::keys::KeyStatus;

/// Says who is calling.
///
/// [`JwtVerifier`] is the one for signed tokens. Implement it for anything else that a token can be, such as a handle
/// that is looked up; [`dangerous::assume_verified`](crate::dangerous::assume_verified) makes the result.
#[diagnostic::on_unimplemented(
    message = "`{Self}` verifies no token",
    note = "a provider's preset or a `Config` becomes a verifier with `.verifier()?`, a builder with `.build()?`"
)]
#[async_trait]
pub trait Verifier: fmt::Debug + Send + Sync {
    /// Verifies one credential.
    ///
    /// # Errors
    /// Why the caller is not let in.
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError>;

    /// The schemes that this verifier understands, for challenges.
    fn schemes(&self) -> &[Scheme] {
        &[Scheme::Bearer]
    }

    /// The issuers whose tokens are accepted, where they are known: for metadata.
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes one attempt to get what verification needs, such as keys that are fetched.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the attempt failed.
    async fn warm_up(&self) -> Result<(), AuthError> {
        Ok(())
    }

    /// Whether tokens can be verified, for readiness probes.
    fn status(&self) -> KeyStatus {
        KeyStatus::ready()
    }
}

#[async_trait]
impl<V: Verifier + ?Sized> Verifier for Arc<V> {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        (**self).verify(credential).await
    }

    fn schemes(&self) -> &[Scheme] {
        (**self).schemes()
    }

    fn issuers(&self) -> Vec<String> {
        (**self).issuers()
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        (**self).warm_up().await
    }

    fn status(&self) -> KeyStatus {
        (**self).status()
    }
}

#[async_trait]
impl<V: Verifier + ?Sized> Verifier for Box<V> {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        (**self).verify(credential).await
    }

    fn schemes(&self) -> &[Scheme] {
        (**self).schemes()
    }

    fn issuers(&self) -> Vec<String> {
        (**self).issuers()
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        (**self).warm_up().await
    }

    fn status(&self) -> KeyStatus {
        (**self).status()
    }
}
