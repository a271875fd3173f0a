//! The cache of good signatures.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::hash::sha256;
use crate::verifier::verified::TokenContents;

/// Access tokens live shorter than this, so older entries are useless.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Caches that a token's signature is good, with what the token says. The claim checks still run on every hit. The key is
/// also looked up again, so tokens of a withdrawn or replaced key are refused at once.
pub(super) struct TokenCache(Cache<TokenDigest, Arc<TokenContents>>);

/// The SHA-256 of a complete token, signature included: two tokens share an entry only if all their bytes are equal.
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
