//! The negative cache: keys that a fetched set did not have, so that further tokens with them cause no fetch.

use std::time::Duration;

use moka::sync::Cache;

use crate::hash::sha256;
use crate::jose::Algorithm;
use crate::keys::KeyQuery;
use crate::keys::remote::limits;
use crate::keys::remote::settings::FetchSettings;

/// A bounded number of missing keys.
#[derive(Debug)]
pub(super) struct NegativeCache {
    entries: Cache<KeyFingerprint, MissingKey>,
    first_lifetime: Duration,
    lifetime: Duration,
}

/// A key that a fetched set did not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct MissingKey {
    until: Duration,
}

/// The SHA-256 of a `kid`, and the algorithm. Its size does not depend on the token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct KeyFingerprint([u8; 32], Algorithm);

impl NegativeCache {
    pub(super) fn new(settings: &FetchSettings) -> Self {
        Self {
            entries: Cache::new(limits::NEGATIVE_CACHE_ENTRIES),
            first_lifetime: settings.cooldown.min(limits::NEGATIVE_LIFETIME),
            lifetime: limits::NEGATIVE_LIFETIME,
        }
    }

    pub(super) fn get(&self, key: &KeyFingerprint) -> Option<MissingKey> {
        self.entries.get(key)
    }

    /// Remembers a missing key: for one cooldown the first time, because it may be published soon, and for the full
    /// lifetime after that.
    ///
    /// `before` is the entry that was read before the fetch, so that all callers that waited for one fetch count once.
    pub(super) fn insert(&self, key: KeyFingerprint, before: Option<MissingKey>, now: Duration) {
        let lifetime = if before.is_none() { self.first_lifetime } else { self.lifetime };
        self.entries.insert(key, MissingKey { until: now.saturating_add(lifetime) });
    }
}

impl MissingKey {
    /// Whether the key is still considered missing without a fetch.
    pub(super) fn is_current(self, now: Duration) -> bool {
        now < self.until
    }
}

impl KeyFingerprint {
    pub(super) fn of(query: &KeyQuery<'_>) -> Self {
        let name = query.key_id().map_or_else(|| "-".to_owned(), |id| format!("+{id}"));
        Self(sha256(name.as_bytes()), query.algorithm())
    }
}
