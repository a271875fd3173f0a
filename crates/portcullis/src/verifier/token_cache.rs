//! The cache of good signatures.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use zeroize::Zeroizing;

use crate::claims::NumericDate;
use crate::measure::{Counters, TokenCacheOutcome, table};
use crate::verifier::verified::TokenContents;

/// How much memory cached tokens may take, in bytes.
pub(super) const DEFAULT_CACHED_BYTES: u64 = 64 * 1024 * 1024;
/// What the cache needs for an entry in addition to its contents, in bytes: links, counters, and parts that allocators add.
const ENTRY_BYTES: usize = 512;
/// The largest entry of a token of the default size, in bytes. Each part of the cache has room for some of them.
const LARGEST_ENTRY_BYTES: u64 = 128 * 1024;
/// No memory is larger. Sums of weights up to this bound do not overflow.
const MAX_BYTES: u64 = 1 << 62;
/// The number of entries that the cache has room for at first. Its tables grow when more are needed.
const FIRST_ROOM: u64 = 1024;

/// Caches that a token's signature is good, with what the token says. The claim checks still run on every hit. The key is
/// also looked up again, so tokens of a withdrawn or replaced key are refused at once.
///
/// Only tokens with a good signature are added. So forged tokens take no place, and it takes a signing key to choose the hashes
/// of the entries.
pub(super) struct TokenCache {
    entries: Cache<TokenBytes, Entry, Weight>,
    /// The least weight of an entry. It bounds the number of entries.
    least_weight: u64,
    lookups: Counters<(TokenCacheOutcome,)>,
}

#[derive(Clone)]
struct Entry {
    contents: Arc<TokenContents>,
    weight: u64,
}

/// All bytes of a token, signature included. They are compared on every hit, and overwritten when they are dropped.
struct TokenBytes {
    text: Zeroizing<Box<[u8]>>,
    hashed: HashedPart,
}

/// A token that is looked up.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    text: &'a [u8],
    hashed: HashedPart,
}

/// The part of a token that is hashed: it is as good as random, and it takes a signing key to choose it. 16 characters of a
/// signature are 96 bits.
#[derive(Clone, Copy, Hash)]
struct HashedPart {
    /// The end of the token.
    end: u128,
    /// A signature with ML-DSA ends with up to 112 characters that repeat often (FIPS 204 §7.2, the hint).
    before_hint: u128,
}

/// The characters that [`HashedPart::before_hint`] leaves out at the end.
const HINT: usize = 112;

#[derive(Clone)]
struct Weight;

impl TokenCache {
    /// A cache of at most `tokens` tokens that take at most `bytes` bytes.
    pub(super) fn new(tokens: u64, bytes: u64) -> Self {
        let bytes = bytes.min(MAX_BYTES);
        // One more entry than allowed weighs more than all bytes, so that the weight bounds the number of entries as well.
        let least_weight = (bytes / tokens.saturating_add(1)).saturating_add(1);
        // The cache divides its capacity into parts with separate locks: fewer, the fewer entries it is told to expect.
        let expected = tokens.min(FIRST_ROOM).min(bytes / LARGEST_ENTRY_BYTES).max(1);
        let expected = usize::try_from(expected).unwrap_or(1);
        let (entries, lookups) = (Cache::with_weighter(expected, bytes, Weight), Counters::new(&table::TOKEN_CACHE));
        Self { entries, least_weight, lookups }
    }

    pub(super) fn get(&self, token: &[u8]) -> Option<Arc<TokenContents>> {
        self.entries.get(&Wanted::of(token)).map(|entry| entry.contents)
    }

    /// Counts a lookup. It is a miss as well if the key of the token is not valid any more.
    pub(super) fn count(&self, outcome: TokenCacheOutcome) {
        self.lookups.increment((outcome,));
    }

    /// Caches a token, unless `now`, the time of the verifier's clock, is past its `exp` by `leeway`.
    pub(super) fn insert(&self, token: &[u8], contents: &Arc<TokenContents>, now: NumericDate, leeway: Duration) {
        let expires_at = contents.claims.expires_at().map(|expires_at| expires_at.saturating_add(leeway));
        if expires_at.is_some_and(|expires_at| expires_at.saturating_since(now).is_zero()) {
            return;
        }
        let bytes = (ENTRY_BYTES + token.len() + contents.memory()) as u64;
        let entry = Entry { contents: Arc::clone(contents), weight: bytes.max(self.least_weight) };
        let Wanted { text, hashed } = Wanted::of(token);
        self.entries.insert(TokenBytes { text: Zeroizing::new(text.into()), hashed }, entry);
    }

    /// Drops a token, because it is expired.
    pub(super) fn forget(&self, token: &[u8]) {
        self.entries.remove(&Wanted::of(token));
    }
}

impl Weighter<TokenBytes, Entry> for Weight {
    fn weight(&self, _: &TokenBytes, entry: &Entry) -> u64 {
        entry.weight
    }
}

impl<'a> Wanted<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { text, hashed: HashedPart::of(text) }
    }
}

impl HashedPart {
    fn of(text: &[u8]) -> Self {
        let ends_at = |end: usize| text.get(..end).and_then(<[u8]>::last_chunk).copied().map_or(0, u128::from_ne_bytes);
        let before_hint = text.len().saturating_sub(HINT);
        Self { end: ends_at(text.len()), before_hint: ends_at(before_hint) }
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hashed.hash(state);
    }
}

impl Hash for TokenBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hashed.hash(state);
    }
}

impl Equivalent<TokenBytes> for Wanted<'_> {
    fn equivalent(&self, key: &TokenBytes) -> bool {
        *self.text == **key.text
    }
}

impl PartialEq for TokenBytes {
    fn eq(&self, other: &Self) -> bool {
        **self.text == **other.text
    }
}

impl Eq for TokenBytes {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Claims, StandardGrants};
    use crate::verifier::Evidence;
    use crate::verifier::verified::Common;

    #[test]
    fn every_bound_holds() {
        let claims = Claims::parse(br#"{"sub":"u"}"#.to_vec()).unwrap();
        let common = Arc::new(Common { grants: Arc::new(StandardGrants::new()), clock: None });
        let contents = Arc::new(TokenContents { claims, evidence: Evidence::Signature, signed: None, common });
        for bytes in [1, 10_000, DEFAULT_CACHED_BYTES, u64::MAX - 1, u64::MAX] {
            for tokens in [1, 2, 100, 3_000, u64::MAX] {
                let cache = TokenCache::new(tokens, bytes);
                for number in 0..5_000_u64 {
                    let now = NumericDate::from_unix(0, 0);
                    let token = format!("e30.e30.{number:022}");
                    cache.insert(token.as_bytes(), &contents, now, Duration::ZERO);
                }
                let cached = cache.entries.len() as u64;
                assert!(cached <= tokens && cache.entries.weight() <= bytes, "{cached} of {tokens} in {bytes}");
                assert!(
                    bytes < DEFAULT_CACHED_BYTES || cached >= tokens.min(1_000) / 2,
                    "{cached} of {tokens} in {bytes}"
                );
            }
        }
    }
}
