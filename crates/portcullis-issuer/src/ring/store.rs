//! The trait for a place that several machines share, and one in memory.

use std::sync::{Mutex, PoisonError};

use portcullis::async_trait;

/// A ring as a store keeps it: encrypted bytes and their version.
///
/// The bytes are sealed with the [`RingSecret`](crate::RingSecret) of the service, so the store, its backups and its
/// operators do not see the private keys. An SQL table needs one row with two columns, a Redis key one hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRing {
    /// The number of the version. It begins with 1 and grows by 1 with each change.
    pub version: u64,
    /// The sealed keys and their times, up to some tens of kilobytes.
    pub sealed: Vec<u8>,
}

/// A place for the key ring that several machines share: the trait to implement for a database. `SqlStore` and
/// `RedisStore` of `portcullis-sessions` are two.
///
/// [`replace`](Self::replace) compares and swaps. Of several machines that rotate at the same time, one succeeds, and the
/// others read its key. Nothing else keeps two machines from making two active keys, so it must be atomic: in SQL, an
/// `UPDATE … WHERE version = ?` that changes one row, or an `INSERT` that fails if the row exists.
///
/// When a returned future is dropped, the change may have been made or not.
#[async_trait]
pub trait RingStore: std::fmt::Debug + Send + Sync {
    /// Returns the ring. `None` if none was stored yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read at the moment.
    async fn load(&self) -> Result<Option<StoredRing>, StoreError>;

    /// Stores `ring` if the stored version is `expected`; `None` means that no ring is stored. Returns whether it was
    /// stored.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written at the moment.
    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError>;
}

/// The error of a store that is unavailable.
#[derive(Debug, thiserror::Error)]
#[error("the store of the key ring is unavailable")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Makes the error with its cause. The cause may reach logs, so it must not contain secrets.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A store in memory, for tests and for several issuers in one process.
#[derive(Debug, Default)]
pub struct MemoryRingStore(Mutex<Option<StoredRing>>);

impl MemoryRingStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RingStore for MemoryRingStore {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_expected = stored.as_ref().map(|stored| stored.version) == expected;
        if is_expected {
            *stored = Some(ring.clone());
        }
        Ok(is_expected)
    }
}

#[async_trait]
impl<S: RingStore + ?Sized> RingStore for std::sync::Arc<S> {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        (**self).load().await
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        (**self).replace(expected, ring).await
    }
}
