//! The proof itself: one field, one strict JWS, checked with the public key in its header (RFC 9449 §4.3).

use std::time::Duration;

use serde_json::value::RawValue;

use crate::claims::{Claims, NumericDate};
use crate::credential::{RequestView, normalize, the_only_field};
use crate::error::{InvalidToken, ProofError};
use crate::hash::sha256;
use crate::jose::compact::{Compact, DEFAULT_MAX_BYTES};
use crate::jose::json::JsonObject;
use crate::jose::{AlgorithmSet, Header, VerifyingKey, base64url, jwk};

/// The longest proof, in bytes. The largest keys of ML-DSA need 12,000.
const MAX_BYTES: usize = DEFAULT_MAX_BYTES;
/// The longest header, in bytes of its encoded text. The largest keys of ML-DSA need 4,800.
const MAX_HEADER_BYTES: usize = 6 * 1024;
/// How far the clocks of client and service may differ for `exp` and `nbf`, which proofs rarely have.
const LEEWAY: Duration = Duration::from_secs(5);

/// The members of a JWK that are private or secret (RFC 7518 §6, RFC 9964).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A proof whose signature is good.
pub(super) struct Proof {
    claims: Claims,
    thumbprint: String,
}

impl Proof {
    /// Reads the proof of a request and checks its signature.
    pub(super) fn read(request: &dyn RequestView, allowed: AlgorithmSet) -> Result<Self, ProofError> {
        let field = the_only_field(request, "dpop").map_err(|_| ProofError::Repeated)?.ok_or(ProofError::Missing)?;
        let proof = Compact::parse(field, MAX_BYTES).map_err(|error| match error {
            InvalidToken::TooLarge { .. } => ProofError::TooLarge,
            _ => ProofError::Malformed,
        })?;
        let header = proof.header_of_at_most(MAX_HEADER_BYTES).map_err(|error| match error {
            InvalidToken::TooLarge { .. } => ProofError::TooLarge,
            InvalidToken::CriticalHeader => ProofError::CriticalHeader,
            _ => ProofError::Malformed,
        })?;
        if header.token_type() != Some("dpop+jwt") {
            return Err(ProofError::WrongType);
        }
        let algorithm = header.algorithm().filter(|algorithm| allowed.contains(*algorithm));
        let algorithm = algorithm.ok_or(ProofError::AlgorithmNotAllowed)?;
        let key = read_key(&header)?;
        if !key.algorithms().contains(algorithm) {
            return Err(ProofError::UnusableKey);
        }
        proof.verify(&key, algorithm).map_err(|_| ProofError::BadSignature)?;
        let payload = proof.payload().map_err(|_| ProofError::Malformed)?;
        let claims = Claims::parse(payload).map_err(|error| match error {
            InvalidToken::InvalidClaim { .. } => ProofError::InvalidClaim,
            _ => ProofError::Malformed,
        })?;
        let thumbprint = key.thumbprint().ok_or(ProofError::UnusableKey)?;
        Ok(Self { claims, thumbprint })
    }

    /// Checks `htm` and `htu`. `target` is a normal form.
    pub(super) fn check_request(&self, method: &str, target: &str) -> Result<(), ProofError> {
        // All claims that a proof needs are looked for first.
        self.id_or_missing()?;
        let (htm, htu) = (self.text("htm")?, self.text("htu")?);
        self.text("ath")?;
        self.claims.issued_at().ok_or(ProofError::MissingClaim)?;
        if htm != method {
            return Err(ProofError::WrongMethod);
        }
        if normalize(&htu).as_deref() == Some(target) { Ok(()) } else { Err(ProofError::WrongTarget) }
    }

    /// Checks `iat`, `exp` and `nbf`. Returns the last moment at which the proof is accepted.
    pub(super) fn check_time(&self, now: NumericDate, window: Duration) -> Result<NumericDate, ProofError> {
        let issued_at = self.claims.issued_at().ok_or(ProofError::MissingClaim)?;
        if issued_at > now.saturating_add(window) {
            return Err(ProofError::FromFuture);
        }
        let last = issued_at.saturating_add(window);
        if last < now {
            return Err(ProofError::TooOld);
        }
        self.check_lifetime(now)?;
        Ok(last)
    }

    /// Checks `exp` and `nbf`, which a proof may have as any JWT (RFC 7519 §4.1.4, §4.1.5).
    pub(super) fn check_lifetime(&self, now: NumericDate) -> Result<(), ProofError> {
        if self.claims.expires_at().is_some_and(|expires_at| expires_at.saturating_add(LEEWAY) <= now) {
            return Err(ProofError::TooOld);
        }
        if self.claims.not_before().is_some_and(|not_before| not_before > now.saturating_add(LEEWAY)) {
            return Err(ProofError::FromFuture);
        }
        Ok(())
    }

    /// Checks `ath`: the proof is for this access token.
    pub(super) fn check_token(&self, token: &[u8]) -> Result<(), ProofError> {
        if self.text("ath")? == base64url::encode(&sha256(token)) { Ok(()) } else { Err(ProofError::WrongToken) }
    }

    /// `jti`.
    pub(super) fn id(&self) -> &str {
        self.claims.token_id().unwrap_or_default()
    }

    /// `nonce`.
    pub(super) fn nonce(&self) -> Result<Option<String>, ProofError> {
        self.claims.get("nonce").map_err(|_| ProofError::InvalidClaim)
    }

    /// The thumbprint of the key (RFC 7638).
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    fn id_or_missing(&self) -> Result<(), ProofError> {
        if self.id().is_empty() { Err(ProofError::MissingClaim) } else { Ok(()) }
    }

    fn text(&self, name: &'static str) -> Result<String, ProofError> {
        let text: Option<String> = self.claims.get(name).map_err(|_| ProofError::InvalidClaim)?;
        text.filter(|text| !text.is_empty()).ok_or(ProofError::MissingClaim)
    }
}

/// Reads `jwk`. Its public members have to be the key: a certificate is not read.
fn read_key(header: &Header) -> Result<VerifyingKey, ProofError> {
    let text = header.get::<&RawValue>("jwk").ok_or(ProofError::UnusableKey)?.get();
    let members = JsonObject::parse(text.as_bytes().to_vec()).map_err(|_| ProofError::UnusableKey)?;
    if members.iter().any(|(name, _)| PRIVATE.contains(&name)) {
        return Err(ProofError::PrivateKey);
    }
    let needed = match members.raw("kty") {
        Some(r#""RSA""#) => "n",
        Some(r#""AKP""#) => "pub",
        _ => "x",
    };
    if members.raw(needed).is_none_or(|value| value == "null") {
        return Err(ProofError::UnusableKey);
    }
    jwk::read_public(text).map_err(|_| ProofError::UnusableKey)
}
