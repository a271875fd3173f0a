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
const HINT: &str = "write 32 random bytes in base64, as `openssl rand -base64 32` prints them";
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
/// with the new secret. Before that, every machine has to know the new secret, so deploy it as the previous one first.
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
        let key = SealingKey::from_base64(text.trim());
        let key = key.ok_or_else(|| ConfigError::new("secret", "not base64 of 32 bytes", HINT))?;
        Ok(Self { current: Arc::new(key), previous: Vec::new() })
    }

    /// Reads the secret from the environment variable `JWT_RING_SECRET`, or from the file that `JWT_RING_SECRET_FILE` names
    /// ([`variables`](portcullis::config::variables)). `None` if neither is set.
    ///
    /// The value is base64 of 32 bytes, as `openssl rand -base64 32` prints it. To replace the secret, list several, with
    /// white space or commas in between: the first one seals, and all of them open.
    ///
    /// # Errors
    /// [`ConfigError`] says which variable is wrong, and what to write instead.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Self::from_variables(environment)
    }

    /// Reads the secret as [`Self::from_env`] does, with `lookup` instead of the environment.
    ///
    /// ```
    /// use portcullis_issuer::RingSecret;
    ///
    /// let lookup = |name: &str| (name == "JWT_RING_SECRET").then(|| "not a secret".to_owned());
    /// let error = RingSecret::from_variables(lookup).unwrap_err().to_string();
    /// assert_eq!(
    ///     error,
    ///     "JWT_RING_SECRET: secret 1 is not base64 of 32 bytes; \
    ///      write 32 random bytes in base64, as `openssl rand -base64 32` prints them"
    /// );
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_env`].
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let Some(text) = given(lookup, VARIABLE)?.map(Zeroizing::new) else { return Ok(None) };
        let mut secrets = Vec::new();
        for item in text.split([',', ' ', '\t', '\r', '\n']).filter(|item| !item.is_empty()) {
            let problem = format!("secret {} is not base64 of 32 bytes", secrets.len() + 1);
            secrets.push(SealingKey::from_base64(item).ok_or_else(|| ConfigError::new(VARIABLE, problem, HINT))?);
        }
        let mut secrets = secrets.into_iter().map(Arc::new);
        let current = secrets.next().ok_or_else(|| ConfigError::new(VARIABLE, "no secret", HINT))?;
        Ok(Some(Self { current, previous: secrets.collect() }))
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
    fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(encoding::decode_standard(text)?);
        if bytes.len() == SECRET_BYTES { Self::new(&bytes) } else { None }
    }

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
    fn first_secret_of_the_variable_seals() {
        let text = |byte| encoding::standard(&[byte; 32]);
        let read = |value: String| {
            RingSecret::from_variables(|name| (name == VARIABLE).then(|| value.clone())).map(Option::unwrap)
        };
        let ring = read(text(1)).unwrap().seal(&timeline(), 1).unwrap();
        for separator in [" ", ",", ", ", "\n", "\r\n", "\t"] {
            let both = read(format!("{}{separator}{}", text(2), text(1))).unwrap();
            assert!(both.open(&ring).is_some(), "{separator:?}");
            let sealed = both.seal(&timeline(), 1).unwrap();
            assert!(secret(2).open(&sealed).is_some() && secret(1).open(&sealed).is_none(), "{separator:?}");
        }
        assert!(RingSecret::from_variables(|_| None).unwrap().is_none());
        for (value, problem) in [
            (",".to_owned(), "no secret"),
            ("x".to_owned(), "secret 1 is not"),
            (format!("{},AAAA", text(1)), "secret 2 is not"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("JWT_RING_SECRET: {problem}")), "{error}");
            assert!(error.ends_with("`openssl rand -base64 32` prints them") && !error.contains("AAAA"), "{error}");
        }
    }

    #[test]
    fn other_texts_are_not_secrets() {
        for text in ["", "short", &encoding::standard(&[1; 31]), &encoding::standard(&[1; 33]), "ä"] {
            assert_eq!(RingSecret::from_base64(text).unwrap_err().field(), "secret", "{text}");
        }
        assert!(RingSecret::from_base64(&format!(" {}\n", encoding::standard(&[1; 32]).trim_end_matches('='))).is_ok());
    }
}
