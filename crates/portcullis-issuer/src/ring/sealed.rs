//! What is stored of a ring, and how it is encrypted.
//!
//! The content is JSON: each key with its algorithm, its PKCS #8 and the moment from which it signs, and the lifetimes that
//! the ring allows for. It is sealed with AES-256-GCM under a random nonce. The version is authenticated with it, so an old
//! ring cannot pass for a new one. Layout: a format byte, 8 bytes that name the secret, 12 bytes of nonce, the ciphertext.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use portcullis::ConfigError;
use portcullis::config::variables::{environment, given};
use portcullis::jose::Algorithm;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::encoding;
use crate::ring::store::StoredRing;
use crate::ring::timeline::{RingKey, Spans, Timeline};
use crate::signing_key::SigningKey;

const VARIABLE: &str = "JWT_RING_SECRET";
const FORMAT: u8 = 1;
const SECRET_BYTES: usize = 32;
const NAME_BYTES: usize = 8;

/// The secret that encrypts a ring in a store: 32 random bytes, the same on all machines.
///
/// ```
/// use portcullis_issuer::RingSecret;
///
/// // As `openssl rand -base64 32` prints it.
/// let secret = RingSecret::from_base64("q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=")?;
/// assert_eq!(format!("{secret:?}"), "RingSecret(..)");
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// To replace it, deploy the new secret with [`Self::with_previous`] of the old one. The next change of the ring is sealed
/// with the new secret.
#[derive(Clone)]
pub struct RingSecret {
    current: Arc<SealingKey>,
    previous: Vec<Arc<SealingKey>>,
}

struct SealingKey {
    name: [u8; NAME_BYTES],
    key: RandomizedNonceKey,
}

impl RingSecret {
    /// Reads the secret from base64 of 32 bytes.
    ///
    /// # Errors
    /// [`ConfigError`] if it is something else.
    pub fn from_base64(text: &str) -> Result<Self, ConfigError> {
        let packed: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        let bytes = encoding::decode_standard(&packed).map(Zeroizing::new);
        let key = bytes.filter(|bytes| bytes.len() == SECRET_BYTES).and_then(|bytes| SealingKey::new(&bytes));
        let hint = "write 32 random bytes in base64, as `openssl rand -base64 32` prints them";
        let key = key.ok_or_else(|| ConfigError::new("secret", "not base64 of 32 bytes", hint))?;
        Ok(Self { current: Arc::new(key), previous: Vec::new() })
    }

    /// Reads the secret from the environment variable `JWT_RING_SECRET`, or from the file that `JWT_RING_SECRET_FILE` names.
    /// `None` if neither is set.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not base64 of 32 bytes, or cannot be read.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        let text = given(environment, VARIABLE)?.map(Zeroizing::new);
        text.map(|text| Self::from_base64(&text).map_err(|error| error.with_field(VARIABLE))).transpose()
    }

    /// Also opens what was sealed with `previous`.
    #[must_use]
    pub fn with_previous(mut self, previous: Self) -> Self {
        self.previous.push(previous.current);
        self.previous.extend(previous.previous);
        self
    }

    /// Seals a timeline. `None` if a key cannot be written.
    pub(super) fn seal(&self, timeline: &Timeline, version: u64) -> Option<StoredRing> {
        let mut sealed = Zeroizing::new(content(timeline)?);
        let nonce = self.current.key.seal_in_place_append_tag(associated(version), &mut *sealed).ok()?;
        let sealed = [&[FORMAT][..], &self.current.name, nonce.as_ref(), &sealed].concat();
        Some(StoredRing { version, sealed })
    }

    /// Opens a timeline. `None` if another secret sealed it, or if it is damaged.
    pub(super) fn open(&self, ring: &StoredRing) -> Option<Timeline> {
        let (format, rest) = ring.sealed.split_first()?;
        let (name, rest) = rest.split_at_checked(NAME_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key.name == name).filter(|_| *format == FORMAT)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let content = key.key.open_in_place(nonce, associated(ring.version), &mut sealed).ok()?;
        read_content(content)
    }
}

impl fmt::Debug for RingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingSecret(..)")
    }
}

impl SealingKey {
    fn new(secret: &[u8]) -> Option<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret).ok()?;
        // The hash of 32 random bytes does not help to find them.
        let hash = digest::digest(&digest::SHA256, &[b"portcullis ring secret: ", secret].concat());
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(hash.as_ref().get(..NAME_BYTES)?);
        Some(Self { name, key })
    }
}

fn associated(version: u64) -> Aad<[u8; 8]> {
    Aad::from(version.to_be_bytes())
}

#[derive(Deserialize, Serialize)]
struct Content {
    ahead_seconds: i64,
    token_seconds: i64,
    keys: Vec<ContentKey>,
}

#[derive(Deserialize, Serialize)]
struct ContentKey {
    algorithm: Algorithm,
    /// PKCS #8 in base64.
    private_key: Zeroizing<String>,
    signs_from: i64,
}

fn content(timeline: &Timeline) -> Option<Vec<u8>> {
    let key = |key: &RingKey| {
        let der = key.in_memory()?.private_der().ok()?;
        let private_key = Zeroizing::new(encoding::standard(&der));
        Some(ContentKey { algorithm: key.algorithm, private_key, signs_from: key.signs_from })
    };
    let content = Content {
        ahead_seconds: timeline.spans.ahead,
        token_seconds: timeline.spans.token,
        keys: timeline.keys().iter().map(key).collect::<Option<_>>()?,
    };
    serde_json::to_vec(&content).ok()
}

fn read_content(content: &[u8]) -> Option<Timeline> {
    let content: Content = serde_json::from_slice(content).ok()?;
    let key = |key: &ContentKey| {
        let der = Zeroizing::new(encoding::decode_standard(&key.private_key)?);
        let signing_key = SigningKey::from_pkcs8(key.algorithm, &der).ok()?;
        Some(RingKey::local(Arc::new(signing_key), key.signs_from))
    };
    let keys = content.keys.iter().map(key).collect::<Option<_>>()?;
    Timeline::stored(keys, Spans { ahead: content.ahead_seconds, token: content.token_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> RingSecret {
        RingSecret::from_base64(&encoding::standard(&[byte; 32])).unwrap()
    }

    fn timeline() -> Timeline {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        Timeline::starting(RingKey::local(Arc::new(key), 7), Spans { ahead: 3_600, token: 3_600 })
    }

    #[test]
    fn only_the_same_secret_and_version_open_a_ring() {
        let timeline = timeline();
        let ring = secret(1).seal(&timeline, 5).unwrap();
        let opened = secret(1).open(&ring).unwrap();
        assert_eq!((opened.spans, opened.keys().len()), (timeline.spans, 1));
        assert_eq!(opened.keys()[0].public_key.id(), timeline.keys()[0].public_key.id());
        assert_eq!(opened.keys()[0].signs_from, 7);
        assert!(secret(2).open(&ring).is_none());
        assert!(secret(2).with_previous(secret(1)).open(&ring).is_some());
        assert!(secret(1).open(&StoredRing { version: 6, ..ring.clone() }).is_none(), "another version");
        for at in 0..ring.sealed.len() {
            let mut damaged = ring.clone();
            damaged.sealed[at] ^= 1;
            assert!(secret(1).open(&damaged).is_none(), "byte {at}");
            damaged.sealed.truncate(at);
            assert!(secret(1).open(&damaged).is_none(), "{at} bytes");
        }
    }

    #[test]
    fn stored_bytes_do_not_contain_the_private_key() {
        let timeline = timeline();
        let ring = secret(1).seal(&timeline, 1).unwrap();
        let der = timeline.keys()[0].in_memory().unwrap().private_der().unwrap();
        let text = encoding::standard(&der);
        assert!(content(&timeline).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()), "the premise");
        assert!(!ring.sealed.windows(8).any(|bytes| text.as_bytes().windows(8).any(|part| part == bytes)));
        // A second seal of the same keys has another nonce.
        assert_ne!(secret(1).seal(&timeline, 1).unwrap(), ring);
    }

    #[test]
    fn other_texts_are_not_secrets() {
        for text in ["", "short", &encoding::standard(&[1; 31]), &encoding::standard(&[1; 33]), "ä"] {
            assert_eq!(RingSecret::from_base64(text).unwrap_err().field(), "secret", "{text}");
        }
        assert!(RingSecret::from_base64(&format!(" {}\n", encoding::standard(&[1; 32]).trim_end_matches('='))).is_ok());
    }
}
