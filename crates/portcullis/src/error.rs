//! What can be wrong with a request, and the one mapping from it to HTTP: status, code, sentence, reason.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::challenge::Challenge;

/// Why a request was not let in.
///
/// [`Self::status`], [`Self::code`] and [`Self::description`] say what a client is told. `Display` says more, for logs;
/// it never repeats a token, a claim or a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Another scheme's or verifier's own answer, sent as it is.
    #[error("refused with status {}", .0.status)]
    Custom(Box<CustomRefusal>),
    /// The caller is known and may not do this (RFC 6750 §3.1, `insufficient_scope`).
    #[error("the token lacks what the policy requires")]
    InsufficientScope {
        /// The scopes that the policy names, space-delimited; `None` when it names none.
        scope: Option<String>,
    },
    /// The request presents its credential wrongly (RFC 6750 §3.1, `invalid_request`).
    #[error("{0}")]
    InvalidRequest(#[from] InvalidRequest),
    /// The token is not good (RFC 6750 §3.1, `invalid_token`).
    #[error("{0}")]
    InvalidToken(#[from] InvalidToken),
    /// There is no credential, or one of another scheme.
    #[error("no bearer token in the request")]
    MissingToken,
    /// The service itself is set up wrongly; the text is for its log.
    #[error("server error: {0}")]
    Server(Cow<'static, str>),
    /// The token can't be judged now: its key can't be had.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl AuthError {
    /// The HTTP status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Custom(custom) => custom.status,
            Self::InsufficientScope { .. } => 403,
            Self::InvalidRequest(_) => 400,
            Self::InvalidToken(_) | Self::MissingToken => 401,
            Self::Server(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    /// The error code of the body; for `invalid_request`, `invalid_token` and `insufficient_scope` also of the
    /// challenge (RFC 6750 §3.1).
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Custom(custom) => &custom.code,
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidToken(_) => "invalid_token",
            Self::MissingToken => "missing_token",
            Self::Server(_) => "server_error",
            Self::Unavailable(_) => "temporarily_unavailable",
        }
    }

    /// One fixed sentence, in the character set of RFC 6750 §3.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::Custom(custom) => &custom.description,
            Self::InsufficientScope { .. } => "The access token does not grant what this resource requires",
            Self::InvalidRequest(error) => error.description(),
            Self::InvalidToken(error) => error.reason().description(),
            Self::MissingToken => "This resource requires a bearer token",
            Self::Server(_) => "The service is not configured to authenticate requests",
            Self::Unavailable(_) => "The access token cannot be verified at the moment",
        }
    }

    /// The closed reason of a bad token.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::InvalidToken(error) => Some(error.reason()),
            _ => None,
        }
    }
}

/// A refusal that a [`Verifier`](crate::Verifier) of another scheme words itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomRefusal {
    /// The HTTP status code.
    pub status: u16,
    /// The member `error` of the body.
    pub code: String,
    /// The member `error_description` of the body.
    pub description: String,
    /// The challenges, each sent as a `WWW-Authenticate` field of its own.
    pub challenges: Vec<Challenge>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
}

impl CustomRefusal {
    /// A refusal without challenges or further headers.
    pub fn new(status: u16, code: impl Into<String>, description: impl Into<String>) -> Self {
        Self { status, code: code.into(), description: description.into(), challenges: Vec::new(), headers: Vec::new() }
    }
}

impl From<CustomRefusal> for AuthError {
    fn from(refusal: CustomRefusal) -> Self {
        Self::Custom(Box::new(refusal))
    }
}

/// How a request presents its credential wrongly.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The Authorization field is not `Bearer` 1*SP b64token (RFC 6750 §2.1).
    #[error("the Authorization field is malformed")]
    MalformedAuthorization,
    /// Another source of the token (a header or a cookie) does not hold a b64token.
    #[error("the header or cookie that carries the token is malformed")]
    MalformedToken,
    /// The field or cookie that carries the credential stands more than once.
    #[error("the credential is presented more than once")]
    RepeatedCredential,
}

impl InvalidRequest {
    fn description(self) -> &'static str {
        match self {
            Self::MalformedAuthorization => "The Authorization field is not of the form Bearer token",
            Self::MalformedToken => "The header or cookie for the token does not hold one",
            Self::RepeatedCredential => "The request presents more than one credential",
        }
    }
}

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
    /// More octets than the limit.
    #[error("longer than {limit} octets")]
    TooLarge {
        /// The limit, in octets.
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

/// The keys can't be had at the moment, so nothing can be said of the token.
#[derive(Debug, thiserror::Error)]
#[error("the keys cannot be had at the moment")]
#[non_exhaustive]
pub struct Unavailable {
    /// When another attempt makes sense, if known.
    pub retry_after: Option<Duration>,
    /// What went wrong.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Unavailable {
    /// Unavailable for an unknown time and reason.
    #[must_use]
    pub fn new() -> Self {
        Self { retry_after: None, source: None }
    }

    /// Another attempt makes sense after `delay`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// What went wrong; it may reach logs, so it must not hold secrets.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Default for Unavailable {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration that can't be used: which field, what is wrong, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {problem}; {hint}")]
pub struct ConfigError {
    field: Cow<'static, str>,
    problem: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl ConfigError {
    /// `field` has `problem`; `hint` says what to write instead.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), problem: problem.into(), hint: hint.into() }
    }

    /// The field, option or environment variable.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The same error about the field as it is named elsewhere, such as an environment variable.
    #[must_use]
    pub fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = field.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sentences_keep_to_the_character_set_of_rfc_6750() {
        let allowed = |text: &str| text.bytes().all(|octet| matches!(octet, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        for reason in Reason::ALL {
            assert!(allowed(reason.description()), "{reason}");
        }
        let others = [
            AuthError::MissingToken,
            AuthError::InsufficientScope { scope: None },
            InvalidRequest::MalformedAuthorization.into(),
            InvalidRequest::MalformedToken.into(),
            InvalidRequest::RepeatedCredential.into(),
            Unavailable::new().into(),
            AuthError::Server("x".into()),
        ];
        assert!(others.iter().all(|error| allowed(error.description()) && allowed(error.code())));
    }

    #[test]
    fn reasons_are_distinct() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
