//! What is stored about API keys, and the operations that every store has to do atomically.

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use crate::session::debug_without_contents;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// Where API keys are kept. [`MemoryStore`](crate::MemoryStore) and `SqlStore` are two.
///
/// Every operation except [`remove_ended_api_keys`](Self::remove_ended_api_keys) is atomic, and one that returned stays done
/// after a crash. When an operation fails, it may have happened or not. A store decides nothing about times: it compares what
/// it is given.
///
/// `conformance::run_on_api_keys` tests this. Run it on your own store.
#[async_trait]
pub trait ApiKeyStore: fmt::Debug + Send + Sync {
    /// Adds a key.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be reached, is full, or has a key with this `id` or `hash`. This also holds for
    /// the other operations, as far as it applies.
    async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable>;

    /// Returns the key with this name, in whichever state it is.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable>;

    /// Returns the key whose current or previous secret has this hash, in whichever state it is.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable>;

    /// Returns all keys of an owner, in any order.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable>;

    /// Replaces the secrets of the key that has the same `id` and the version before (`key.version - 1`), unless it was
    /// revoked: its `version`, `hash`, `issued_at`, `expires_at` and `previous`. Returns whether there was one.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable>;

    /// Revokes the keys that `which` selects and that were not revoked before. Sets their `revoked_at`, adds 1 to their
    /// `version`, and returns their number.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable>;

    /// Notes that the secret with this hash was used: sets `last_used_at`, and for a previous secret also the time there. A
    /// later time that is stored already stays. The version stays.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable>;

    /// Removes keys that expired before `before`, and keys that were revoked before it: at most `limit` of each, those that
    /// ended first. Returns their number. The cost does not depend on the number of the other keys.
    ///
    /// # Errors
    /// See [`insert_api_key`](Self::insert_api_key).
    async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable>;
}

/// An API key in a store. It has hashes instead of secrets.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredApiKey {
    /// The public name of the key: up to 22 characters of base64url. Unique.
    pub id: String,
    /// The hash of the current secret. Unique.
    pub hash: TokenHash,
    /// Whose key it is: up to 255 bytes. Upper and lower case differ.
    pub owner: String,
    /// What the owner calls it: up to 255 bytes, or empty.
    pub label: String,
    /// What the key may do: up to 64 scopes, and up to 1,024 bytes with a space between them.
    pub scopes: Vec<String>,
    /// How often the key was rotated or revoked.
    pub version: i64,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When the current secret was made.
    pub issued_at: Timestamp,
    /// When the current secret expires. `None` means never. Stores need an index on it.
    pub expires_at: Option<Timestamp>,
    /// The secret before the last rotation.
    pub previous: Option<StoredPreviousSecret>,
    /// When one of the secrets was used, within some minutes.
    pub last_used_at: Option<Timestamp>,
    /// When the key was revoked. Stores need an index on it.
    pub revoked_at: Option<Timestamp>,
}

/// The secret before the last rotation of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredPreviousSecret {
    /// Its hash.
    pub hash: TokenHash,
    /// Until when it is accepted.
    pub expires_at: Timestamp,
    /// When it was used since the rotation, within some minutes.
    pub last_used_at: Option<Timestamp>,
}

/// The keys that [`ApiKeyStore::revoke_api_keys`] revokes.
#[derive(Clone, Copy)]
pub enum WhichApiKeys<'a> {
    /// The key with this `id`.
    Key(&'a str),
    /// The key with this `id`, if it belongs to this owner.
    KeyOf {
        /// The owner.
        owner: &'a str,
        /// The key.
        id: &'a str,
    },
    /// All keys of this owner.
    AllOf(&'a str),
}

debug_without_contents!(StoredApiKey);

impl fmt::Debug for WhichApiKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(..)",
            Self::KeyOf { .. } => "KeyOf { .. }",
            Self::AllOf(_) => "AllOf(..)",
        })
    }
}

#[async_trait]
impl<S: ApiKeyStore + ?Sized> ApiKeyStore for Arc<S> {
    async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable> {
        (**self).insert_api_key(key).await
    }

    async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable> {
        (**self).find_api_key(id).await
    }

    async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
        (**self).find_api_key_by_hash(hash).await
    }

    async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
        (**self).api_keys_of(owner).await
    }

    async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable> {
        (**self).replace_api_key_secret(key).await
    }

    async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable> {
        (**self).revoke_api_keys(which, at).await
    }

    async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable> {
        (**self).note_api_key_use(hash, at).await
    }

    async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        (**self).remove_ended_api_keys(before, limit).await
    }
}
