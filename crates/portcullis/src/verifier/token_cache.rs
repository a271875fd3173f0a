//! Memory of good signatures.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::hash::sha256;
use crate::verifier::verified::TokenContents;

/// Access tokens live shorter than this; what a cache still holds by then only takes up room.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Remembers that a token's signature was good. Nothing else is remembered: every check of claims runs again on a hit,
/// and the key is asked for again, so that a key that was withdrawn or replaced stops its tokens at once.
pub(super) struct TokenCache(Cache<TokenDigest, Arc<TokenContents>>);

/// SHA-256 of a whole token, signature included: two tokens share an entry only if they are the same bytes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenCache {
    pub(super) fn new(tokens: u64) -> Self {
        Self(Cache::builder().max_capacity(tokens).time_to_live(LIFETIME).build())
    }

    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Arc<TokenContents>> {
        self.0.get(digest)
    }

    pub(super) fn insert(&self, digest: TokenDigest, contents: &Arc<TokenContents>) {
        self.0.insert(digest, Arc::clone(contents));
    }
}

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }
}
