//! What is wrong with a token, as clients and metrics are told: the closed list and its fixed sentences.

use std::fmt;

/// The closed list of reasons for which a token is refused: the member `reason` of the body, and the label for logs
/// and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// `malformed`: a part of the token is not base64url or not JSON of the right form.
    Malformed,
    /// `too_large`: longer than the limit.
    TooLarge,
    /// `not_compact_jws`: not three parts joined by dots.
    NotCompactJws,
    /// `encrypted`: five parts, a JWE.
    Encrypted,
    /// `critical_header`: the header has `crit` or `b64`.
    CriticalHeader,
    /// `wrong_type`: `typ` is not accepted.
    WrongType,
    /// `algorithm_not_allowed`: `alg` is not on the allow-list, or is `none`.
    AlgorithmNotAllowed,
    /// `unknown_key`: the issuer has no such key.
    UnknownKey,
    /// `ambiguous_key`: more than one key fits.
    AmbiguousKey,
    /// `bad_signature`: the signature does not verify.
    BadSignature,
    /// `missing_claim`: a claim that a check needs is absent.
    MissingClaim,
    /// `invalid_claim`: a claim of the wrong type or out of range.
    InvalidClaim,
    /// `invalid_claims`: the claims do not fit the handler's type.
    InvalidClaims,
    /// `expired`: at or past `exp`.
    Expired,
    /// `not_yet_valid`: before `nbf`.
    NotYetValid,
    /// `issued_in_future`: before `iat`.
    IssuedInFuture,
    /// `wrong_issuer`: `iss` is not accepted.
    WrongIssuer,
    /// `wrong_audience`: `aud` is not accepted.
    WrongAudience,
    /// `wrong_party`: `azp` is not accepted.
    WrongParty,
    /// `wrong_tenant`: the tenant is not accepted.
    WrongTenant,
    /// `wrong_token_class`: another class of token than is accepted here.
    WrongTokenClass,
    /// `session_pending`: the session is not yet signed in.
    SessionPending,
    /// `opaque_token`: no JWT, but a token that only its issuer can read.
    OpaqueToken,
    /// `sender_constrained`: the token is bound to a key (`cnf`).
    SenderConstrained,
    /// `revoked`: the token was revoked.
    Revoked,
    /// `user_not_found`: the token's user does not exist.
    UserNotFound,
    /// `user_unverified`: the token's user is not verified.
    UserUnverified,
    /// `check_failed`: a check of one's own failed.
    CheckFailed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 28] = [
        Self::Malformed,
        Self::TooLarge,
        Self::NotCompactJws,
        Self::Encrypted,
        Self::CriticalHeader,
        Self::WrongType,
        Self::AlgorithmNotAllowed,
        Self::UnknownKey,
        Self::AmbiguousKey,
        Self::BadSignature,
        Self::MissingClaim,
        Self::InvalidClaim,
        Self::InvalidClaims,
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedInFuture,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::WrongParty,
        Self::WrongTenant,
        Self::WrongTokenClass,
        Self::SessionPending,
        Self::OpaqueToken,
        Self::SenderConstrained,
        Self::Revoked,
        Self::UserNotFound,
        Self::UserUnverified,
        Self::CheckFailed,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.text().0
    }

    /// The fixed sentence that a client is told, in the character set of RFC 6750 §3.
    #[must_use]
    pub const fn description(self) -> &'static str {
        self.text().1
    }

    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => ("malformed", "The access token is malformed"),
            Self::TooLarge => ("too_large", "The access token is too large"),
            Self::NotCompactJws => ("not_compact_jws", "The access token is not a signed JWT"),
            Self::Encrypted => ("encrypted", "Encrypted access tokens are not supported"),
            Self::CriticalHeader => ("critical_header", "The access token requires an unsupported extension"),
            Self::WrongType => ("wrong_type", "The token is not of the type accepted here"),
            Self::AlgorithmNotAllowed => {
                ("algorithm_not_allowed", "The signature algorithm of the access token is not allowed")
            }
            Self::UnknownKey => ("unknown_key", "The access token is signed with an unknown key"),
            Self::AmbiguousKey => ("ambiguous_key", "The access token does not identify its key"),
            Self::BadSignature => ("bad_signature", "The signature of the access token is invalid"),
            Self::MissingClaim => ("missing_claim", "The access token lacks a required claim"),
            Self::InvalidClaim => ("invalid_claim", "The access token has an invalid claim"),
            Self::InvalidClaims => ("invalid_claims", "The claims of the access token do not fit this resource"),
            Self::Expired => ("expired", "The access token expired"),
            Self::NotYetValid => ("not_yet_valid", "The access token is not yet valid"),
            Self::IssuedInFuture => ("issued_in_future", "The access token was issued in the future"),
            Self::WrongIssuer => ("wrong_issuer", "The access token is from an issuer that is not accepted"),
            Self::WrongAudience => ("wrong_audience", "The access token is for another audience"),
            Self::WrongParty => ("wrong_party", "The access token was issued to a party that is not authorized"),
            Self::WrongTenant => ("wrong_tenant", "The access token is from a tenant that is not accepted"),
            Self::WrongTokenClass => ("wrong_token_class", "The token is of another class than accepted here"),
            Self::SessionPending => ("session_pending", "The session of the access token is pending"),
            Self::OpaqueToken => ("opaque_token", "Opaque access tokens are not accepted here"),
            Self::SenderConstrained => {
                ("sender_constrained", "The access token is bound to a key that this request does not prove")
            }
            Self::Revoked => ("revoked", "The access token was revoked"),
            Self::UserNotFound => ("user_not_found", "The user of the access token does not exist"),
            Self::UserUnverified => ("user_unverified", "The user of the access token is not verified"),
            Self::CheckFailed => ("check_failed", "The access token is not accepted here"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reasons_are_distinct() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
