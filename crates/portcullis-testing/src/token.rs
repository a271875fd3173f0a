//! Tokens, good unless changed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::signing_key::SigningKey;

/// A token to be: header and claims of a good one, which can be changed one by one before it is signed.
///
/// ```
/// let issuer = portcullis_testing::TestIssuer::new();
/// let token = issuer.token().subject("user-7").claim("org_id", "org_1").without("jti").sign();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Clone)]
#[must_use = "sign it"]
pub struct TokenBuilder {
    keys: Vec<Arc<SigningKey>>,
    key: Arc<SigningKey>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    payload: Option<Vec<u8>>,
}

impl TokenBuilder {
    /// A good token of `issuer` for `audience`, signed with `key`, or with another of `keys`.
    pub(crate) fn new(key: &Arc<SigningKey>, keys: &[Arc<SigningKey>], issuer: &str, audience: &str) -> Self {
        let builder =
            Self { keys: keys.to_vec(), key: Arc::clone(key), header: Map::new(), claims: Map::new(), payload: None };
        builder
            .signed_with(Arc::clone(key))
            .header("typ", "at+jwt")
            .issuer(issuer)
            .subject("user-1")
            .audience(audience)
            .claim("jti", "token-1")
            .issued_at(now())
    }

    /// With this `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// With these scopes, space-delimited.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// With this `iss`.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// With this `aud`: a string or an array.
    pub fn audience(self, audience: impl Serialize) -> Self {
        self.claim("aud", audience)
    }

    /// Issued at this date, in seconds since 1970, and good for an hour from then.
    pub fn issued_at(self, seconds: i64) -> Self {
        self.claim("iat", seconds).claim("exp", seconds.saturating_add(3600))
    }

    /// Expiring this long from now.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        self.claim("exp", now().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Issued two hours ago, so expired for an hour.
    pub fn expired(self) -> Self {
        self.issued_at(now() - 7200)
    }

    /// With this claim.
    ///
    /// # Panics
    /// When `value` is nothing that JSON can hold.
    #[allow(clippy::expect_used, reason = "a value that is no JSON is a mistake in the test")]
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.insert(name.to_owned(), serde_json::to_value(value).expect("a claim is JSON"));
        self
    }

    /// Without this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// With this member of the header.
    ///
    /// # Panics
    /// When `value` is nothing that JSON can hold.
    #[allow(clippy::expect_used, reason = "a value that is no JSON is a mistake in the test")]
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.insert(name.to_owned(), serde_json::to_value(value).expect("a header member is JSON"));
        self
    }

    /// Without this member of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// With these bytes as payload, whatever the claims are.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Signed with the issuer's key for `algorithm`.
    ///
    /// # Panics
    /// When the issuer has no such key.
    #[allow(clippy::expect_used, reason = "an algorithm that the issuer lacks is a mistake in the test")]
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        let key = self.keys.iter().find(|key| key.algorithm() == algorithm).expect("the issuer has such a key");
        let key = Arc::clone(key);
        self.signed_with(key)
    }

    /// Signed with `key`, and saying so in `alg` and `kid`.
    pub fn signed_with(mut self, key: Arc<SigningKey>) -> Self {
        self.key = Arc::clone(&key);
        self.header("alg", key.algorithm().name()).header("kid", key.id())
    }

    /// Signed with `key`, whatever the header says.
    pub fn forged_with(mut self, key: Arc<SigningKey>) -> Self {
        self.key = key;
        self
    }

    /// The claims as they are now.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The token.
    #[must_use]
    pub fn sign(&self) -> String {
        let signing_input = self.signing_input();
        let signature = self.key.sign(signing_input.as_bytes());
        format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The token without its signature and the dot before it (RFC 7515 §5.1).
    #[must_use]
    pub fn signing_input(&self) -> String {
        let header = Value::Object(self.header.clone()).to_string();
        let claims = || Value::Object(self.claims.clone()).to_string().into_bytes();
        let payload = self.payload.clone().unwrap_or_else(claims);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
