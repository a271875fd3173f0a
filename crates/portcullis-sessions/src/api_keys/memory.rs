//! API keys in memory.

use std::collections::{BTreeSet, HashMap};

use portcullis::async_trait;
use portcullis::error::Unavailable;

use super::store::{ApiKeyStore, StoredApiKey, WhichApiKeys};
use crate::memory::MemoryStore;
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// The API keys of a [`MemoryStore`], with their indexes.
#[derive(Default)]
pub(crate) struct ApiKeyTable {
    keys: HashMap<String, StoredApiKey>,
    ids_by_hash: HashMap<TokenHash, String>,
    ids_by_owner: HashMap<String, BTreeSet<String>>,
    by_expiry: BTreeSet<(Timestamp, String)>,
    by_revocation: BTreeSet<(Timestamp, String)>,
}

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable> {
        let mut table = self.api_keys();
        self.check_room(table.keys.len())?;
        if table.keys.contains_key(&key.id) || table.ids_by_hash.contains_key(&key.hash) {
            return Err(Unavailable::new().with_source("the store has an API key of this name"));
        }
        table.put(key.clone());
        Ok(())
    }

    async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable> {
        Ok(self.api_keys().keys.get(id).cloned())
    }

    async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
        let table = self.api_keys();
        Ok(table.ids_by_hash.get(hash).and_then(|id| table.keys.get(id)).cloned())
    }

    async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
        let table = self.api_keys();
        let ids = table.ids_by_owner.get(owner).into_iter().flatten();
        Ok(ids.filter_map(|id| table.keys.get(id)).cloned().collect())
    }

    async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable> {
        let mut table = self.api_keys();
        let fits = |stored: &StoredApiKey| stored.version == key.version - 1 && stored.revoked_at.is_none();
        let Some(stored) = table.keys.get(&key.id).filter(|stored| fits(stored)).cloned() else { return Ok(false) };
        let StoredApiKey { hash, version, issued_at, expires_at, previous, .. } = *key;
        table.put(StoredApiKey { hash, version, issued_at, expires_at, previous, ..stored });
        Ok(true)
    }

    async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable> {
        let mut table = self.api_keys();
        let of_owner = |owner: &str| table.ids_by_owner.get(owner).cloned().unwrap_or_default();
        let ids = match which {
            WhichApiKeys::Key(id) => BTreeSet::from([id.to_owned()]),
            WhichApiKeys::KeyOf { owner, id } => of_owner(owner).into_iter().filter(|each| each == id).collect(),
            WhichApiKeys::AllOf(owner) => of_owner(owner),
        };
        let mut count = 0;
        for id in ids {
            if let Some(key) = table.keys.get(&id).filter(|key| key.revoked_at.is_none()).cloned() {
                table.put(StoredApiKey { version: key.version + 1, revoked_at: Some(at), ..key });
                count += 1;
            }
        }
        Ok(count)
    }

    async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable> {
        let mut table = self.api_keys();
        let Some(id) = table.ids_by_hash.get(hash).cloned() else { return Ok(()) };
        if let Some(key) = table.keys.get_mut(&id) {
            key.last_used_at = key.last_used_at.max(Some(at));
            if let Some(previous) = key.previous.as_mut().filter(|previous| previous.hash == *hash) {
                previous.last_used_at = previous.last_used_at.max(Some(at));
            }
        }
        Ok(())
    }

    async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        let mut table = self.api_keys();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let ended = |index: &BTreeSet<(Timestamp, String)>| -> Vec<String> {
            index.range(..(before, String::new())).take(limit).map(|(_, id)| id.clone()).collect()
        };
        let mut count = 0;
        // One after the other, because a key can be in both.
        for id in ended(&table.by_expiry) {
            count += u64::from(table.remove(&id).is_some());
        }
        for id in ended(&table.by_revocation) {
            count += u64::from(table.remove(&id).is_some());
        }
        Ok(count)
    }
}

impl ApiKeyTable {
    /// Adds a key, or replaces the one of its name.
    fn put(&mut self, key: StoredApiKey) {
        self.remove(&key.id);
        for hash in hashes(&key) {
            self.ids_by_hash.insert(hash, key.id.clone());
        }
        self.ids_by_owner.entry(key.owner.clone()).or_default().insert(key.id.clone());
        self.by_expiry.extend(key.expires_at.map(|at| (at, key.id.clone())));
        self.by_revocation.extend(key.revoked_at.map(|at| (at, key.id.clone())));
        self.keys.insert(key.id.clone(), key);
    }

    fn remove(&mut self, id: &str) -> Option<StoredApiKey> {
        let key = self.keys.remove(id)?;
        for hash in hashes(&key) {
            self.ids_by_hash.remove(&hash);
        }
        if let Some(ids) = self.ids_by_owner.get_mut(&key.owner) {
            ids.remove(id);
            if ids.is_empty() {
                self.ids_by_owner.remove(&key.owner);
            }
        }
        for (index, at) in [(&mut self.by_expiry, key.expires_at), (&mut self.by_revocation, key.revoked_at)] {
            if let Some(at) = at {
                index.remove(&(at, id.to_owned()));
            }
        }
        Some(key)
    }
}

fn hashes(key: &StoredApiKey) -> impl Iterator<Item = TokenHash> {
    std::iter::once(key.hash).chain(key.previous.map(|previous| previous.hash))
}
