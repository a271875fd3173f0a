//! Which key signs, and which keys are published, at a moment: functions of the keys and of the time.
//!
//! Each key has the moment from which it signs. The active key is the one that began last, so machines with the same keys
//! agree without a further message, and there is exactly one.

use std::fmt;
use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::keys::{InvalidKey, VerifyingKey};

use crate::encoding;
use crate::signer::{SignError, Signer};
use crate::signing_key::{SigningKey, identified};

/// How much longer than its last token a key stays published, in seconds. It covers the leeway of verifiers, at most ten
/// minutes in the core, and the clocks of several machines.
pub(super) const CLOCK_MARGIN: i64 = 10 * 60;

/// The keys of a ring, in the order in which they sign.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    keys: Vec<RingKey>,
    /// The lifetimes that the ring has to allow for.
    pub(super) spans: Spans,
}

/// What the times of keys depend on. With several machines, it has the longest value of any of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Spans {
    /// How long a new key is published before it signs, in seconds.
    pub(super) ahead: i64,
    /// The longest lifetime of a token, in seconds.
    pub(super) token: i64,
}

impl Spans {
    /// Returns the longer one of each.
    pub(super) fn longest(self, other: Self) -> Self {
        Self { ahead: self.ahead.max(other.ahead), token: self.token.max(other.token) }
    }
}

/// A key of a ring.
#[derive(Clone)]
pub(crate) struct RingKey {
    private_key: PrivateKey,
    pub(super) algorithm: Algorithm,
    pub(crate) public_key: Arc<VerifyingKey>,
    /// The header of its tokens, encoded.
    pub(crate) header: Arc<str>,
    /// The moment from which it signs, in Unix time.
    pub(super) signs_from: i64,
}

#[derive(Clone)]
pub(super) enum PrivateKey {
    /// In another place, for example a KMS.
    Remote(Arc<dyn Signer>),
    /// In memory.
    Local(Arc<SigningKey>),
}

impl Timeline {
    /// Starts with one key, which signs from `now` on.
    pub(super) fn starting(key: RingKey, spans: Spans) -> Self {
        Self { keys: vec![key], spans }
    }

    /// Returns the timeline of keys that were stored. `None` without keys.
    pub(super) fn stored(mut keys: Vec<RingKey>, spans: Spans) -> Option<Self> {
        keys.sort_by_key(|key| key.signs_from);
        (!keys.is_empty()).then_some(Self { keys, spans })
    }

    pub(super) fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// Returns the key that signs. A clock that was set back before the first key gets the first key.
    pub(crate) fn active(&self, now: i64) -> Option<&RingKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now).or(self.keys.first())
    }

    /// Returns the published keys: the active one, the next one, and those whose tokens may still be valid.
    pub(crate) fn published(&self, now: i64) -> impl Iterator<Item = &RingKey> {
        self.keys.iter().enumerate().filter(move |(index, _)| !self.is_over(*index, now)).map(|(_, key)| key)
    }

    /// Returns the key that is published and does not sign yet.
    pub(super) fn next(&self, now: i64) -> Option<&RingKey> {
        let active = self.active(now)?;
        self.keys.last().filter(|last| last.signs_from > now.max(active.signs_from))
    }

    /// Returns the timeline with one more key, without the keys that are over.
    pub(super) fn with_next(&self, key: RingKey, now: i64) -> Self {
        let mut timeline = self.pruned(now);
        timeline.keys.push(key);
        timeline
    }

    /// Returns the timeline with other lifetimes to allow for.
    pub(super) fn with_spans(&self, spans: Spans) -> Self {
        Self { keys: self.keys.clone(), spans }
    }

    /// Returns the timeline without the keys whose last token has expired.
    pub(super) fn pruned(&self, now: i64) -> Self {
        Self { keys: self.published(now).cloned().collect(), spans: self.spans }
    }

    /// Whether the last token of a key has expired.
    fn is_over(&self, index: usize, now: i64) -> bool {
        let successor = self.keys.get(index.saturating_add(1));
        let ends = |next: &RingKey| next.signs_from.saturating_add(self.spans.token).saturating_add(CLOCK_MARGIN);
        successor.is_some_and(|next| ends(next) <= now)
    }

    /// Whether a key with this identifier is in the timeline.
    pub(super) fn has(&self, id: Option<&str>) -> bool {
        self.keys.iter().any(|key| key.public_key.id() == id)
    }
}

impl RingKey {
    pub(super) fn local(key: Arc<SigningKey>, signs_from: i64) -> Self {
        let (algorithm, public_key) = (key.algorithm(), key.public_key());
        Self::new(PrivateKey::Local(key), algorithm, public_key, signs_from)
    }

    pub(super) fn remote(signer: Arc<dyn Signer>, signs_from: i64) -> Result<Self, InvalidKey> {
        let (algorithm, given) = (signer.algorithm(), signer.public_key());
        let copy = VerifyingKey::from_jwk(&given.to_jwk().ok_or(InvalidKey::SymmetricInSet)?)?;
        let public_key = Arc::new(identified(copy, algorithm)?);
        Ok(Self::new(PrivateKey::Remote(signer), algorithm, public_key, signs_from))
    }

    fn new(private_key: PrivateKey, algorithm: Algorithm, public_key: Arc<VerifyingKey>, signs_from: i64) -> Self {
        // Thumbprints and names of algorithms need no escaping.
        let id = public_key.id().unwrap_or_default();
        let header = encoding::url(format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"at+jwt"}}"#).as_bytes());
        Self { private_key, algorithm, public_key, header: header.into(), signs_from }
    }

    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.private_key {
            PrivateKey::Local(key) => key.sign_now(message),
            PrivateKey::Remote(signer) => signer.sign(message).await,
        }
    }

    /// Returns the private key if it is in memory.
    pub(super) fn in_memory(&self) -> Option<&SigningKey> {
        match &self.private_key {
            PrivateKey::Local(key) => Some(key),
            PrivateKey::Remote(_) => None,
        }
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self.private_key, PrivateKey::Remote(_))
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKey")
            .field("id", &self.public_key.id())
            .field("algorithm", &self.algorithm)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}
