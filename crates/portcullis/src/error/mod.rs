//! Errors of requests, and their mapping to HTTP: status, code, sentence and reason.
//!
//! Design notes: [Policy and refusals](crate::_docs::policy).

mod config;
mod invalid_token;
mod invalid_token_table;
mod proof;
mod unavailable;

use std::borrow::Cow;
use std::time::Duration;

pub use config::ConfigError;
pub use invalid_token::{InvalidToken, Reason};
pub use proof::ProofError;

pub use unavailable::Unavailable;

use crate::challenge::Challenge;
use crate::sentence::debug_as_sentence;

/// Why a request is not let in.
///
/// A client gets [`Self::status`], [`Self::code`] and [`Self::description`]. `Display` says more, for logs. It never repeats
/// a token, a claim or a secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The answer of a custom verifier, sent unchanged.
    #[error("refused with status {}", .0.status)]
    Custom(Box<CustomRefusal>),
    /// The request is unsafe, a cookie authenticates it, and it may come from the page of another site (CSRF).
    #[error("{0}")]
    CrossSiteRequest(#[from] CrossSiteRequest),
    /// The caller is known, but the policy does not allow it (RFC 6750 §3.1, `insufficient_scope`).
    #[error("the token lacks what the policy requires")]
    InsufficientScope {
        /// The scopes that the policy names, space-delimited; `None` when it names none.
        scope: Option<String>,
    },
    /// The user's authentication is too old or too weak for the policy (RFC 9470 §3, `insufficient_user_authentication`).
    #[error("the user's authentication is too old or too weak for the policy")]
    InsufficientUserAuthentication {
        /// The authentication context classes of which one is needed, space-delimited; `None` means any.
        acr_values: Option<String>,
        /// The longest time since the user authenticated; `None` means any.
        max_age: Option<Duration>,
    },
    /// The DPoP proof of the request is bad (RFC 9449 §7.1, `invalid_dpop_proof`).
    #[error("{0}")]
    InvalidDpopProof(#[from] ProofError),
    /// The request presents its credential wrongly (RFC 6750 §3.1, `invalid_request`).
    #[error("{0}")]
    InvalidRequest(#[from] InvalidRequest),
    /// The token is bad (RFC 6750 §3.1, `invalid_token`).
    #[error("{0}")]
    InvalidToken(#[from] InvalidToken),
    /// There is no credential, or it uses a scheme that the verifier does not understand.
    #[error("no bearer token in the request")]
    MissingToken,
    /// The service is set up wrongly, or its code panicked. The text is for the log.
    #[error("server error: {0}")]
    Server(Cow<'static, str>),
    /// The token cannot be checked at the moment, for example because its key is unavailable.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// The DPoP proof has no nonce of this service, or an old one (RFC 9449 §9, `use_dpop_nonce`).
    #[error("the DPoP proof has no nonce of this service, or an old one")]
    UseDpopNonce {
        /// The nonce for the next proof: the field `DPoP-Nonce` of the response.
        nonce: String,
    },
}

impl AuthError {
    /// The HTTP status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Custom(custom) => custom.status,
            Self::CrossSiteRequest(_) | Self::InsufficientScope { .. } => 403,
            Self::InvalidRequest(_) => 400,
            Self::InsufficientUserAuthentication { .. }
            | Self::InvalidDpopProof(_)
            | Self::InvalidToken(_)
            | Self::MissingToken
            | Self::UseDpopNonce { .. } => 401,
            Self::Server(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    /// The error code of the body. Challenges have it as well (RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3), except `missing_token`;
    /// `cross_site_request`, `temporarily_unavailable` and `server_error` come without a challenge.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::CrossSiteRequest(_) => "cross_site_request",
            Self::Custom(custom) => &custom.code,
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
            Self::InvalidDpopProof(_) => "invalid_dpop_proof",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidToken(_) => "invalid_token",
            Self::MissingToken => "missing_token",
            Self::Server(_) => "server_error",
            Self::Unavailable(_) => "temporarily_unavailable",
            Self::UseDpopNonce { .. } => "use_dpop_nonce",
        }
    }

    /// One fixed sentence, in the character set of RFC 6750 §3.
    #[must_use]
    pub fn description(&self) -> &str {
        match self {
            Self::CrossSiteRequest(_) => "The request does not come from an allowed origin",
            Self::Custom(custom) => &custom.description,
            Self::InsufficientScope { .. } => "The access token does not grant what this resource requires",
            Self::InsufficientUserAuthentication { .. } => "A more recent or stronger authentication is required",
            Self::InvalidDpopProof(_) => ProofError::DESCRIPTION,
            Self::InvalidRequest(error) => error.description(),
            Self::InvalidToken(error) => error.reason().description(),
            Self::MissingToken => "This resource requires a bearer token",
            Self::Server(_) => "The service is not configured to authenticate requests",
            Self::Unavailable(_) => "The access token cannot be verified at the moment",
            Self::UseDpopNonce { .. } => "The DPoP proof has to contain the nonce of this response",
        }
    }

    /// The code for the closing handshake of a WebSocket that ends for this error. The codes are in the IANA registry "WebSocket
    /// Close Code Number" (RFC 6455 §11.7):
    ///
    /// | code | meaning | the error has the status |
    /// |---|---|---|
    /// | 3000 | Unauthorized: get a new token, then connect again | 401 |
    /// | 3003 | Forbidden | 403 |
    /// | 1013 | Try Again Later | 503 |
    /// | 1011 | Internal Error | 500 |
    /// | 1008 | Policy Violation | any other |
    #[must_use]
    pub fn websocket_close_code(&self) -> u16 {
        match self.status() {
            401 => 3000,
            403 => 3003,
            500 => 1011,
            503 => 1013,
            _ => 1008,
        }
    }

    /// The reason why the token is bad; `None` for other errors.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::InvalidToken(error) => Some(error.reason()),
            _ => None,
        }
    }
}

/// The answer of a custom [`Verifier`](crate::Verifier) in its own words.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomRefusal {
    /// The HTTP status code.
    pub status: u16,
    /// The member `error` of the body.
    pub code: String,
    /// The member `error_description` of the body.
    pub description: String,
    /// The challenges. Each is sent as a separate `WWW-Authenticate` field.
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

/// Why a request may come from the page of another site. `Display` is for the log; clients get one sentence for all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrossSiteRequest {
    /// The method is GET or another safe one, and the request changes something: a link on another site leads to it.
    #[error("a link on another site leads to a request with this method")]
    Link,
    /// The request has an `Origin`, and no origin is allowed.
    #[error("no origin is allowed: set the public URL of the gate, or its allowed origins")]
    NoAllowedOrigins,
    /// `Origin` is not an allowed origin, or appears more than once.
    #[error("Origin is not an allowed origin")]
    OtherOrigin,
    /// `Origin` and `Sec-Fetch-Site` are absent.
    #[error("neither Origin nor Sec-Fetch-Site says which page sent the request")]
    UnknownPage,
    /// `Sec-Fetch-Site` has another value than pages of an allowed origin have, or appears more than once.
    #[error("Sec-Fetch-Site has another value than for an allowed origin")]
    WrongSite,
}

/// Errors in the way a request presents its credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The Authorization field is not `Bearer` 1*SP b64token (RFC 6750 §2.1).
    #[error("the Authorization field is malformed")]
    MalformedAuthorization,
    /// Another source of the token, for example a header or a cookie, does not hold a b64token.
    #[error("the header or cookie that carries the token is malformed")]
    MalformedToken,
    /// The field or cookie that carries the credential appears more than once.
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

debug_as_sentence!(AuthError, ConfigError, InvalidToken, Unavailable);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_to_the_character_set_of_rfc_6750() {
        let allowed = |text: &str| text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        for reason in Reason::ALL {
            assert!(allowed(reason.description()), "{reason}");
        }
        let others = [
            AuthError::MissingToken,
            AuthError::InsufficientScope { scope: None },
            AuthError::InsufficientUserAuthentication { acr_values: None, max_age: None },
            InvalidRequest::MalformedAuthorization.into(),
            InvalidRequest::MalformedToken.into(),
            InvalidRequest::RepeatedCredential.into(),
            Unavailable::new().into(),
            AuthError::Server("x".into()),
            CrossSiteRequest::OtherOrigin.into(),
            ProofError::Missing.into(),
            AuthError::UseDpopNonce { nonce: String::new() },
        ];
        assert!(others.iter().all(|error| allowed(error.description()) && allowed(error.code())));
        // The closing handshake of a WebSocket has room for 123 bytes (RFC 6455 §5.5.1).
        assert!(others.iter().all(|error| error.description().len() <= 123));
        assert!(Reason::ALL.iter().all(|reason| reason.description().len() <= 123));
        let codes: Vec<u16> = others.iter().map(AuthError::websocket_close_code).collect();
        assert_eq!(codes, [3000, 3003, 3000, 1008, 1008, 1008, 1013, 1011, 3003, 3000, 3000]);
    }
}
