//! What is wrong with a token, in detail.

use std::borrow::Cow;

use crate::error::reason::Reason;

/// What is wrong with a token. [`Self::reason`] is the stable part; `Display` adds which part, claim or check.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    #[error("algorithm not allowed, or not one that the token's type of key serves")]
    #[allow(missing_docs, reason = "each variant is the reason of the same name")]
    AlgorithmNotAllowed,
    #[error("more than one key fits the token")]
    #[allow(missing_docs)]
    AmbiguousKey,
    #[error("bad signature")]
    #[allow(missing_docs)]
    BadSignature,
    /// A check of one's own failed.
    #[error("check {name} failed")]
    CheckFailed {
        /// The check's name.
        name: Cow<'static, str>,
    },
    #[error("the header has crit or b64")]
    #[allow(missing_docs)]
    CriticalHeader,
    #[error("the token is encrypted (JWE)")]
    #[allow(missing_docs)]
    Encrypted,
    #[error("expired")]
    #[allow(missing_docs)]
    Expired,
    /// A token for another API of the same provider, which that API alone can verify; its reason is `wrong_audience`.
    #[error("the token is for {api}, which alone can verify it: have the client ask for a token for this API")]
    ForAnotherApi {
        /// The API's name.
        api: Cow<'static, str>,
    },
    /// A claim of the wrong type, or out of range.
    #[error("claim {claim} has a wrong type or value")]
    InvalidClaim {
        /// The claim's name.
        claim: Cow<'static, str>,
    },
    #[error("the claims do not fit the type that the handler asks for")]
    #[allow(missing_docs)]
    InvalidClaims,
    #[error("iat lies in the future")]
    #[allow(missing_docs)]
    IssuedInFuture,
    /// A part of the token can't be read.
    #[error("the {part} is malformed")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// A claim that a check needs is absent.
    #[error("claim {claim} is missing")]
    MissingClaim {
        /// The claim's name.
        claim: Cow<'static, str>,
    },
    #[error("not three parts, joined by dots")]
    #[allow(missing_docs)]
    NotCompactJws,
    #[error("nbf lies in the future")]
    #[allow(missing_docs)]
    NotYetValid,
    #[error("an opaque token, which only its issuer can read")]
    #[allow(missing_docs)]
    OpaqueToken,
    #[error("revoked")]
    #[allow(missing_docs)]
    Revoked,
    #[error("the token is bound to a key (cnf), which a bearer token can't prove")]
    #[allow(missing_docs)]
    SenderConstrained,
    #[error("the session is pending")]
    #[allow(missing_docs)]
    SessionPending,
    /// More bytes than the limit.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    #[error("no key of the issuer fits the token")]
    #[allow(missing_docs)]
    UnknownKey,
    #[error("the token's user does not exist")]
    #[allow(missing_docs)]
    UserNotFound,
    #[error("the token's user is not verified")]
    #[allow(missing_docs)]
    UserUnverified,
    #[error("aud holds none of the accepted audiences")]
    #[allow(missing_docs)]
    WrongAudience,
    #[error("iss is not an accepted issuer")]
    #[allow(missing_docs)]
    WrongIssuer,
    #[error("azp is not an authorized party")]
    #[allow(missing_docs)]
    WrongParty,
    #[error("the tenant is not accepted")]
    #[allow(missing_docs)]
    WrongTenant,
    #[error("another class of token than is accepted here")]
    #[allow(missing_docs)]
    WrongTokenClass,
    #[error("typ is not an accepted token type")]
    #[allow(missing_docs)]
    WrongType,
}

impl InvalidToken {
    /// The missing claim `name`.
    pub fn missing(name: impl Into<Cow<'static, str>>) -> Self {
        Self::MissingClaim { claim: name.into() }
    }

    /// The claim `name`, of a wrong type or value.
    pub fn invalid(name: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClaim { claim: name.into() }
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::AlgorithmNotAllowed => Reason::AlgorithmNotAllowed,
            Self::AmbiguousKey => Reason::AmbiguousKey,
            Self::BadSignature => Reason::BadSignature,
            Self::CheckFailed { .. } => Reason::CheckFailed,
            Self::CriticalHeader => Reason::CriticalHeader,
            Self::Encrypted => Reason::Encrypted,
            Self::Expired => Reason::Expired,
            Self::ForAnotherApi { .. } => Reason::WrongAudience,
            Self::InvalidClaim { .. } => Reason::InvalidClaim,
            Self::InvalidClaims => Reason::InvalidClaims,
            Self::IssuedInFuture => Reason::IssuedInFuture,
            Self::Malformed { .. } => Reason::Malformed,
            Self::MissingClaim { .. } => Reason::MissingClaim,
            Self::NotCompactJws => Reason::NotCompactJws,
            Self::NotYetValid => Reason::NotYetValid,
            Self::OpaqueToken => Reason::OpaqueToken,
            Self::Revoked => Reason::Revoked,
            Self::SenderConstrained => Reason::SenderConstrained,
            Self::SessionPending => Reason::SessionPending,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::UnknownKey => Reason::UnknownKey,
            Self::UserNotFound => Reason::UserNotFound,
            Self::UserUnverified => Reason::UserUnverified,
            Self::WrongAudience => Reason::WrongAudience,
            Self::WrongIssuer => Reason::WrongIssuer,
            Self::WrongParty => Reason::WrongParty,
            Self::WrongTenant => Reason::WrongTenant,
            Self::WrongTokenClass => Reason::WrongTokenClass,
            Self::WrongType => Reason::WrongType,
        }
    }
}
