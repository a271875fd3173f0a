//! What is wrong with a token: the closed list of reasons, and the error that says which part, claim or check it is.

use std::borrow::Cow;
use std::fmt;

use crate::error::invalid_token_table::invalid_token_table;

invalid_token_table! {
    #[doc = include_str!("reasons.md")]
    #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
    #[non_exhaustive]
    pub enum Reason;

    /// What is wrong with a token.
    ///
    /// [`Self::reason`] is the stable part, for clients and metrics. `Display` is for logs: it adds which part, claim or
    /// check it is, and never repeats a token, a claim's value or a secret.
    #[derive(Clone, Eq, PartialEq, thiserror::Error)]
    #[non_exhaustive]
    pub enum InvalidToken;

    /// A part of the token is not base64url, or not JSON of the right form.
    Malformed "malformed", "The access token is malformed",
    log "the {part} is malformed" {
        /// The part of the token, for example `header`.
        part: &'static str
    }

    /// The token is longer than the limit.
    TooLarge "too_large", "The access token is too large",
    log "longer than {limit} bytes" {
        /// The limit, in bytes.
        limit: usize
    }

    /// The token does not have three parts that are joined by dots (RFC 7515 §3.1).
    NotCompactJws "not_compact_jws", "The access token is not a signed JWT",
    log "not three parts, joined by dots"

    /// The token has five parts: it is encrypted (RFC 7516 §3.1).
    Encrypted "encrypted", "Encrypted access tokens are not supported",
    log "the token is encrypted (JWE)"

    /// The header has `crit` (RFC 7515 §4.1.11) or `b64` (RFC 7797).
    CriticalHeader "critical_header", "The access token requires an unsupported extension",
    log "the header has crit or b64"

    /// The header's `typ` is not accepted.
    WrongType "wrong_type", "The token is not of the type accepted here",
    log "typ is not an accepted token type"

    /// The header's `alg` is not on the allow-list, or this crate does not implement it.
    AlgorithmNotAllowed "algorithm_not_allowed", "The signature algorithm of the access token is not allowed",
    log "the signature algorithm is unknown or not allowed"

    /// No key of the issuer fits the token's `kid` and `alg`.
    UnknownKey "unknown_key", "The access token is signed with an unknown key",
    log "no key of the issuer fits the token"

    /// More than one key of the issuer fits the token.
    AmbiguousKey "ambiguous_key", "The access token does not identify its key",
    log "more than one key fits the token"

    /// The signature does not verify.
    BadSignature "bad_signature", "The signature of the access token is invalid",
    log "bad signature"

    /// A claim that a check needs is absent.
    MissingClaim "missing_claim", "The access token lacks a required claim",
    log "claim {claim} is missing" {
        /// The claim's name.
        claim: Cow<'static, str>
    }

    /// A claim has the wrong type, or is out of range.
    InvalidClaim "invalid_claim", "The access token has an invalid claim",
    log "claim {claim} has a wrong type or value" {
        /// The claim's name.
        claim: Cow<'static, str>
    }

    /// The claims do not fit the type that the handler asks for.
    InvalidClaims "invalid_claims", "The claims of the access token do not fit this resource",
    log "the claims do not fit the type that the handler asks for"

    /// The time is at or after `exp`.
    Expired "expired", "The access token expired",
    log "expired"

    /// The time is before `nbf`.
    NotYetValid "not_yet_valid", "The access token is not yet valid",
    log "nbf lies in the future"

    /// The time is before `iat`.
    IssuedInFuture "issued_in_future", "The access token was issued in the future",
    log "iat lies in the future"

    /// `iss` is not an accepted issuer.
    WrongIssuer "wrong_issuer", "The access token is from an issuer that is not accepted",
    log "iss is not an accepted issuer"

    /// `aud` has no accepted audience.
    WrongAudience "wrong_audience", "The access token is for another audience",
    log "aud has no accepted audience"

    /// `azp` is not an authorized party.
    WrongParty "wrong_party", "The access token was issued to a party that is not authorized",
    log "azp is not an authorized party"

    /// The tenant is not accepted.
    WrongTenant "wrong_tenant", "The access token is from a tenant that is not accepted",
    log "the tenant is not accepted"

    /// The token is of another class than the one that is accepted, for example an ID token.
    WrongTokenClass "wrong_token_class", "The token is of another class than accepted here",
    log "another class of token than is accepted here"

    /// The user has not completed the sign-in of the session.
    SessionPending "session_pending", "The session of the access token is pending",
    log "the session is pending"

    /// The token is not a JWT: only its issuer can read it.
    OpaqueToken "opaque_token", "Opaque access tokens are not accepted here",
    log "an opaque token, which only its issuer can read"

    /// The token is bound to a key by `cnf` (RFC 7800), and the request does not prove that key.
    SenderConstrained "sender_constrained", "The access token is bound to a key that this request does not prove",
    log "the token is bound to a key (cnf), which a bearer token cannot prove"

    /// The token is bound to a client certificate (RFC 8705 §3), and the request does not have that certificate.
    WrongCertificate "wrong_certificate", "The access token is bound to a client certificate that this request does not have",
    log "the client certificate of the token is not proven: {problem}" {
        /// What is wrong with the certificate of the request.
        problem: &'static str
    }

    /// The token is opaque, and its issuer does not know it or says that it is not active (RFC 7662 §2.2).
    Inactive "inactive", "The access token is not active",
    log "not active"

    /// The token was revoked.
    Revoked "revoked", "The access token was revoked",
    log "revoked"

    /// The token's user does not exist.
    UserNotFound "user_not_found", "The user of the access token does not exist",
    log "the token's user does not exist"

    /// The token's user is not verified.
    UserUnverified "user_unverified", "The user of the access token is not verified",
    log "the token's user is not verified"

    /// A custom check refused the token.
    CheckFailed "check_failed", "The access token is not accepted here",
    log "check {name} failed" {
        /// The check's name.
        name: Cow<'static, str>
    }
}

impl InvalidToken {
    /// The error for the absent claim `name`.
    pub fn missing(name: impl Into<Cow<'static, str>>) -> Self {
        Self::MissingClaim { claim: name.into() }
    }

    /// The error for the claim `name` with a wrong type or value.
    pub fn invalid(name: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClaim { claim: name.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients rely on every name and sentence: a change in the table has to be made in `reasons.md` too.
    #[test]
    fn names_and_sentences_are_those_of_reasons_md() {
        let made: Vec<String> =
            Reason::ALL.iter().map(|reason| format!("| `{reason}` | {} |", reason.description())).collect();
        let stated: Vec<&str> = include_str!("reasons.md").lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(made, stated);
    }

    #[test]
    fn errors_have_the_reason_of_their_name() {
        assert_eq!(InvalidToken::Expired.reason(), Reason::Expired);
        assert_eq!(InvalidToken::missing("sub").reason(), Reason::MissingClaim);
    }
}
