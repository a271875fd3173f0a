//! The cache of good signatures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use crate::claims::NumericDate;
use crate::hash::sha256;
use crate::verifier::verified::TokenContents;

/// Access tokens live shorter than this, so older entries are useless.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How much memory cached tokens may take, in bytes.
pub(super) const DEFAULT_CACHED_BYTES: u64 = 64 * 1024 * 1024;
/// What the cache needs for an entry in addition to its contents, in bytes: the key, links, counters, and parts that allocators add.
const ENTRY_BYTES: usize = 512;
/// After entries of one such part of the capacity were added, the cache drops surplus entries at once.
const PARTS: u64 = 64;

/// Caches that a token's signature is good, with what the token says. The claim checks still run on every hit. The key is
/// also looked up again, so tokens of a withdrawn or replaced key are refused at once.
pub(super) struct TokenCache {
    entries: Cache<TokenDigest, Entry>,
    /// The least weight of an entry. It bounds the number of entries.
    least_weight: u32,
    capacity: u64,
    /// The weight of the entries that were added since entries were dropped.
    added: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    contents: Arc<TokenContents>,
    weight: u32,
    /// How long the token can still be good.
    lifetime: Duration,
}

/// The SHA-256 of a complete token, signature included: two tokens share an entry only if all their bytes are equal.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct TokenDigest([u8; 32]);

/// Drops an entry when its token expires.
struct UntilExpired;

impl Expiry<TokenDigest, Entry> for UntilExpired {
    fn expire_after_create(&self, _: &TokenDigest, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(&self, _: &TokenDigest, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

impl TokenCache {
    /// A cache of at most `tokens` tokens that take at most `bytes` bytes.
    pub(super) fn new(tokens: u64, bytes: u64) -> Self {
        // Each entry weighs at least its share of the bytes, so that the weight bounds the number of entries as well.
        let share = bytes.checked_div(tokens).unwrap_or_default();
        let least_weight = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        let capacity = bytes.min(tokens.saturating_mul(u64::from(least_weight)));
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &TokenDigest, entry: &Entry| entry.weight)
            .expire_after(UntilExpired)
            .build();
        Self { entries, least_weight, capacity, added: AtomicU64::new(0) }
    }

    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Arc<TokenContents>> {
        self.entries.get(digest).map(|entry| entry.contents)
    }

    /// Caches a token until `now`, the time of the verifier's clock, passes its `exp` by `leeway`.
    pub(super) fn insert(
        &self,
        digest: TokenDigest,
        contents: &Arc<TokenContents>,
        now: NumericDate,
        leeway: Duration,
    ) {
        let expires_at = contents.claims.expires_at().map(|expires_at| expires_at.saturating_add(leeway));
        let lifetime = expires_at.map_or(LIFETIME, |expires_at| expires_at.saturating_since(now).min(LIFETIME));
        if lifetime.is_zero() {
            return;
        }
        let bytes = u32::try_from(ENTRY_BYTES + contents.memory()).unwrap_or(u32::MAX);
        let weight = bytes.max(self.least_weight);
        self.entries.insert(digest, Entry { contents: Arc::clone(contents), weight, lifetime });
        // The cache drops entries only now and then, so it could exceed its capacity for a while.
        let added = self.added.fetch_add(u64::from(weight), Ordering::Relaxed);
        if added > self.capacity / PARTS {
            self.added.store(0, Ordering::Relaxed);
            self.entries.run_pending_tasks();
        }
    }

    /// Drops a token, because it is expired.
    pub(super) fn forget(&self, digest: &TokenDigest) {
        self.entries.invalidate(digest);
    }
}

impl TokenDigest {
    pub(super) fn of(token: &[u8]) -> Self {
        Self(sha256(token))
    }
}
