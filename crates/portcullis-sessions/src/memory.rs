//! A store in the memory of one process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis::async_trait;
use portcullis::error::Unavailable;

use crate::api_keys::ApiKeyTable;
use crate::deny_list::{DenyListStore, StoredDenial};
use crate::store::{Ended, SessionStore, StoredPurposeToken, StoredSession, Which};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// A store in memory, for tests and for a single process whose users log in again after a restart.
///
/// It holds up to 100,000 sessions, and as many purpose tokens, API keys and entries of a deny-list. When it is full, it refuses more
/// until expired ones are [removed](crate::Sessions::remove_expired), so that a flood does not end the sessions of others.
pub struct MemoryStore {
    capacity: usize,
    state: Mutex<State>,
    api_keys: Mutex<ApiKeyTable>,
}

#[derive(Default)]
struct State {
    sessions: Table<String, StoredSession>,
    ids_by_family: HashMap<TokenHash, String>,
    ids_by_subject: HashMap<String, BTreeSet<String>>,
    denials: Table<TokenHash, StoredDenial>,
    purpose_tokens: Table<TokenHash, StoredPurposeToken>,
}

impl MemoryStore {
    /// Makes an empty store with the default capacity.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(100_000)
    }

    /// Makes an empty store for up to `capacity` sessions, and as many purpose tokens, API keys and entries of a
    /// deny-list.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), api_keys: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No method panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn api_keys(&self) -> MutexGuard<'_, ApiKeyTable> {
        // No method panics while it holds the lock.
        self.api_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn check_room(&self, used: usize) -> Result<(), Unavailable> {
        if used < self.capacity { Ok(()) } else { Err(Unavailable::new().with_source("the store in memory is full")) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        let mut state = self.state();
        self.check_room(state.sessions.len())?;
        if state.sessions.get(&session.id).is_some() || state.ids_by_family.contains_key(&session.family) {
            return Err(Unavailable::new().with_source("the store has a session of this name"));
        }
        state.ids_by_family.insert(session.family, session.id.clone());
        state.ids_by_subject.entry(session.subject.clone()).or_default().insert(session.id.clone());
        state.sessions.set(session.id.clone(), session.clone());
        Ok(())
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        Ok(self.state().sessions.get(id).cloned())
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        let state = self.state();
        Ok(state.ids_by_family.get(family).and_then(|id| state.sessions.get(id)).cloned())
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        let state = self.state();
        let ids = state.ids_by_subject.get(subject).into_iter().flatten();
        Ok(ids.filter_map(|id| state.sessions.get(id)).filter(|session| session.is_open(now)).cloned().collect())
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        let mut state = self.state();
        let fits = state.sessions.get(&session.id).is_some_and(|stored| stored.version == session.version - 1);
        if fits {
            state.sessions.set(session.id.clone(), session.clone());
        }
        Ok(fits)
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        let mut state = self.state();
        let of_subject = |subject: &str| state.ids_by_subject.get(subject).cloned().unwrap_or_default();
        let ids = match which {
            Which::Session(id) => BTreeSet::from([id.to_owned()]),
            Which::SessionOf { subject, id } => of_subject(subject).into_iter().filter(|each| each == id).collect(),
            Which::AllOf(subject) => of_subject(subject),
            Which::OthersOf { subject, keep } => of_subject(subject).into_iter().filter(|each| each != keep).collect(),
        };
        let mut count = 0;
        for id in ids {
            if let Some(session) = state.sessions.get_mut(&id).filter(|session| session.is_open(ended.at)) {
                session.ended = Some(ended);
                session.version += 1;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        let mut state = self.state();
        self.check_room(state.purpose_tokens.len())?;
        state.purpose_tokens.set(token.hash, token.clone());
        Ok(())
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        Ok(self.state().purpose_tokens.get(token).cloned())
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        Ok(self.state().purpose_tokens.remove(token).is_some())
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        let mut state = self.state();
        let sessions = state.sessions.remove_expired(before, limit);
        for session in &sessions {
            state.ids_by_family.remove(&session.family);
            if let Some(ids) = state.ids_by_subject.get_mut(&session.subject) {
                ids.remove(&session.id);
                if ids.is_empty() {
                    state.ids_by_subject.remove(&session.subject);
                }
            }
        }
        let tokens = state.denials.remove_expired(before, limit).len();
        let purposes = state.purpose_tokens.remove_expired(before, limit).len();
        Ok((sessions.len() + tokens + purposes) as u64)
    }
}

#[async_trait]
impl DenyListStore for MemoryStore {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        let mut state = self.state();
        let known = state.denials.get(&denial.name).copied();
        if known.is_none() {
            self.check_room(state.denials.len())?;
        }
        state.denials.set(denial.name, known.map_or(*denial, |known| known.and(*denial)));
        Ok(())
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        let state = self.state();
        Ok(names.iter().filter_map(|name| state.denials.get(name)).copied().collect())
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        Ok(self.state().denials.remove_expired(before, limit).len() as u64)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Rows by key, with an index on their expiry.
struct Table<K, V> {
    rows: HashMap<K, V>,
    by_expiry: BTreeMap<Timestamp, BTreeSet<K>>,
}

trait Expires {
    fn expires_at(&self) -> Timestamp;
}

impl Expires for StoredSession {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Expires for StoredPurposeToken {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Expires for StoredDenial {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl<K: Clone + Ord + std::hash::Hash, V: Expires> Table<K, V> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn get<Q: ?Sized + std::hash::Hash + Eq>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.rows.get(key)
    }

    /// For changes that leave the expiry as it is.
    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    fn set(&mut self, key: K, value: V) {
        // Most changes leave the expiry as it is, and the index too, whose cost grows with the number of rows.
        if let Some(row) = self.rows.get_mut(&key).filter(|row| row.expires_at() == value.expires_at()) {
            *row = value;
            return;
        }
        self.remove(&key);
        self.by_expiry.entry(value.expires_at()).or_default().insert(key.clone());
        self.rows.insert(key, value);
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.rows.remove(key)?;
        if let Some(keys) = self.by_expiry.get_mut(&value.expires_at()) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_expiry.remove(&value.expires_at());
            }
        }
        Some(value)
    }

    fn remove_expired(&mut self, before: Timestamp, limit: u32) -> Vec<V> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let expired: Vec<K> = self.by_expiry.range(..before).flat_map(|(_, keys)| keys).take(limit).cloned().collect();
        expired.iter().filter_map(|key| self.remove(key)).collect()
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), by_expiry: BTreeMap::new() }
    }
}
