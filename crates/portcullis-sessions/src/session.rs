//! A session: who logged in, how, and until when that holds.

use std::fmt;

use portcullis::claims::NumericDate;
use portcullis::clock::{Clock as _, SystemClock};

use crate::store::StoredSession;

/// How and when the user logged in. Any login can state it: a password form, a passkey, another identity provider.
///
/// The values become the claims `auth_time`, `acr` and `amr` of access tokens (OpenID Connect Core §2, RFC 8176).
///
/// ```
/// use portcullis::claims::NumericDate;
/// use portcullis_sessions::AuthFacts;
///
/// let now = NumericDate::from_unix(1_700_000_000, 0);
/// let facts = AuthFacts::at(now).with_amr(["pwd", "otp"]).with_acr("urn:example:two-factors");
/// assert_eq!(facts.auth_time, now);
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct AuthFacts {
    /// When the user proved who they are.
    pub auth_time: NumericDate,
    /// The class of the authentication, if the service has classes.
    pub acr: Option<String>,
    /// The methods: `pwd`, `otp`, `hwk` and so on.
    pub amr: Vec<String>,
}

impl AuthFacts {
    /// The user logged in just now, by the clock of this machine; the methods are unknown.
    #[must_use]
    pub fn now() -> Self {
        Self::at(SystemClock::new().now())
    }

    /// The user logged in at `auth_time`; the methods are unknown.
    #[must_use]
    pub fn at(auth_time: NumericDate) -> Self {
        Self { auth_time, acr: None, amr: Vec::new() }
    }

    /// Sets the class of the authentication.
    #[must_use]
    pub fn with_acr(mut self, acr: impl Into<String>) -> Self {
        self.acr = Some(acr.into());
        self
    }

    /// Sets the methods.
    #[must_use]
    pub fn with_amr<M: Into<String>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        self.amr = methods.into_iter().map(Into::into).collect();
        self
    }
}

/// An open session, as a user may see it and as an access token is made from it. It has no secrets.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// The name of the session, the claim `sid` of access tokens. It opens nothing.
    pub id: String,
    /// Whose session it is, the claim `sub`.
    pub subject: String,
    /// How the user logged in.
    pub facts: AuthFacts,
    /// What the service called the session when it began, for example `Firefox on Linux`.
    pub label: Option<String>,
    /// When the session began.
    pub created_at: NumericDate,
    /// When it was last refreshed.
    pub last_used_at: NumericDate,
    /// When it ends unless it is refreshed before.
    pub expires_at: NumericDate,
    /// When it ends in any case.
    pub ends_at: NumericDate,
}

impl From<StoredSession> for Session {
    fn from(stored: StoredSession) -> Self {
        Self {
            id: stored.id,
            subject: stored.subject,
            facts: stored.facts,
            label: stored.label,
            created_at: stored.created_at.to_date(),
            last_used_at: stored.last_used_at.to_date(),
            expires_at: stored.expires_at.to_date(),
            ends_at: stored.ends_at.to_date(),
        }
    }
}

/// What became of a refresh token that was presented.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was the current token. The session has a new one.
    Rotated,
    /// It was the previous token, and the grace has not passed: an honest race, or a lost response. The same successor was
    /// returned again.
    WithinGrace,
    /// It was the previous token after the grace, and its successor was never used: a response was lost, or the token was
    /// stolen. The session has ended.
    Orphaned,
    /// It was an older token of the session, so two parties have its tokens. The session has ended.
    Stolen,
    /// The session had ended before.
    Ended,
    /// The session has expired.
    Expired,
    /// No session has this token.
    Unknown,
}

impl Verdict {
    /// Returns the name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::WithinGrace => "within_grace",
            Self::Orphaned => "orphaned",
            Self::Stolen => "stolen",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a session ended before it expired.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The user logged out, here or elsewhere.
    LoggedOut,
    /// The service revoked it.
    Revoked,
    /// The subject began more sessions than the maximum, and this one was the least recently used.
    TooMany,
    /// The previous refresh token was presented after the grace: [`Verdict::Orphaned`].
    Orphaned,
    /// An older refresh token was presented: [`Verdict::Stolen`].
    Stolen,
}

impl EndReason {
    /// Returns the name, for logs and for stores: at most 16 characters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Revoked => "revoked",
            Self::TooMany => "too_many",
            Self::Orphaned => "orphaned",
            Self::Stolen => "stolen",
        }
    }

    /// Reads the name. `None` means that this version does not know it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::LoggedOut, Self::Revoked, Self::TooMany, Self::Orphaned, Self::Stolen];
        all.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// A session ended without a request to end it. [`SessionsBuilder::on_event`](crate::SessionsBuilder::on_event) receives
/// each such event once.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionEvent {
    /// The session that ended.
    pub session: String,
    /// Whose session it was.
    pub subject: String,
    /// When it ended.
    pub at: NumericDate,
    /// Why: [`EndReason::Stolen`], [`EndReason::Orphaned`] or [`EndReason::TooMany`].
    pub reason: EndReason,
}

/// Subjects and labels are about people, so `Debug` does not print them.
macro_rules! debug_without_contents {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}
pub(crate) use debug_without_contents;

debug_without_contents!(AuthFacts, Session);

impl fmt::Debug for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEvent").field("reason", &self.reason).finish_non_exhaustive()
    }
}
