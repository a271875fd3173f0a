//! Verifiers: from a credential to a verified caller.
//!
//! Design notes: [Tokens and algorithms](crate::_docs::tokens).

mod allowance;
mod builder;
mod by_form;
mod by_issuer;
mod dangerous_builder;
mod decoder;
mod diagnosis;
mod evidence;
mod header_memo;
mod issuer_reader;
pub mod jws;
mod jwt;
mod key_lookup;
mod opaque_prefixes;
mod open_issuers;
mod recheck;
mod token_cache;
mod unverified;
mod verification;
mod verified;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use builder::JwtVerifierBuilder;
pub use by_form::{ByForm, ByFormBuilder};
pub use by_issuer::ByIssuer;
pub use dangerous_builder::DangerousBuilder;
pub use decoder::{DecodedToken, TokenDecoder};
pub use diagnosis::{CheckOutcome, CheckReport, Comparison};
pub use evidence::{Evidence, SenderConstraint};
pub use jwt::JwtVerifier;
pub use open_issuers::{IssuerDirectory, OpenIssuers};
pub use recheck::Recheck;
pub use unverified::{UnverifiedOrigin, UnverifiedToken};
pub use verification::Verification;
pub(crate) use verified::ProofMark;
pub use verified::Verified;
#[cfg(feature = "remote")]
pub(crate) use verified::{Common, TokenContents};

use crate::credential::{Credential, Scheme};
use crate::error::AuthError;
use crate::keys::KeyStatus;

/// Verifies credentials: it finds out who is calling.
///
/// [`JwtVerifier`] verifies signed tokens. Implement the trait for other kinds of tokens, and make the result with
/// [`Verified::from_claims`]:
///
/// ```
/// use std::collections::HashMap;
/// use portcullis::adapter::Credential;
/// use portcullis::error::InvalidToken;
/// use portcullis::verifier::Evidence;
/// use portcullis::{AuthError, Gate, Verified, Verifier, async_trait};
///
/// /// Verifies opaque handles: random texts, each of which means a session of a user.
/// #[derive(Debug)]
/// struct Handles(HashMap<String, String>);
///
/// #[async_trait]
/// impl Verifier for Handles {
///     async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
///         let user = self.0.get(credential.unverified_token()).ok_or(InvalidToken::Revoked)?;
///         Ok(Verified::from_claims(&serde_json::json!({"sub": user}), Evidence::Session)?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Gate::new(Handles(HashMap::from([("4f2a".to_owned(), "alice".to_owned())])));
/// let caller = gate.verify("4f2a").await?;
/// assert_eq!((caller.subject(), caller.evidence()), (Some("alice"), Evidence::Session));
/// assert_eq!(gate.verify("0000").await.unwrap_err().reason().unwrap().as_str(), "revoked");
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` verifies no token",
    note = "a provider's preset or a `Config` becomes a verifier with `.verifier()?`, a builder with `.build()?`"
)]
#[async_trait]
pub trait Verifier: fmt::Debug + Send + Sync {
    /// Verifies one credential. Its scheme is one of [`Self::schemes`], or `Bearer` or `DPoP` for a gate with proofs of
    /// possession ([`Gate::with_dpop`](crate::Gate::with_dpop)).
    ///
    /// # Errors
    /// Why the caller is not let in.
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError>;

    /// Begins a verification. The result is as of [`Self::verify`]; if it is known without waiting, it takes no memory for a
    /// future. Default: waits for `verify`.
    ///
    /// Gates call it. Verifiers whose answers are at hand, and verifiers that only choose another one, implement it.
    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        Verification::Waits(self.verify(credential))
    }

    /// Says more about a token that [`Self::verify`] refused, for the log: for example that it looks like an ID token. `None`
    /// when there is nothing to add.
    ///
    /// It is asked only where the text is written down, and it may read the unverified token. So the text never changes
    /// the reason, the metrics or the response. It is a fixed sentence, so it repeats no part of the token.
    fn explain(&self, _credential: &Credential<'_>, _refused: &AuthError) -> Option<&'static str> {
        None
    }

    /// Runs the checks of [`Self::verify`], all of them, and reports each: what is expected, what the unverified token has, and
    /// the result. The first one that fails is why `verify` refuses the token.
    ///
    /// It is for people with a failing token, never for a decision: only `verify` lets a caller in. Default: no reports.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::adapter::Credential;
    /// use portcullis::keys::FixedKeys;
    /// use portcullis::{JwtVerifier, Verifier};
    ///
    /// let verifier = JwtVerifier::builder("https://issuer.example", "api", FixedKeys::secret(&[7; 32])?).build()?;
    /// let reports = verifier.diagnose(&Credential::bearer("4f2a")).await;
    /// let failed = reports.iter().find(|report| !report.outcome.is_passed()).unwrap();
    /// assert_eq!((failed.check.as_str(), failed.expected.as_str()), ("form", "three parts, joined by dots"));
    /// # Ok(()) }
    /// ```
    async fn diagnose(&self, _credential: &Credential<'_>) -> Vec<CheckReport> {
        Vec::new()
    }

    /// Compares the names and dates of the unverified token with those that are accepted, for the log of developers
    /// ([`dangerous::log_refused_tokens`](crate::dangerous::log_refused_tokens)). `None` when there is nothing to compare.
    fn compare(&self, _credential: &Credential<'_>) -> Option<Comparison> {
        None
    }

    /// The schemes that this verifier understands, the preferred one first. Default: `Bearer`.
    ///
    /// A gate reads only credentials of these schemes, and sends a challenge for each. A token under another scheme, for
    /// example `DPoP`, is refused as a missing token. Credentials of other schemes, for example `Basic`, are ignored. A gate
    /// with proofs of possession ([`Gate::with_dpop`](crate::Gate::with_dpop)) has its own schemes.
    fn schemes(&self) -> &[Scheme] {
        &[Scheme::Bearer]
    }

    /// The accepted issuers, where they are known: for metadata.
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes one attempt to get what verification needs, for example keys that are fetched.
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

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        (**self).begin(credential)
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        (**self).explain(credential, refused)
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        (**self).diagnose(credential).await
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        (**self).compare(credential)
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

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        (**self).begin(credential)
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        (**self).explain(credential, refused)
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        (**self).diagnose(credential).await
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        (**self).compare(credential)
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

/// The items in their order, each once.
fn each_once<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
}
