//! Builds tokens, which are valid until a test changes them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::dpop::DpopKey;
use crate::signing_key::SigningKey;

/// A builder of a token. It starts with the header and claims of a valid token, and each method changes one of them.
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
    /// Starts a valid token of `issuer` for `audience`, signed with `key`. [`Self::algorithm`] can choose another of
    /// `keys`.
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

    /// Starts a DPoP proof, signed with `key`. Its header names the key by `jwk`, so it has no `kid`.
    pub(crate) fn of_proof(key: &Arc<SigningKey>) -> Self {
        let keys = vec![Arc::clone(key)];
        let builder = Self { keys, key: Arc::clone(key), header: Map::new(), claims: Map::new(), payload: None };
        builder.signed_with(Arc::clone(key)).without_header("kid").claim("iat", now())
    }

    /// Sets `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `scope`: scopes in one string, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `iss`.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Sets `aud`: a string or an array.
    pub fn audience(self, audience: impl Serialize) -> Self {
        self.claim("aud", audience)
    }

    /// Sets `iat` to this date (Unix time, in seconds), and `exp` to one hour later.
    pub fn issued_at(self, seconds: i64) -> Self {
        self.claim("iat", seconds).claim("exp", seconds.saturating_add(3600))
    }

    /// Sets `exp` to this long from now.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        self.claim("exp", now().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Binds the token to `key` (`cnf`, RFC 9449 §6.1): a gate with DPoP lets it in only with a proof of the key.
    pub fn bound_to(self, key: &DpopKey) -> Self {
        self.claim("cnf", serde_json::json!({"jkt": key.thumbprint()}))
    }

    /// Makes the token expired: issued two hours ago, with `exp` one hour ago.
    pub fn expired(self) -> Self {
        self.issued_at(now() - 7200)
    }

    /// Binds the token to the client certificate with this DER encoding: the member `x5t#S256` of `cnf` (RFC 8705 §3.1). Other
    /// members of `cnf` stay.
    ///
    /// ```
    /// let certificate = b"the DER encoding of a certificate";
    /// let token = portcullis_testing::TestIssuer::new().token().bound_to_certificate(certificate);
    /// assert_eq!(token.claims()["cnf"]["x5t#S256"].as_str().map(str::len), Some(43));
    /// ```
    pub fn bound_to_certificate(self, der: impl AsRef<[u8]>) -> Self {
        let thumbprint = digest(&SHA256, der.as_ref());
        let mut confirmation = match self.claims.get("cnf") {
            Some(Value::Object(members)) => members.clone(),
            _ => Map::new(),
        };
        confirmation.insert("x5t#S256".to_owned(), URL_SAFE_NO_PAD.encode(thumbprint).into());
        self.claim("cnf", confirmation)
    }

    /// Sets this claim.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    #[allow(clippy::expect_used, reason = "a value that is not JSON is an error in the test")]
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.insert(name.to_owned(), serde_json::to_value(value).expect("a claim is JSON"));
        self
    }

    /// Removes this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets this header member.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    #[allow(clippy::expect_used, reason = "a value that is not JSON is an error in the test")]
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.insert(name.to_owned(), serde_json::to_value(value).expect("a header member is JSON"));
        self
    }

    /// Removes this header member.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Replaces the whole payload by these bytes. The claims are then ignored.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Signs with the issuer's key for `algorithm`, and sets `alg` and `kid` accordingly.
    ///
    /// # Panics
    /// If the issuer has no such key.
    #[allow(clippy::expect_used, reason = "an algorithm that the issuer lacks is an error in the test")]
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        let key = self.keys.iter().find(|key| key.algorithm() == algorithm).expect("the issuer has such a key");
        let key = Arc::clone(key);
        self.signed_with(key)
    }

    /// Signs with `key`, and sets `alg` and `kid` accordingly.
    pub fn signed_with(mut self, key: Arc<SigningKey>) -> Self {
        self.key = Arc::clone(&key);
        self.header("alg", key.algorithm().name()).header("kid", key.id())
    }

    /// Signs with `key`, but leaves `alg` and `kid` as they are.
    pub fn forged_with(mut self, key: Arc<SigningKey>) -> Self {
        self.key = key;
        self
    }

    /// Returns the current claims.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Signs the token and returns it in compact form (RFC 7515 §7.1).
    #[must_use]
    pub fn sign(&self) -> String {
        let signing_input = self.signing_input();
        let signature = self.key.sign(signing_input.as_bytes());
        format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs the token as load balancers of AWS write it: each part has padding, and the signature covers the padding, against
    /// RFC 7515 §2.
    ///
    /// ```
    /// let balancer = portcullis_testing::TestIssuer::new();
    /// assert!(balancer.token().claim("x", "").sign_padded().split('.').all(|part| part.len() % 4 == 0));
    /// ```
    #[must_use]
    pub fn sign_padded(&self) -> String {
        let pad = |text: &str| format!("{text}{}", "=".repeat(text.len().next_multiple_of(4) - text.len()));
        let parts: Vec<_> = self.signing_input().split('.').map(pad).collect();
        let signing_input = parts.join(".");
        let signature = self.key.sign(signing_input.as_bytes());
        format!("{signing_input}.{}", pad(&URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Returns the header and the payload without a signature (RFC 7515 §5.1).
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
