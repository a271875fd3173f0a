//! The verifier of JSON Web Tokens (RFC 7519, RFC 8725).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::catch_panic::catch_panic;
use crate::checks::{Audience, ClaimCheck, Issuer, TokenTypes, TokenView};
use crate::claims::{Claims, GrantReader};
use crate::clock::Clock;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken};
use crate::jose::AlgorithmSet;
use crate::jose::compact::Compact;
use crate::keys::{KeyProvider, KeyStatus};
use crate::verifier::header_memo::HeaderMemo;
use crate::verifier::key_lookup::{allowed_algorithm, find_key};
use crate::verifier::token_cache::{TokenCache, TokenDigest};
use crate::verifier::unverified::Explain;
use crate::verifier::verified::{Signed, TokenContents};
use crate::verifier::{Evidence, JwtVerifierBuilder, UnverifiedToken, Verified, Verifier};

/// Verifies signed JWTs: signature, type, issuer, audience, time, and the checks that were added to the builder.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::keys::FixedKeys;
/// use portcullis::{Gate, JwtVerifier};
///
/// let keys = FixedKeys::secret(b"a secret of at least 32 bytes, from a vault")?;
/// let verifier = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys).build()?;
/// let refused = Gate::new(verifier).verify("not.a.token").await.unwrap_err();
/// assert_eq!(refused.status(), 401);
/// # Ok(()) }
/// ```
pub struct JwtVerifier {
    pub(super) issuer: Issuer,
    pub(super) audience: Audience,
    pub(super) keys: Arc<dyn KeyProvider>,
    pub(super) algorithms: AlgorithmSet,
    pub(super) token_types: TokenTypes,
    pub(super) max_token_bytes: usize,
    /// The claim checks, in the order of their reasons: issuer, audience, time, then the rest.
    pub(super) checks: Vec<Box<dyn ClaimCheck>>,
    pub(super) grants: Arc<dyn GrantReader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) headers: HeaderMemo,
    pub(super) cache: Option<TokenCache>,
    pub(super) explain: Option<Box<Explain>>,
}

impl JwtVerifier {
    pub(super) const SCHEMES: &'static [Scheme] = &[Scheme::Bearer];

    /// Starts a verifier with the settings that every verifier needs: the issuer, the audience and the keys.
    pub fn builder(
        issuer: impl Into<Issuer>,
        audience: impl Into<Audience>,
        keys: impl KeyProvider + 'static,
    ) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(issuer.into(), audience.into(), Arc::new(keys))
    }

    /// The accepted issuers.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The accepted audiences.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The allowed algorithms.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// The key provider.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeyProvider> {
        &self.keys
    }

    /// Returns the most precise reason to refuse `token`. `found` is the reason that the checks gave.
    pub(super) fn explain(&self, token: &str, found: InvalidToken) -> InvalidToken {
        match (&self.explain, found) {
            // Nothing of a token that is too large is read.
            (None, found) | (_, found @ InvalidToken::TooLarge { .. }) => found,
            (Some(explain), found) => explain(&UnverifiedToken::of_at_most(self.max_token_bytes, token), found),
        }
    }

    /// Checks what does not change over time: the form, the key and the signature of a token.
    async fn verify_signed(&self, token: &str) -> Result<TokenContents, AuthError> {
        let token = Compact::parse(token, self.max_token_bytes)?;
        let header = self.headers.recall_or_read(&token)?;
        self.token_types.check(&header)?;
        let algorithm = allowed_algorithm(&header, self.algorithms)?;
        let key = find_key(&*self.keys, &header, algorithm, self.issuer.first()).await?;
        let signature = token.verify(&key, algorithm)?;
        self.headers.remember(&token, &header);
        let claims = Claims::parse(token.payload()?)?;
        let (evidence, clock) = (Evidence::Signature, Some(Arc::clone(&self.clock)));
        Ok(TokenContents { claims, evidence, signed: Some(Signed { header, key, signature }), clock })
    }

    /// Runs the claim checks, whose result can change over time.
    fn check_claims(&self, contents: &TokenContents) -> Result<(), AuthError> {
        let Some(Signed { header, key, .. }) = &contents.signed else {
            return Err(AuthError::Server("a token without header or key reached the checks".into()));
        };
        let token = TokenView { header, claims: &contents.claims, key, now: self.clock.now() };
        self.checks.iter().try_for_each(|check| check.check(&token)).map_err(AuthError::from)
    }

    /// Returns the cached result of [`Self::verify_signed`] for the same bytes, if the token's key is still the same.
    async fn recall_or_verify_signed(&self, token: &str) -> Result<Arc<TokenContents>, AuthError> {
        let Some(cache) = &self.cache else {
            return self.verify_signed(token).await.map(Arc::new);
        };
        if token.len() > self.max_token_bytes {
            return self.verify_signed(token).await.map(Arc::new);
        }
        let digest = TokenDigest::of(token);
        if let Some(contents) = cache.get(&digest)
            && self.would_use_the_same_key(&contents).await?
        {
            return Ok(contents);
        }
        let contents = Arc::new(self.verify_signed(token).await?);
        cache.insert(digest, &contents);
        Ok(contents)
    }

    async fn would_use_the_same_key(&self, contents: &TokenContents) -> Result<bool, AuthError> {
        let Some(Signed { header, key: used, .. }) = &contents.signed else { return Ok(false) };
        let algorithm = allowed_algorithm(header, self.algorithms)?;
        let key = find_key(&*self.keys, header, algorithm, self.issuer.first()).await?;
        Ok(Arc::ptr_eq(&key, used) || key.is_same(used))
    }
}

#[async_trait]
impl Verifier for JwtVerifier {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        if !Self::SCHEMES.contains(&credential.scheme()) {
            return Err(AuthError::MissingToken);
        }
        let token = credential.unverified_token();
        let contents = self.recall_or_verify_signed(token).await;
        match contents.and_then(|contents| self.check_claims(&contents).map(|()| contents)) {
            Ok(contents) => Ok(Verified::from_token(contents, Arc::clone(&self.grants))),
            Err(AuthError::InvalidToken(found)) => Err(self.explain(token, found).into()),
            Err(error) => Err(error),
        }
    }

    fn schemes(&self) -> &[Scheme] {
        Self::SCHEMES
    }

    fn issuers(&self) -> Vec<String> {
        self.issuer.accepted().unwrap_or_default().to_vec()
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        let attempt = catch_panic(async { self.keys.warm_up().await }).await;
        Ok(attempt.map_err(|_| AuthError::Server("the key provider panicked".into()))??)
    }

    fn status(&self) -> KeyStatus {
        self.keys.status()
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FixedKeys;
    use crate::verifier::ByIssuer;

    fn explaining() -> JwtVerifier {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        JwtVerifier::builder("https://i.example", Audience::any_of(["api"]), keys)
            .max_token_bytes(100)
            .explain(|token, found| match (found, token.unverified_claims()) {
                (InvalidToken::NotCompactJws, _) if token.text().starts_with("key_") => InvalidToken::OpaqueToken,
                (InvalidToken::BadSignature, Some(claims))
                    if claims.audiences().any(|audience| audience == "other") =>
                {
                    InvalidToken::ForAnotherApi { api: "the other API".into() }
                }
                (found, _) => found,
            })
            .build()
            .unwrap()
    }

    async fn refused(verifier: &dyn Verifier, token: &str) -> InvalidToken {
        match verifier.verify(&Credential::bearer(token)).await {
            Err(AuthError::InvalidToken(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn explained_token_stays_refused() {
        let verifier = explaining();
        let part = crate::jose::base64url::encode;
        let forged = |payload: &[u8]| format!("{}.{}.AAAA", part(br#"{"alg":"HS256"}"#), part(payload));
        assert_eq!(refused(&verifier, "key_123").await, InvalidToken::OpaqueToken);
        assert_eq!(refused(&verifier, "123").await, InvalidToken::NotCompactJws);
        let other = refused(&verifier, &forged(br#"{"aud":"other"}"#)).await;
        assert_eq!(other.reason(), crate::Reason::WrongAudience);
        assert!(other.to_string().contains("the other API"), "{other}");
        assert_eq!(refused(&verifier, &forged(br#"{"aud":"api"}"#)).await, InvalidToken::BadSignature);
        // Nothing of a token that is too large is read.
        let large = format!("key_{}", "x".repeat(100));
        assert_eq!(refused(&verifier, &large).await, InvalidToken::TooLarge { limit: 100 });
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        let builder = JwtVerifier::builder("https://i.example", Audience::any_of(["api"]), keys).max_token_bytes(100);
        let verifier = builder.explain(|_, _| InvalidToken::OpaqueToken).build().unwrap();
        assert_eq!(refused(&verifier, &large).await, InvalidToken::TooLarge { limit: 100 });
        assert_eq!(refused(&verifier, "123").await, InvalidToken::OpaqueToken);
    }

    #[tokio::test]
    async fn token_of_unknown_issuer_is_explained() {
        let set = ByIssuer::new([explaining()]).unwrap();
        assert_eq!(refused(&set, "key_123").await, InvalidToken::OpaqueToken);
        assert_eq!(refused(&set, "123").await, InvalidToken::NotCompactJws);
    }
}
