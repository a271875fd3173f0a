//! The builder of a [`JwtVerifier`]. It finds configuration errors before the first request does.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::checks::{
    Audience, Check, ClaimCheck, Issuer, NamedCheck, NotSecurityEvent, NotSenderConstrained, RequiredClaims, TimeCheck,
    TokenTypes, TokenView,
};
use crate::claims::{GrantReader, StandardGrants};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, InvalidToken};
use crate::jose::AlgorithmSet;
use crate::jose::compact::DEFAULT_MAX_BYTES;
use crate::keys::KeyProvider;
use crate::verifier::allowance::{self, Allowance};
use crate::verifier::header_memo::HeaderMemo;
use crate::verifier::key_lookup::MAX_TRIES;
use crate::verifier::opaque_prefixes::OpaquePrefixes;
use crate::verifier::token_cache::{DEFAULT_CACHED_BYTES, TokenCache};
use crate::verifier::unverified::Explain;
use crate::verifier::verified::Common;
use crate::verifier::{DangerousBuilder, JwtVerifier, TokenDecoder, UnverifiedToken};

/// Options of a [`JwtVerifier`]; from [`JwtVerifier::builder`].
#[must_use = "call build()"]
pub struct JwtVerifierBuilder {
    issuer: Issuer,
    audience: Audience,
    keys: Arc<dyn KeyProvider>,
    algorithms: Option<AlgorithmSet>,
    token_types: TokenTypes,
    max_token_bytes: usize,
    pub(crate) time: TimeCheck,
    pub(crate) accept_sender_constrained: bool,
    required_claims: RequiredClaims,
    checks: Vec<Box<dyn ClaimCheck>>,
    grants: Arc<dyn GrantReader>,
    clock: Arc<dyn Clock>,
    cached_tokens: u64,
    cached_bytes: u64,
    opaque_prefixes: Vec<String>,
    unnamed_tries: usize,
    integer_ids: bool,
    decoder: Option<Box<dyn TokenDecoder>>,
    explain: Option<Box<Explain>>,
}

impl JwtVerifierBuilder {
    pub(super) fn new(issuer: Issuer, audience: Audience, keys: Arc<dyn KeyProvider>) -> Self {
        Self {
            issuer,
            audience,
            keys,
            algorithms: None,
            token_types: TokenTypes::default(),
            max_token_bytes: DEFAULT_MAX_BYTES,
            time: TimeCheck::default(),
            accept_sender_constrained: false,
            required_claims: RequiredClaims::default(),
            checks: Vec::new(),
            grants: Arc::new(StandardGrants::new()),
            clock: Arc::new(SystemClock::new()),
            cached_tokens: 0,
            cached_bytes: DEFAULT_CACHED_BYTES,
            opaque_prefixes: Vec::new(),
            unnamed_tries: 1,
            integer_ids: false,
            decoder: None,
            explain: None,
        }
    }

    /// Allows only these algorithms. Default: those that the key provider serves; HMAC is among them only if the key is a
    /// secret.
    pub fn algorithms(mut self, algorithms: impl Into<AlgorithmSet>) -> Self {
        self.algorithms = Some(algorithms.into());
        self
    }

    /// Replaces the issuer rule.
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Replaces the audience rule.
    pub fn audience(mut self, audience: impl Into<Audience>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Accepts only tokens with one of these media types in `typ`. Default: `JWT`, `at+jwt`, and tokens without `typ`. Upper
    /// and lower case are equal, and `application/` in front makes no difference.
    pub fn token_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.token_types = TokenTypes::exactly(types.into_iter().map(Into::into));
        self
    }

    /// Accepts tokens with one of these media types in `typ` as well, in addition to the default or to
    /// [`Self::token_types`].
    ///
    /// ```
    /// # use portcullis::keys::FixedKeys;
    /// # use portcullis::JwtVerifier;
    /// # let keys = FixedKeys::secret(&[7; 32]).unwrap();
    /// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys).also_token_types(["JOSE"]).build()?;
    /// assert_eq!(verifier.token_types(), ["JWT", "at+jwt", "JOSE"]);
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    pub fn also_token_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.token_types.add(types.into_iter().map(Into::into));
        self
    }

    /// Sets how far clocks may differ. Default: 5 seconds; at most 10 minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.time.leeway = leeway;
        self
    }

    /// Sets the longest token that is read, in bytes. Default: 16,384.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Requires these claims to be present and not null.
    ///
    /// `events` makes it a verifier of security events (RFC 8417), for example of logout tokens. Other verifiers refuse tokens with
    /// events as `wrong_token_class`.
    pub fn require_claims<S: Into<Cow<'static, str>>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required_claims.0.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds a check. Added checks run in the order of these calls, after the standard checks.
    pub fn check(mut self, check: impl ClaimCheck + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// Adds a check by closure. If it returns `false`, the token is refused as `check_failed`, and `name` goes to the log.
    ///
    /// ```
    /// # use portcullis::keys::FixedKeys;
    /// # use portcullis::JwtVerifier;
    /// # let keys = FixedKeys::secret(&[7; 32]).unwrap();
    /// let verifier = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys)
    ///     .check_fn("organization", |token| {
    ///         matches!(token.claims().get::<String>("org_id"), Ok(Some(id)) if id == "org_1")
    ///     })
    ///     .build()?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    pub fn check_fn<F>(self, name: impl Into<Cow<'static, str>>, check: F) -> Self
    where
        F: Fn(&TokenView<'_>) -> bool + Send + Sync + 'static,
    {
        self.check(NamedCheck { name: name.into(), check })
    }

    /// Sets where scopes, permissions and roles are read from. Default: [`StandardGrants`].
    pub fn grants(mut self, grants: impl GrantReader + 'static) -> Self {
        self.grants = Arc::new(grants);
        self
    }

    /// Sets another clock, for tests.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Caches the good signatures of up to `tokens` tokens, so that a repeated token costs a lookup instead of a signature
    /// check. Everything else is checked each time, and also whether the token's key is still valid. Default: 0, no cache.
    ///
    /// The cache takes at most 64 MiB, or what [`Self::cache_bytes`] sets. The tokens that are used least leave it first, and
    /// an expired one when it is presented again.
    pub fn cache_tokens(mut self, tokens: u64) -> Self {
        self.cached_tokens = tokens;
        self
    }

    /// Sets how much memory the cached tokens may take, in bytes. Default: 64 MiB (67,108,864). A token of a usual size takes
    /// about 2 KiB, the largest about 100 KiB.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cached_bytes = bytes;
        self
    }

    /// Accepts integers in `sub` and `jti`, and reads them as their decimal text: [`Verified::subject`] of `{"sub":7}` is `7`.
    /// Default: such a token is refused as `invalid_claim`, because both claims are strings (RFC 7519 §4.1.2, §4.1.7).
    ///
    /// Use it only for an issuer that writes all its subjects as numbers: `7` and `"7"` become the same subject. Claims that
    /// are read as your own type keep the number.
    ///
    /// [`Verified::subject`]: crate::Verified::subject
    pub fn accept_integer_ids(mut self) -> Self {
        self.integer_ids = true;
        self
    }

    /// Tries up to `keys` keys for a token that names none: without `kid`, `x5t` and `x5t#S256`. Default: 1, so that such a
    /// token is refused as `ambiguous_key` where several keys fit; at most 8.
    ///
    /// Each try costs a signature check, also for forged tokens. Where the issuer can write `kid`, that is better.
    pub fn try_keys(mut self, keys: usize) -> Self {
        self.unnamed_tries = keys;
        self
    }

    /// Refuses texts that start with one of `prefixes` as `opaque_token` instead of `not_compact_jws`: for identity providers
    /// that mark their opaque tokens. Only the form of a text decides, and a JWT is never affected.
    ///
    /// ```
    /// # use portcullis::keys::FixedKeys;
    /// # use portcullis::{Gate, JwtVerifier};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let keys = FixedKeys::secret(&[7; 32])?;
    /// let verifier = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys)
    ///     .opaque_prefixes(["key_"])
    ///     .build()?;
    /// let refused = Gate::new(verifier).verify("key_4f2a").await.unwrap_err();
    /// assert_eq!(refused.reason().unwrap().as_str(), "opaque_token");
    /// # Ok(()) }
    /// ```
    pub fn opaque_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.opaque_prefixes.extend(prefixes.into_iter().map(Into::into));
        self
    }

    /// Sets how the text of a token is decoded. Default: as a strict JWS Compact Serialization. See [`TokenDecoder`].
    ///
    /// Tokens of this verifier are not cached, [`Verifier::diagnose`](crate::Verifier::diagnose) has no reports about them, and [`ByIssuer`](crate::verifier::ByIssuer) does not accept it.
    pub fn decoder(mut self, decoder: impl TokenDecoder + 'static) -> Self {
        self.decoder = Some(Box::new(decoder));
        self
    }

    /// Sets a closure that says more about a refused token, for example that it is for another API of the identity provider.
    ///
    /// The text is an addition to the log: the field `explanation` of the event `request refused`. The closure is called only
    /// for refused tokens, and only where that event is enabled (level `DEBUG`). It may read the unverified token, so its
    /// text never changes the reason, the metrics or the response.
    ///
    /// ```
    /// # use portcullis::adapter::Credential;
    /// # use portcullis::error::InvalidToken;
    /// # use portcullis::keys::FixedKeys;
    /// # use portcullis::{JwtVerifier, Verifier};
    /// # let keys = FixedKeys::secret(&[7; 32]).unwrap();
    /// let verifier = JwtVerifier::builder("https://issuer.example", "https://api.example.com", keys)
    ///     .explain(|token, found| match (found, token.unverified_claims()) {
    ///         (InvalidToken::WrongAudience, Some(claims)) if claims.contains("nonce") => {
    ///             Some("this looks like an ID token: have the client send the access token")
    ///         }
    ///         _ => None,
    ///     })
    ///     .build()?;
    /// # assert_eq!(verifier.explain(&Credential::bearer("a"), &InvalidToken::NotCompactJws.into()), None);
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    pub fn explain<F>(mut self, explain: F) -> Self
    where
        F: Fn(&UnverifiedToken<'_>, &InvalidToken) -> Option<&'static str> + Send + Sync + 'static,
    {
        self.explain = Some(Box::new(explain));
        self
    }

    /// Options that weaken verification.
    pub fn dangerous(self) -> DangerousBuilder {
        DangerousBuilder(self)
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that cannot be used and what to write instead.
    pub fn build(self) -> Result<JwtVerifier, ConfigError> {
        self.issuer.validate()?;
        self.audience.validate()?;
        self.token_types.validate()?;
        self.time.validate()?;
        let served = self.keys.algorithms();
        let algorithms = self.algorithms.unwrap_or(served);
        if algorithms.intersection(served).is_empty() {
            return Err(ConfigError::new(
                "algorithms",
                format!("no key serves any of the allowed algorithms ({algorithms})"),
                format!("allow one of those that the keys serve, as KeyProvider::algorithms says: {served}"),
            ));
        }
        if self.max_token_bytes == 0 {
            return Err(ConfigError::new(
                "max_token_bytes",
                "zero",
                "write at least a few thousand, for example 16384",
            ));
        }
        if !(1..=MAX_TRIES).contains(&self.unnamed_tries) {
            return Err(ConfigError::new("try_keys", format!("{} keys", self.unnamed_tries), "write 1 to 8"));
        }
        if self.cached_bytes == 0 && self.cached_tokens > 0 {
            return Err(ConfigError::new(
                "cache_bytes",
                "zero",
                "write the memory for cached tokens in bytes, for example 67108864, or leave cache_tokens out",
            ));
        }
        self.required_claims.validate()?;
        let mut checks = vec![Check::Issuer(self.issuer.clone()), Check::Audience(self.audience.clone())];
        checks.extend(self.time.each().map(Check::Date));
        if !self.accept_sender_constrained {
            checks.push(Check::NotSenderConstrained(NotSenderConstrained));
        }
        if !self.required_claims.0.iter().any(|name| name == "events") {
            checks.push(Check::NotSecurityEvent(NotSecurityEvent));
        }
        checks.extend(self.required_claims.each().map(|check| Check::Other(Box::new(check))));
        checks.extend(self.checks.into_iter().map(Check::Other));
        Ok(JwtVerifier {
            issuer: self.issuer,
            audience: self.audience,
            keys: self.keys,
            algorithms,
            token_types: self.token_types,
            max_token_bytes: self.max_token_bytes,
            checks,
            common: Arc::new(Common { grants: self.grants, clock: Some(Arc::clone(&self.clock)) }),
            clock: self.clock,
            headers: HeaderMemo::default(),
            long_headers: Allowance::of(allowance::HEADERS),
            cache: (self.cached_tokens > 0).then(|| TokenCache::new(self.cached_tokens, self.cached_bytes)),
            leeway: self.time.leeway,
            unnamed_tries: self.unnamed_tries,
            integer_ids: self.integer_ids,
            opaque_prefixes: OpaquePrefixes::new(self.opaque_prefixes),
            decoder: self.decoder,
            explain: self.explain,
        })
    }
}

impl fmt::Debug for JwtVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifierBuilder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
