//! The verifier of JSON Web Tokens (RFC 7519, RFC 8725).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::catch_panic::catch_panic;
use crate::checks::{Audience, Check, Issuer, TokenTypes, TokenView};
use crate::claims::{Claims, NumericDate};
use crate::clock::Clock;
use crate::credential::{Credential, Scheme};
use crate::error::{AuthError, InvalidToken};
use crate::jose::compact::{Compact, check_size};
use crate::jose::{Algorithm, AlgorithmSet, Header};
use crate::keys::{KeyProvider, KeyStatus, status_of};
use crate::measure::TokenCacheOutcome;
use crate::verifier::allowance::Allowance;
use crate::verifier::header_memo::HeaderMemo;
use crate::verifier::key_lookup::{KeySearch, Tries, allowed_algorithm};
use crate::verifier::opaque_prefixes::OpaquePrefixes;
use crate::verifier::token_cache::TokenCache;
use crate::verifier::unverified::Explain;
use crate::verifier::verification::JwtVerification;
use crate::verifier::verified::{Common, Kept, Signed, TokenContents};
use crate::verifier::{
    CheckReport, Comparison, Evidence, JwtVerifierBuilder, TokenDecoder, UnverifiedToken, Verification, Verified,
    Verifier,
};

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
    pub(super) checks: Vec<Check>,
    pub(super) common: Arc<Common>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) headers: HeaderMemo,
    pub(super) long_headers: Allowance,
    pub(super) cache: Option<TokenCache>,
    pub(super) leeway: Duration,
    pub(super) unnamed_tries: usize,
    pub(super) integer_ids: bool,
    pub(super) opaque_prefixes: OpaquePrefixes,
    pub(super) decoder: Option<Box<dyn TokenDecoder>>,
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

    /// The accepted media types of tokens (`typ`, RFC 7515 §4.1.9), without `application/`. Unless types were configured, a
    /// token without `typ` is accepted too.
    #[must_use]
    pub fn token_types(&self) -> &[String] {
        self.token_types.accepted()
    }

    /// How far the clocks of issuer and service may differ in the checks of `exp`, `nbf` and `iat`.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    /// The key provider.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeyProvider> {
        &self.keys
    }

    /// Begins the verification of a token that was split already. `read` is its header, where that was read already too.
    pub(super) fn begin_split<'a>(
        &'a self,
        credential: &Credential<'a>,
        token: Compact<'a>,
        read: Option<Header>,
    ) -> Verification<'a> {
        let cached = self.begin_cached(credential);
        cached.unwrap_or_else(|| JwtVerification::begin_split(self, credential, token, read))
    }

    /// Begins with what the cache has about the token. `None` when it has nothing.
    fn begin_cached<'a>(&'a self, credential: &Credential<'a>) -> Option<Verification<'a>> {
        let contents = self.cache.as_ref()?.get(credential.unverified_bytes())?;
        Some(JwtVerification::begin_cached(self, credential, contents))
    }

    /// Starts the search for the key of a token with this header.
    pub(super) fn key_search<'a>(&'a self, header: &'a Header, algorithm: Algorithm) -> KeySearch<'a, dyn KeyProvider> {
        KeySearch {
            keys: &*self.keys,
            header,
            algorithm,
            issuer: self.issuer.first(),
            unnamed_tries: self.unnamed_tries,
        }
    }

    /// Reads the claims of a payload into `claims`, and keeps a part of the token's text with them.
    pub(super) fn read_claims(
        &self,
        claims: &mut Claims,
        mut payload: Vec<u8>,
        keep: &[u8],
    ) -> Result<(), InvalidToken> {
        let payload_bytes = payload.len();
        payload.extend_from_slice(keep);
        claims.fill(payload, payload_bytes, self.integer_ids)
    }

    pub(super) fn check_scheme(credential: &Credential<'_>) -> Result<(), AuthError> {
        if credential.is_understood_by(Self::SCHEMES) { Ok(()) } else { Err(AuthError::MissingToken) }
    }

    /// Verifies a token that is not in the JWS Compact Serialization. It is not cached.
    async fn verify_decoded(
        &self,
        credential: &Credential<'_>,
        decoder: &dyn TokenDecoder,
    ) -> Result<Verified, AuthError> {
        Self::check_scheme(credential)?;
        check_size(credential.unverified_bytes(), self.max_token_bytes)?;
        let token = decoder.decode(credential.unverified_bytes())?;
        let header = Arc::new(token.header()?);
        self.token_types.check(&header)?;
        let algorithm = allowed_algorithm(&header, self.algorithms)?;
        let search = self.key_search(&header, algorithm);
        let first_key = search.find(&Tries::default()).await?;
        let key = search.verify(|key, algorithm| token.verify(key, algorithm), first_key).await?;
        let mut claims = Claims::empty();
        self.read_claims(&mut claims, token.into_payload(), credential.unverified_bytes())?;
        let signed = Signed { header, key, kept: Kept::Text };
        let (evidence, common) = (Evidence::Signature, Arc::clone(&self.common));
        let contents = Arc::new(TokenContents { claims, evidence, signed: Some(signed), common });
        self.check_claims(&contents, self.clock.now(), credential.is_binding_left_to_gate())?;
        Ok(Verified::from_token(contents))
    }

    pub(super) fn count_lookup(&self, outcome: TokenCacheOutcome) {
        if let Some(cache) = &self.cache {
            cache.count(outcome);
        }
    }

    /// Runs the claim checks, whose result can change over time.
    pub(super) fn check_claims(
        &self,
        contents: &TokenContents,
        now: NumericDate,
        is_binding_left_to_gate: bool,
    ) -> Result<(), AuthError> {
        let Some(Signed { header, key, .. }) = &contents.signed else {
            return Err(AuthError::Server("a token without header or key reached the checks".into()));
        };
        let token = TokenView { header, claims: &contents.claims, key, now, is_binding_left_to_gate };
        self.checks.iter().try_for_each(|check| check.check(&token)).map_err(AuthError::from)
    }
}

#[async_trait]
impl Verifier for JwtVerifier {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.begin(credential).finish().await
    }

    fn begin<'a>(&'a self, credential: &'a Credential<'a>) -> Verification<'a> {
        if let Some(decoder) = &self.decoder {
            return Verification::Waits(Box::pin(self.verify_decoded(credential, &**decoder)));
        }
        if let Some(begun) = self.begin_cached(credential) {
            return begun;
        }
        JwtVerification::begin(self, credential)
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        let AuthError::InvalidToken(found) = refused else { return None };
        // Nothing of a token that is too large is read.
        if matches!(found, InvalidToken::TooLarge { .. }) {
            return None;
        }
        let token = UnverifiedToken::of_at_most(self.max_token_bytes, credential.unverified_token());
        token.surplus().or_else(|| self.explain.as_ref().and_then(|explain| explain(&token, found)))
    }

    async fn diagnose(&self, credential: &Credential<'_>) -> Vec<CheckReport> {
        self.diagnose_token(credential.unverified_bytes(), credential.is_binding_left_to_gate()).await
    }

    fn compare(&self, credential: &Credential<'_>) -> Option<Comparison> {
        self.compare_token(credential.unverified_bytes())
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
        status_of(|| self.keys.status())
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
    use aws_lc_rs::hmac;

    use super::*;
    use crate::keys::FixedKeys;
    use crate::verifier::ByIssuer;

    const FOR_ANOTHER: &str = "for another API";

    fn explaining() -> JwtVerifier {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        JwtVerifier::builder("https://i.example", Audience::any_of(["api"]), keys)
            .max_token_bytes(110)
            .opaque_prefixes(["key_"])
            .explain(|token, found| match (found, token.unverified_claims()) {
                (InvalidToken::NotCompactJws, _) => Some("not a JWT"),
                (_, Some(claims)) if claims.audiences().any(|audience| audience == "other") => Some(FOR_ANOTHER),
                _ => None,
            })
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn number_of_parts_comes_first_under_a_known_header() {
        let secret = b"a secret of at least thirty-two bytes";
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let part = crate::jose::base64url::encode;
        let header = part(br#"{"alg":"HS256"}"#);
        let sign = |payload: &str| {
            let input = format!("{header}.{payload}");
            format!("{input}.{}", part(hmac::sign(&key, input.as_bytes()).as_ref()))
        };
        let claims = part(br#"{"iss":"https://i.example","aud":"api","exp":4102444800}"#);
        let keys = FixedKeys::secret(secret).unwrap();
        let verifier =
            JwtVerifier::builder("https://i.example", "api", keys).opaque_prefixes([&header]).build().unwrap();
        let good = sign(&claims);
        // The first one makes the header known.
        for _ in 0..2 {
            verifier.verify(&Credential::bearer(&good)).await.unwrap();
        }
        let malformed = InvalidToken::Malformed { part: "payload" };
        let half = claims.len() / 2;
        let dotted = |parts: usize| {
            let step = claims.len() / parts;
            let pieces: Vec<&str> = (0..parts).map(|at| &claims[at * step..(at + 1) * step]).collect();
            pieces.join(".")
        };
        for (token, expected) in [
            // Even with a good signature.
            (sign(&dotted(2)), InvalidToken::OpaqueToken),
            (sign(&dotted(3)), InvalidToken::Encrypted),
            (sign(&dotted(4)), InvalidToken::OpaqueToken),
            (format!("{}.{}", &good[..good.len() - 9], &good[good.len() - 8..]), InvalidToken::OpaqueToken),
            (format!("{}..{}", &good[..good.len() - 9], &good[good.len() - 7..]), InvalidToken::Encrypted),
            (sign(&format!("{}+{}", &claims[..half], &claims[half + 1..])), malformed),
            (
                good.replace(&claims, &part(br#"{"iss":"https://i.example","aud":"api","exp":4102444801}"#)),
                InvalidToken::BadSignature,
            ),
        ] {
            let refused = verifier.verify(&Credential::bearer(&token)).await.unwrap_err();
            assert!(
                matches!(&refused, AuthError::InvalidToken(found) if *found == expected),
                "{expected:?} {refused:?}"
            );
            // The same as without a known header.
            let fresh = FixedKeys::secret(secret).unwrap();
            let fresh =
                JwtVerifier::builder("https://i.example", "api", fresh).opaque_prefixes([&header]).build().unwrap();
            let refused = fresh.verify(&Credential::bearer(&token)).await.unwrap_err();
            assert!(
                matches!(&refused, AuthError::InvalidToken(found) if *found == expected),
                "{expected:?} {refused:?}"
            );
        }
    }

    async fn refused(verifier: &dyn Verifier, token: &str) -> (InvalidToken, Option<&'static str>) {
        let credential = Credential::bearer(token);
        let error = verifier.verify(&credential).await.unwrap_err();
        let explanation = verifier.explain(&credential, &error);
        match error {
            AuthError::InvalidToken(error) => (error, explanation),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn explanation_never_replaces_the_reason() {
        let part = crate::jose::base64url::encode;
        let forged = |payload: &str| format!("{}.{}.AAAA", part(br#"{"alg":"HS256"}"#), part(payload.as_bytes()));
        let verifier: Arc<dyn Verifier> = Arc::new(explaining());
        let set: Box<dyn Verifier> = Box::new(ByIssuer::new([explaining()]).unwrap());
        for verifier in [&*verifier, &*set] {
            assert_eq!(refused(verifier, "key_123").await, (InvalidToken::OpaqueToken, None));
            assert_eq!(refused(verifier, "123").await, (InvalidToken::NotCompactJws, Some("not a JWT")));
            let other = refused(verifier, &forged(r#"{"iss":"https://i.example","aud":"other"}"#)).await;
            assert_eq!(other, (InvalidToken::BadSignature, Some(FOR_ANOTHER)));
            let own = refused(verifier, &forged(r#"{"iss":"https://i.example","aud":"api"}"#)).await;
            assert_eq!(own, (InvalidToken::BadSignature, None));
            // Nothing of a token that is too large is read.
            let large = format!("key_{}", "x".repeat(110));
            assert_eq!(refused(verifier, &large).await, (InvalidToken::TooLarge { limit: 110 }, None));
        }
        // A token of no known issuer.
        let unknown = refused(&*set, &forged(r#"{"iss":"https://j.example","aud":"other"}"#)).await;
        assert_eq!(unknown, (InvalidToken::WrongIssuer, Some(FOR_ANOTHER)));
        let unavailable = AuthError::Unavailable(crate::error::Unavailable::new());
        assert_eq!(verifier.explain(&Credential::bearer("123"), &unavailable), None);
    }
}
