//! Security event tokens (RFC 8417) of the Shared Signals Framework 1.0, with events of CAEP 1.0.

use std::fmt;

use portcullis::Reason;
use portcullis::error::{InvalidToken, Unavailable};
use serde::Deserialize;
use serde_json::Value;

use super::report::{Members, NotVerified, Report, not_valid, present};
use super::subject::EventSubject;
use crate::timestamp::Timestamp;

/// An event that was received, and what it did. `Debug` shows no subject.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// The URI of the event type.
    pub event_type: String,
    /// The subject. `None` is possible for verification events.
    pub subject: Option<EventSubject>,
    /// What the event did.
    pub effect: EventEffect,
}

/// What an event did.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EventEffect {
    /// Access tokens are denied.
    Denied,
    /// Nothing: the service does not know the subject. **Look at these events:** access tokens that should be denied are
    /// accepted.
    UnknownSubject,
    /// Nothing: the receiver does not know this type of event.
    UnknownEvent,
    /// Nothing: the event was received before.
    Repeated,
    /// The stream works.
    Verified {
        /// What the service gave to the transmitter.
        state: Option<String>,
    },
    /// The transmitter changed the status of the stream. Unless it is `enabled`, no more events come.
    StreamUpdated {
        /// The status.
        status: Option<String>,
    },
}

/// Why a security event token was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is not valid.
    #[error("the security event token is not valid: {0}")]
    Invalid(InvalidToken),
    /// It is valid, but not an event of the Shared Signals Framework.
    #[error("the security event token is not valid: {0}")]
    Malformed(&'static str),
    /// The keys, the store or the users are unavailable: send the event again.
    #[error("events are unavailable at the moment")]
    Unavailable(#[from] Unavailable),
}

impl EventError {
    /// Returns the code of RFC 8935 §2.4. `None` means that the fault is temporary.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(invalid) => Some(match invalid {
                InvalidToken::WrongIssuer => "invalid_issuer",
                InvalidToken::WrongAudience => "invalid_audience",
                InvalidToken::MissingClaim { claim } if claim == "iss" => "invalid_issuer",
                InvalidToken::MissingClaim { claim } if claim == "aud" => "invalid_audience",
                other => match other.reason() {
                    Reason::AlgorithmNotAllowed
                    | Reason::AmbiguousKey
                    | Reason::BadSignature
                    | Reason::Encrypted
                    | Reason::UnknownKey => "invalid_key",
                    _ => "invalid_request",
                },
            }),
            Self::Malformed(_) => Some("invalid_request"),
            Self::Unavailable(_) => None,
        }
    }

    /// Returns the sentence for the transmitter.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Invalid(invalid) => not_valid(invalid),
            Self::Malformed(problem) => (*problem).to_owned(),
            Self::Unavailable(_) => "The receiver is unavailable at the moment".to_owned(),
        }
    }
}

impl From<NotVerified> for EventError {
    fn from(error: NotVerified) -> Self {
        match error {
            NotVerified::Invalid(invalid) => Self::Invalid(invalid),
            NotVerified::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// The event of a token.
pub(super) struct Event {
    pub(super) uri: String,
    pub(super) kind: EventKind,
    pub(super) subject: Option<EventSubject>,
    /// When it happened, by the clock of the transmitter.
    pub(super) at: Timestamp,
}

pub(super) enum EventKind {
    /// CAEP `session-revoked` and `credential-change`.
    Revocation,
    Verification {
        state: Option<String>,
    },
    StreamUpdated {
        status: Option<String>,
    },
    Unknown,
}

/// The claims that only these tokens have.
#[derive(Deserialize)]
struct Claims {
    events: Members,
    sub_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: bool,
    #[serde(default, deserialize_with = "present")]
    sub: bool,
}

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

impl Event {
    pub(super) fn read(report: &Report) -> Result<Self, EventError> {
        let claims: Claims = report.claims.claims().map_err(|_| EventError::Malformed("A claim has a wrong type"))?;
        if claims.exp {
            return Err(EventError::Malformed("The token has exp, which security events must not have"));
        }
        if claims.sub {
            return Err(EventError::Malformed("The token has sub, which security events must not have"));
        }
        let Ok([(uri, payload)]) = <[(String, Value); 1]>::try_from(claims.events.0) else {
            return Err(EventError::Malformed("The token does not have exactly one event"));
        };
        let Value::Object(payload) = payload else {
            return Err(EventError::Malformed("The event is not an object"));
        };
        let subject = match &claims.sub_id {
            None => None,
            Some(subject) => Some(
                EventSubject::read(subject)
                    .ok_or(EventError::Malformed("The subject is not an object with a format"))?,
            ),
        };
        let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = match uri.as_str() {
            SESSION_REVOKED | CREDENTIAL_CHANGE => EventKind::Revocation,
            VERIFICATION => EventKind::Verification { state: text("state") },
            STREAM_UPDATED => EventKind::StreamUpdated { status: text("status") },
            _ => EventKind::Unknown,
        };
        if subject.is_none() && matches!(kind, EventKind::Revocation) {
            return Err(EventError::Malformed("The token has no sub_id"));
        }
        // Not later than the token: a time in a wrong unit would deny all tokens of the future.
        let happened = payload.get("event_timestamp").and_then(Value::as_i64);
        let happened = happened.map(|seconds| Timestamp::from_unix_millis(seconds.saturating_mul(1000)));
        let at = happened.map_or(report.issued_at, |happened| happened.min(report.issued_at));
        Ok(Self { uri, kind, subject, at })
    }
}

impl fmt::Debug for ReceivedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedEvent").field("effect", &self.effect).finish_non_exhaustive()
    }
}
