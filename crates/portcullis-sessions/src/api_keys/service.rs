//! The keys of a service: made, listed, rotated, revoked.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::Clock;
use portcullis::error::Unavailable;

use super::builder::ApiKeysBuilder;
use super::error::ApiKeyError;
use super::format::KeyFormat;
use super::input;
use super::last_use::LastUses;
use super::lookups::Lookups;
use super::record::{ApiKey, NewApiKey, has_ended};
use super::store::{ApiKeyStore, StoredApiKey, StoredPreviousSecret, WhichApiKeys};
use super::verifier::Presented;
use crate::timestamp::Timestamp;
use crate::token::random_name;

/// The API keys of a service, and the verifier of a gate for them. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use portcullis::{Gate, TokenSource};
/// use portcullis_sessions::{MemoryStore, api_keys::ApiKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = ApiKeys::builder(MemoryStore::new()).build()?;
/// let gate = Gate::new(keys.clone()).with_token_sources([TokenSource::header("X-API-Key")]);
///
/// // Alice makes a key for 90 days. It is shown once.
/// let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
/// let made = keys.create("alice", "nightly export", ["orders:read"], Some(days(90))).await?;
/// assert!(made.secret.as_str().starts_with("pk_"));
/// let caller = gate.verify(made.secret.as_str()).await?;
/// assert_eq!((caller.subject(), caller.token_id()), (Some("alice"), Some(made.key.id.as_str())));
///
/// // Later she replaces it. For 7 days both secrets are accepted.
/// let next = keys.rotate("alice", &made.key.id, days(7)).await?;
/// assert!(gate.verify(made.secret.as_str()).await.is_ok() && gate.verify(next.secret.as_str()).await.is_ok());
///
/// // She revokes it. Both secrets are refused.
/// assert!(keys.revoke("alice", &made.key.id).await?);
/// let refused = gate.verify(next.secret.as_str()).await.unwrap_err();
/// assert_eq!(refused.reason().unwrap().as_str(), "revoked");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ApiKeys {
    pub(super) core: Arc<Core>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) store: Arc<dyn ApiKeyStore>,
    pub(super) format: KeyFormat,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lookups: Lookups<Presented>,
    pub(super) last_uses: LastUses,
}

/// Revoked keys are told from unknown ones for this time, and so are expired keys.
const KEPT_AFTER_END: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const REMOVED_AT_ONCE: u32 = 1000;
const MOST_KEYS_OF_AN_OWNER: usize = 1000;

impl ApiKeys {
    /// Starts the settings of the keys in `store`.
    pub fn builder(store: impl ApiKeyStore + 'static) -> ApiKeysBuilder {
        ApiKeysBuilder::new(Arc::new(store))
    }

    pub(super) fn from_core(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Makes a key of `owner`, and returns it with its secret. Only now can the secret be shown: the store has its hash.
    ///
    /// | argument | limits |
    /// |---|---|
    /// | `owner` | the service's name for a user or a client: 1 to 255 bytes, without control characters and without white space at its ends |
    /// | `label` | what the owner recognizes the key by: up to 255 bytes without control characters |
    /// | `scopes` | up to 64 scopes (RFC 6749 §3.3) with up to 1,024 bytes in all. Without any, the key passes only policies that demand none |
    /// | `lifetime` | 1 s to 100 years. `None` means that the key does not expire |
    ///
    /// # Errors
    /// [`ApiKeyError::InvalidInput`] when a value cannot be stored, [`ApiKeyError::TooMany`] when the owner has 1,000 keys
    /// (requests at the same time may exceed that by their number), [`ApiKeyError::Unavailable`] when the store is.
    pub async fn create<S: Into<String>>(
        &self,
        owner: &str,
        label: &str,
        scopes: impl IntoIterator<Item = S>,
        lifetime: Option<Duration>,
    ) -> Result<NewApiKey, ApiKeyError> {
        input::check_owner(owner)?;
        input::check_label(label)?;
        let scopes = input::scopes(scopes)?;
        input::check_lifetime(lifetime)?;
        let secret = self.core.format.generate()?;
        let hash = self.core.format.hash(secret.as_str()).ok_or_else(Unavailable::new)?;
        let (id, now) = (name_of_key()?, self.now());
        if self.core.store.api_keys_of(owner).await?.len() >= MOST_KEYS_OF_AN_OWNER {
            return Err(ApiKeyError::TooMany);
        }
        let key = StoredApiKey {
            id,
            hash,
            owner: owner.to_owned(),
            label: label.to_owned(),
            scopes,
            version: 0,
            created_at: now,
            issued_at: now,
            expires_at: lifetime.map(|lifetime| now.plus(lifetime)),
            previous: None,
            last_used_at: None,
            revoked_at: None,
        };
        self.core.store.insert_api_key(&key).await?;
        Ok(NewApiKey { secret, key: ApiKey::at(key, now) })
    }

    /// Returns the keys of `owner` in the order in which they were made. Those that ended are among them until they are
    /// removed.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn list(&self, owner: &str) -> Result<Vec<ApiKey>, Unavailable> {
        let now = self.now();
        let mut keys = self.core.store.api_keys_of(owner).await?;
        keys.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(keys.into_iter().map(|key| ApiKey::at(key, now)).collect())
    }

    /// Returns the key that `secret` belongs to, for example after a secret was found in public. It may have ended.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn find(&self, secret: &str) -> Result<Option<ApiKey>, Unavailable> {
        let Some(hash) = self.core.format.hash(secret) else { return Ok(None) };
        let (found, now) = (self.core.store.find_api_key_by_hash(&hash).await?, self.now());
        Ok(found.map(|key| ApiKey::at(key, now)))
    }

    /// Gives a key of `owner` another secret, with the lifetime that the key was made with. The secret before is accepted
    /// for `overlap`, up to 90 days and not beyond its own expiry. Name, label, scopes and everything else stay.
    ///
    /// The clients of the key have the overlap to change over. [`PreviousSecret::last_used_at`](super::PreviousSecret) says
    /// whether one of them still uses the secret before. A key has at most two secrets, so during an overlap it can only be
    /// rotated with an overlap of zero, which ends both earlier secrets at once.
    ///
    /// # Errors
    /// [`ApiKeyError`] says why the key stays as it is.
    pub async fn rotate(&self, owner: &str, id: &str, overlap: Duration) -> Result<NewApiKey, ApiKeyError> {
        input::check_overlap(overlap)?;
        let stored = self.core.store.find_api_key(id).await?.filter(|key| key.owner == owner);
        let (stored, now) = (stored.ok_or(ApiKeyError::NotFound)?, self.now());
        if stored.revoked_at.is_some() || has_ended(stored.expires_at, now) {
            return Err(ApiKeyError::Ended);
        }
        if !overlap.is_zero() && stored.previous.is_some_and(|previous| !has_ended(Some(previous.expires_at), now)) {
            return Err(ApiKeyError::InRotation);
        }
        let secret = self.core.format.generate()?;
        let end_of_overlap = now.plus(overlap);
        let key = StoredApiKey {
            hash: self.core.format.hash(secret.as_str()).ok_or_else(Unavailable::new)?,
            version: stored.version.saturating_add(1),
            issued_at: now,
            expires_at: stored.expires_at.map(|end| now.plus_millis(end.millis_since(stored.issued_at))),
            previous: Some(StoredPreviousSecret {
                hash: stored.hash,
                expires_at: stored.expires_at.map_or(end_of_overlap, |end| end.min(end_of_overlap)),
                last_used_at: None,
            }),
            ..stored
        };
        if !self.core.store.replace_api_key_secret(&key).await? {
            return Err(ApiKeyError::InRotation);
        }
        self.core.lookups.forget(|known| known.id == id);
        Ok(NewApiKey { secret, key: ApiKey::at(key, now) })
    }

    /// Revokes a key of `owner`, with all its secrets. Returns whether there was one that had not been revoked.
    ///
    /// On this machine it takes effect at once, on others within the age of their cached answers.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke(&self, owner: &str, id: &str) -> Result<bool, Unavailable> {
        Ok(self.revoke_those(WhichApiKeys::KeyOf { owner, id }, |known| known.id == id).await? > 0)
    }

    /// Revokes a key of any owner, as an operator does. Returns whether there was one that had not been revoked.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke_any(&self, id: &str) -> Result<bool, Unavailable> {
        Ok(self.revoke_those(WhichApiKeys::Key(id), |known| known.id == id).await? > 0)
    }

    /// Revokes all keys of `owner`, for example because the account is closed. Returns their number.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn revoke_all(&self, owner: &str) -> Result<u64, Unavailable> {
        self.revoke_those(WhichApiKeys::AllOf(owner), |known| known.owner == owner).await
    }

    /// Removes up to 1,000 keys that expired more than 30 days ago, and as many that were revoked before. Returns their
    /// number. Call it again if it is not zero.
    ///
    /// Until then, such keys are refused as `expired` and `revoked`, afterwards as `inactive`. Any machine may call it at any
    /// time, for example once a day.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is.
    pub async fn remove_ended(&self) -> Result<u64, Unavailable> {
        self.core.store.remove_ended_api_keys(self.now().minus(KEPT_AFTER_END), REMOVED_AT_ONCE).await
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now(&*self.core.clock)
    }

    async fn revoke_those(
        &self,
        which: WhichApiKeys<'_>,
        matches: impl Fn(&Presented) -> bool,
    ) -> Result<u64, Unavailable> {
        let revoked = self.core.store.revoke_api_keys(which, self.now()).await;
        // Also after a failure, because the store may have revoked them.
        self.core.lookups.forget(matches);
        revoked
    }
}

/// A random name that a command line does not take for a flag.
fn name_of_key() -> Result<String, Unavailable> {
    loop {
        let name = random_name()?;
        if !name.starts_with('-') {
            return Ok(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_begin_with_a_hyphen() {
        // One of 64 random names does.
        assert!((0..5_000).all(|_| !name_of_key().unwrap().starts_with('-')));
    }
}
