//! Where the entries of a deny-list are kept.

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// Where the entries of a [`DenyList`](crate::DenyList) are kept. Every [`SessionStore`](crate::SessionStore) is one:
/// [`MemoryStore`](crate::MemoryStore), `SqlStore` and `RedisStore`.
///
/// [`deny`](Self::deny) is atomic, [`denials`](Self::denials) never returns half an entry, and an entry that was stored stays
/// through a crash. A store never compares a time with its own clock, and it never removes an entry to make room for another.
/// `conformance::run_on_deny_list` tests this.
#[async_trait]
pub trait DenyListStore: fmt::Debug + Send + Sync {
    /// Adds an entry. If there is one with this name, the later of both `issued_before` and the later of both `expires_at`
    /// count.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be reached, or is full. The entry may be stored or not.
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable>;

    /// Returns the entries with these names, in any order, also those that have expired and were not removed.
    ///
    /// # Errors
    /// See [`deny`](Self::deny).
    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable>;

    /// Removes entries that expired before `before`: at most `limit` with `issued_before` and as many without, those that
    /// expired first. Returns their number. The cost does not depend on the number of the others.
    ///
    /// # Errors
    /// See [`deny`](Self::deny).
    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable>;
}

/// An entry of a deny-list in a store. It says nothing about its token, session or subject, which are hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredDenial {
    /// The hash of the issuer and of what is denied. All entries of one name have `issued_before`, or none has it.
    pub name: TokenHash,
    /// Tokens that were issued at this time or earlier are denied. `None` means that all are.
    pub issued_before: Option<Timestamp>,
    /// When the last token that the entry concerns has expired. Stores need an index on it.
    pub expires_at: Timestamp,
}

impl StoredDenial {
    /// The entry that counts when both have the same name.
    pub(crate) fn and(self, other: Self) -> Self {
        let issued_before = self.issued_before.max(other.issued_before);
        Self { issued_before, expires_at: self.expires_at.max(other.expires_at), ..self }
    }
}

#[async_trait]
impl<S: DenyListStore + ?Sized> DenyListStore for Arc<S> {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        (**self).deny(denial).await
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        (**self).denials(names).await
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        (**self).remove_expired_denials(before, limit).await
    }
}
