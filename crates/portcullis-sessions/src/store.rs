//! What is stored, and the operations that every store has to do atomically.

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use crate::deny_list::DenyListStore;
use crate::session::{AuthFacts, EndReason, debug_without_contents};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// Where sessions and purpose tokens are kept, and revoked access tokens as a [`DenyListStore`].
/// [`MemoryStore`](crate::MemoryStore), `SqlStore` and `RedisStore` are three.
///
/// Every operation except [`remove_expired`](Self::remove_expired) is atomic: it happens completely or not at all, also if the
/// process dies within it, and operations on the same session happen one after the other. An operation that returned stays
/// done after a crash. When an operation fails, it may have happened or not; the callers expect both. A store never decides
/// anything about times: it compares what it is given, so the clocks of database servers do not matter.
///
/// The module `conformance` tests this, except crashes of the database itself. Run it on your own store.
#[async_trait]
pub trait SessionStore: DenyListStore {
    /// Adds a session.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be reached, is full, or has a session with this `id` or `family`. This also
    /// holds for the other operations, as far as it applies.
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable>;

    /// Returns the session with this name, whether it is open or not.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable>;

    /// Returns the session of this family of tokens, whether it is open or not.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable>;

    /// Returns the open sessions of a subject, in any order: those that have not ended and expire after `now`.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable>;

    /// Replaces the session that has the same `id` and the version before (`session.version - 1`). Returns whether there was
    /// one. It never changes a session with another version.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable>;

    /// Ends the open sessions that `which` selects: those that have not ended and expire after `ended.at`. Sets their
    /// `ended`, adds 1 to their `version`, and returns their number.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable>;

    /// Adds a purpose token.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable>;

    /// Returns the purpose token with this hash, expired or not.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable>;

    /// Removes the purpose token with this hash. Returns whether there was one: of several callers, exactly one gets `true`.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable>;

    /// Removes sessions, purpose tokens and entries of the [`DenyListStore`] that expired before `before`: at most `limit` of
    /// each kind, those that expired first. Returns the number of all that it removed. The cost does not depend on the number
    /// of the others.
    ///
    /// # Errors
    /// See [`insert`](Self::insert).
    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable>;
}

/// A session in a store. It has hashes instead of tokens.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredSession {
    /// The public name of the session: up to 22 characters of base64url. Unique.
    pub id: String,
    /// The hash of what all tokens of the session have in common. Unique.
    pub family: TokenHash,
    /// Whose session it is: up to 255 bytes. Upper and lower case differ.
    pub subject: String,
    /// How often the session was changed.
    pub version: i64,
    /// The hash of the current refresh token.
    pub current: TokenHash,
    /// The refresh token before. `None` until the first rotation.
    pub previous: Option<PreviousToken>,
    /// How the user logged in. `auth_time` has whole milliseconds.
    pub facts: AuthFacts,
    /// What the service called the session: up to 255 bytes.
    pub label: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it ends unless it is refreshed before. Stores need an index on it.
    pub expires_at: Timestamp,
    /// When it ends in any case.
    pub ends_at: Timestamp,
    /// Whether and why it ended.
    pub ended: Option<Ended>,
}

/// The refresh token before the current one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PreviousToken {
    /// The hash of the token.
    pub hash: TokenHash,
    /// When the current token replaced it.
    pub rotated_at: Timestamp,
    /// The version of the key that derived the current token from it.
    pub key_version: u32,
}

/// The end of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// The sessions that [`SessionStore::end`] ends.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// The session with this `id`.
    Session(&'a str),
    /// The session with this `id`, if it belongs to this subject.
    SessionOf {
        /// The subject.
        subject: &'a str,
        /// The session.
        id: &'a str,
    },
    /// All sessions of this subject.
    AllOf(&'a str),
    /// All sessions of this subject, except one.
    OthersOf {
        /// The subject.
        subject: &'a str,
        /// The session that stays.
        keep: &'a str,
    },
}

/// A purpose token in a store.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredPurposeToken {
    /// The hash of the token. Unique.
    pub hash: TokenHash,
    /// The purpose: up to 64 bytes.
    pub purpose: String,
    /// The subject: up to 255 bytes.
    pub subject: String,
    /// The hash of purpose, subject and state: what the token is bound to.
    pub binding: TokenHash,
    /// When it expires. Stores need an index on it.
    pub expires_at: Timestamp,
}

debug_without_contents!(StoredSession, StoredPurposeToken);

impl fmt::Debug for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "Session(..)",
            Self::SessionOf { .. } => "SessionOf { .. }",
            Self::AllOf(_) => "AllOf(..)",
            Self::OthersOf { .. } => "OthersOf { .. }",
        })
    }
}

#[async_trait]
impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        (**self).insert(session).await
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        (**self).find(id).await
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        (**self).find_by_family(family).await
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        (**self).open_sessions(subject, now).await
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        (**self).replace(session).await
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        (**self).end(which, ended).await
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        (**self).insert_purpose_token(token).await
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        (**self).find_purpose_token(token).await
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        (**self).take_purpose_token(token).await
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        (**self).remove_expired(before, limit).await
    }
}

impl StoredSession {
    /// Whether the session has not ended and expires after `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.expires_at > now
    }
}
