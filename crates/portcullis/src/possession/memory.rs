//! The store of used proofs in the memory of one process.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::claims::NumericDate;
use crate::error::{ConfigError, Unavailable};
use crate::hash::sha256;
use crate::measure::{Gauge, table};
use crate::possession::{Insertion, ReplayStore, UsedProof};

const DEFAULT_CAPACITY: usize = 100_000;
/// The part of the capacity that one client may use, unless told otherwise.
const DEFAULT_SHARE: usize = 10;
/// How many expired proofs an insertion drops at most, so that it takes little time. It adds only one.
const DROPPED_AT_ONCE: usize = 16;

/// Remembers used proofs in memory: for a service of one process.
///
/// It never forgets a proof early. When it is full, it takes no further proofs, and their requests get 503 until remembered
/// ones expire. Each key has a quota, so that one key cannot fill it. A warning in the log says once a minute that proofs
/// were not taken.
///
/// ```
/// use portcullis::possession::{Dpop, MemoryReplayStore};
///
/// // About 4,000 requests per second with a window of 60 seconds, 400 of them from one client.
/// let dpop = Dpop::required().with_replay_store(MemoryReplayStore::new(500_000, 50_000)?);
/// # let _ = dpop;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
pub struct MemoryReplayStore {
    capacity: usize,
    quota: usize,
    used: Mutex<Used>,
    metrics: Gauges,
}

/// How full the store is.
struct Gauges {
    entries: Gauge,
    capacity: Gauge,
}

#[derive(Default)]
struct Used {
    /// The client of each proof.
    clients: HashMap<[u8; 32], [u8; 32]>,
    by_expiry: BTreeSet<(NumericDate, [u8; 32])>,
    /// The number of proofs of each client.
    counts: HashMap<[u8; 32], usize>,
    warned_at: Option<NumericDate>,
    /// The latest expiry of a proof that was dropped.
    dropped_until: Option<NumericDate>,
}

impl MemoryReplayStore {
    /// Remembers at most `capacity` proofs, and at most `quota` proofs of one key. A proof takes about 200 bytes and stays for
    /// up to twice the window of [`Dpop::with_window`](crate::possession::Dpop::with_window), usually for about once. With
    /// [nonces](crate::possession::DpopNonces), it stays for the lifetime of a nonce.
    ///
    /// Default: 100,000 and 10,000.
    ///
    /// # Errors
    /// [`ConfigError`] when one of them is zero, or `quota` is larger than `capacity`.
    pub fn new(capacity: usize, quota: usize) -> Result<Self, ConfigError> {
        if capacity == 0 {
            return Err(ConfigError::new("capacity", "zero", "write the number of proofs to keep, for example 100000"));
        }
        if quota == 0 || quota > capacity {
            let problem = "zero, or larger than the capacity";
            return Err(ConfigError::new("quota", problem, "write how many of the proofs one client may use"));
        }
        Ok(Self::of(capacity, quota))
    }

    /// The number of proofs that are remembered, expired ones included that were not dropped yet.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.with(|used| used.clients.len())
    }

    fn of(capacity: usize, quota: usize) -> Self {
        let entries = Gauge::new(&table::REPLAY_STORE_ENTRIES);
        let metrics = Gauges { entries, capacity: Gauge::new(&table::REPLAY_STORE_CAPACITY) };
        Self { capacity, quota, used: Mutex::default(), metrics }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Used) -> T) -> T {
        change(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for MemoryReplayStore {
    fn default() -> Self {
        Self::of(DEFAULT_CAPACITY, DEFAULT_CAPACITY / DEFAULT_SHARE)
    }
}

#[async_trait]
impl ReplayStore for MemoryReplayStore {
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
        let client = sha256(proof.thumbprint.as_bytes());
        let (insertion, entries) = self.with(|used| (self.insert_into(used, proof, client), used.clients.len()));
        self.metrics.entries.set(entries);
        self.metrics.capacity.set(self.capacity);
        Ok(insertion)
    }
}

impl MemoryReplayStore {
    fn insert_into(&self, used: &mut Used, proof: &UsedProof<'_>, client: [u8; 32]) -> Insertion {
        used.drop_expired(proof.now);
        if used.clients.contains_key(&proof.key) {
            return Insertion::Replayed;
        }
        // The clock was set back, or another request has a later time: the proof may be one that was dropped.
        if used.dropped_until.is_some_and(|until| proof.expires_at <= until) {
            return Insertion::Replayed;
        }
        let of_client = used.counts.get(&client).copied().unwrap_or_default();
        if used.clients.len() >= self.capacity || of_client >= self.quota {
            used.warn(proof.now, of_client >= self.quota);
            return Insertion::Full;
        }
        used.clients.insert(proof.key, client);
        used.by_expiry.insert((proof.expires_at, proof.key));
        used.counts.insert(client, of_client + 1);
        Insertion::New
    }
}

impl Used {
    fn drop_expired(&mut self, now: NumericDate) {
        for _ in 0..DROPPED_AT_ONCE {
            let first = self.by_expiry.first().copied();
            let Some((expires_at, key)) = first.filter(|(expires_at, _)| *expires_at < now) else { return };
            self.by_expiry.pop_first();
            self.dropped_until = self.dropped_until.max(Some(expires_at));
            let Some(client) = self.clients.remove(&key) else { continue };
            if let Some(count) = self.counts.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&client);
                }
            }
        }
    }

    /// Writes a warning, at most once a minute.
    fn warn(&mut self, now: NumericDate, is_quota: bool) {
        let is_recent = |at: NumericDate| now.seconds().abs_diff(at.seconds()) < 60;
        if self.warned_at.is_some_and(is_recent) {
            return;
        }
        self.warned_at = Some(now);
        let reason = if is_quota { "a client has used up its quota" } else { "the store is full" };
        tracing::warn!(reason, remembered = self.clients.len(), "DPoP proofs are refused with 503");
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayStore")
            .field("capacity", &self.capacity)
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(number: u64, thumbprint: &str, now: i64, expires_at: i64) -> UsedProof<'_> {
        let date = |seconds| NumericDate::from_unix(seconds, 0);
        UsedProof { key: sha256(&number.to_be_bytes()), thumbprint, now: date(now), expires_at: date(expires_at) }
    }

    #[tokio::test]
    async fn proof_is_remembered_exactly_until_it_expires() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert(&proof(1, "a", 0, 60)).await.unwrap(), Insertion::New);
        for now in [0, 59, 60] {
            assert_eq!(store.insert(&proof(1, "a", now, 60)).await.unwrap(), Insertion::Replayed, "{now}");
        }
        assert_eq!(store.remembered(), 1);
        assert_eq!(store.insert(&proof(2, "a", 61, 121)).await.unwrap(), Insertion::New);
        assert_eq!(store.remembered(), 1, "the first is dropped");
    }

    #[tokio::test]
    async fn clock_that_is_set_back_lets_no_proof_in_again() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert(&proof(1, "a", 0, 60)).await.unwrap(), Insertion::New);
        assert_eq!(store.insert(&proof(2, "a", 61, 121)).await.unwrap(), Insertion::New);
        assert_eq!(store.insert(&proof(1, "a", 59, 60)).await.unwrap(), Insertion::Replayed);
        assert_eq!(store.insert(&proof(3, "a", 59, 61)).await.unwrap(), Insertion::New);
    }

    #[tokio::test]
    async fn full_store_takes_no_proof_and_forgets_none() {
        let store = MemoryReplayStore::new(3, 3).unwrap();
        for number in 0..3 {
            assert_eq!(store.insert(&proof(number, "a", 0, 60)).await.unwrap(), Insertion::New);
        }
        for number in 3..50 {
            assert_eq!(store.insert(&proof(number, "b", 60, 120)).await.unwrap(), Insertion::Full);
        }
        for number in 0..3 {
            assert_eq!(store.insert(&proof(number, "a", 60, 60)).await.unwrap(), Insertion::Replayed);
        }
        assert_eq!(store.insert(&proof(3, "b", 61, 121)).await.unwrap(), Insertion::New);
    }

    #[tokio::test]
    async fn client_is_limited_to_its_quota() {
        let store = MemoryReplayStore::new(10, 2).unwrap();
        for (number, client, expected) in [
            (0, "a", Insertion::New),
            (1, "a", Insertion::New),
            (2, "a", Insertion::Full),
            (0, "a", Insertion::Replayed),
            (3, "b", Insertion::New),
        ] {
            assert_eq!(store.insert(&proof(number, client, 0, 60)).await.unwrap(), expected, "{number} {client}");
        }
        assert_eq!(store.insert(&proof(2, "a", 61, 121)).await.unwrap(), Insertion::New);
        assert_eq!(store.with(|used| used.counts.len()), 1, "clients without proofs are forgotten");
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let store = MemoryReplayStore::new(1_000, 1_000).unwrap();
        let mut refused = 0;
        for number in 0..20_000_u64 {
            let now = i64::try_from(number / 50).unwrap();
            refused += u32::from(store.insert(&proof(number, "a", now, now + 60)).await.unwrap() == Insertion::Full);
            assert!(store.remembered() <= 1_000);
        }
        assert!(refused > 0);
    }

    #[test]
    fn wrong_sizes_are_configuration_errors() {
        for (capacity, quota, field) in [(0, 0, "capacity"), (10, 0, "quota"), (10, 11, "quota")] {
            assert_eq!(MemoryReplayStore::new(capacity, quota).unwrap_err().field(), field);
        }
    }
}
