//! Nonces of the service: the sealed time, so that no store is needed (RFC 9449 §8, §9).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::claims::NumericDate;
use crate::error::{AuthError, ConfigError};
use crate::hash::sha256;
use crate::jose::base64url;

const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
const SHORTEST_LIFETIME: Duration = Duration::from_secs(10);
const LONGEST_LIFETIME: Duration = Duration::from_secs(3_600);
/// How far the clocks of two machines of the service may differ. Stores of used proofs that machines share assume the same.
const LEEWAY: Duration = Duration::from_secs(10);

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
/// The first byte of a nonce: its form.
const VERSION: u8 = 1;
const TIME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN + TIME_BYTES + TAG_BYTES;
/// What is authenticated together with the time, so that a key that also serves something else seals no nonces there.
const PURPOSE: &[u8] = b"portcullis DPoP-Nonce";

/// The nonces of a service for DPoP proofs (RFC 9449 §9). With them, a client cannot make proofs in advance.
///
/// A nonce is the time of the service, encrypted and authenticated with AES-256-GCM, so the service keeps no list of them. It is
/// accepted for 300 seconds ([`Self::with_lifetime`]). Clients get the next one with the response to a request whose nonce is
/// older than half of that, behind a layer or middleware, and otherwise with the response 401 `use_dpop_nonce`.
///
/// All machines that serve one URL need the same keys ([`Self::shared`]).
///
/// ```
/// use portcullis::possession::{Dpop, DpopNonces};
///
/// // For a service of one process: a new key with each start.
/// let dpop = Dpop::required().with_nonces(DpopNonces::generate()?);
///
/// // For several machines: from `openssl rand -base64 32`. The first key seals new nonces, and each opens its own.
/// let keys = ["3kTJ8mQxvJ3hTnD0o1yPZyZPqk8yH2Jm6T4xZ8mB1lA=", "u0X2bYc7r5cG4sQm9w1vE3xT6zL8nK0jH2fD5aS7dPo="];
/// let dpop = Dpop::required().with_nonces(DpopNonces::shared(keys)?);
/// # let _ = dpop;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// # Rotation
///
/// Add the new key at the end of the list on all machines. Then move it to the front on all machines. Remove the old key after
/// the lifetime of a nonce.
#[derive(Clone)]
#[must_use = "give it to Dpop::with_nonces"]
pub struct DpopNonces {
    /// The first seals.
    keys: Arc<[NonceKey]>,
    lifetime: Duration,
    /// The nonce of the current second. Requests share it, so that a flood of them does not wear out the key.
    latest: Arc<Mutex<Option<(i64, String)>>>,
}

struct NonceKey {
    /// The beginning of the hash of the key.
    id: [u8; KEY_ID_BYTES],
    key: RandomizedNonceKey,
}

impl DpopNonces {
    /// Generates a key for this process. After a restart, clients are asked once for a new nonce.
    ///
    /// # Errors
    /// [`ConfigError`] if the operating system provides no random bytes.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = [0; KEY_BYTES];
        let key = rand::fill(&mut bytes).ok().and_then(|()| NonceKey::new(&bytes));
        let no_random = || {
            let hint = "give keys that another machine generated";
            ConfigError::new("dpop_nonce_keys", "the operating system provides no random bytes", hint)
        };
        Ok(Self::of(vec![key.ok_or_else(no_random)?]))
    }

    /// Uses these keys: each has 32 random bytes in base64, for example from `openssl rand -base64 32`. The first seals new
    /// nonces, and every one opens those that it sealed.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no key, a text is not 32 bytes in base64, or a key appears twice. The error does not
    /// repeat a key.
    pub fn shared<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let hint = "write 32 random bytes in base64 for each key, for example from: openssl rand -base64 32";
        let error = |problem: String| ConfigError::new("dpop_nonce_keys", problem, hint);
        let mut read: Vec<NonceKey> = Vec::new();
        for (position, text) in keys.into_iter().enumerate() {
            let number = position + 1;
            let key = decode(text.as_ref().trim()).and_then(|bytes| NonceKey::new(&bytes));
            let key = key.ok_or_else(|| error(format!("key {number} is not 32 random bytes in base64")))?;
            if read.iter().any(|other| other.id == key.id) {
                return Err(error(format!("key {number} appears twice")));
            }
            read.push(key);
        }
        if read.is_empty() { Err(error("there is no key".to_owned())) } else { Ok(Self::of(read)) }
    }

    fn of(keys: Vec<NonceKey>) -> Self {
        Self { keys: keys.into(), lifetime: DEFAULT_LIFETIME, latest: Arc::default() }
    }

    /// Sets how long a nonce is accepted. Default: 300 seconds; 10 seconds to one hour.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if (SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&self.lifetime) {
            return Ok(());
        }
        Err(ConfigError::new("dpop_nonce_lifetime", format!("{:?}", self.lifetime), "write 10 to 3600 seconds"))
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the time at which this service made `nonce`, if it is accepted `now`.
    pub(super) fn issued_at(&self, nonce: &str, now: NumericDate) -> Option<NumericDate> {
        if nonce.len() != base64url::encoded_length(NONCE_BYTES) {
            return None;
        }
        let bytes = base64url::decode(nonce)?;
        let (head, rest) = bytes.split_at_checked(1 + KEY_ID_BYTES)?;
        let (initialization, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let NonceKey { key, .. } = self.keys.iter().find(|key| key.head() == head)?;
        let initialization = Nonce::try_assume_unique_for_key(initialization).ok()?;
        let mut sealed = sealed.to_vec();
        let time = key.open_in_place(initialization, Aad::from([PURPOSE, head].concat()), &mut sealed).ok()?;
        let issued_at = NumericDate::from_unix(i64::from_be_bytes(time.try_into().ok()?), 0);
        let is_accepted = issued_at <= now.saturating_add(LEEWAY) && now <= issued_at.saturating_add(self.lifetime);
        is_accepted.then_some(issued_at)
    }

    /// Whether a nonce of `issued_at` is so old that the client should get another one.
    pub(super) fn is_old(&self, issued_at: NumericDate, now: NumericDate) -> bool {
        now.saturating_since(issued_at) > self.lifetime / 2
    }

    /// Returns a nonce of `now`.
    pub(super) fn fresh(&self, now: NumericDate) -> Result<String, AuthError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, nonce)) = latest.as_ref().filter(|(seconds, _)| *seconds == now.seconds()) {
            return Ok(nonce.clone());
        }
        let sealed = self.keys.first().and_then(|key| key.seal(now.seconds()));
        let nonce = sealed.ok_or_else(|| AuthError::Server("no DPoP nonce could be sealed".into()))?;
        *latest = Some((now.seconds(), nonce.clone()));
        Ok(nonce)
    }
}

impl NonceKey {
    /// `None` unless these are 32 bytes that can be random.
    fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_BYTES || bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return None;
        }
        let mut id = [0; KEY_ID_BYTES];
        let hash = sha256(&[PURPOSE, bytes].concat());
        id.copy_from_slice(hash.get(..KEY_ID_BYTES)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self { id, key })
    }

    /// The first bytes of its nonces.
    fn head(&self) -> [u8; 1 + KEY_ID_BYTES] {
        let [a, b, c, d] = self.id;
        [VERSION, a, b, c, d]
    }

    fn seal(&self, seconds: i64) -> Option<String> {
        let head = self.head();
        let mut sealed = seconds.to_be_bytes().to_vec();
        let purpose = Aad::from([PURPOSE, &head].concat());
        let initialization = self.key.seal_in_place_append_tag(purpose, &mut sealed).ok()?;
        Some(base64url::encode(&[&head, initialization.as_ref().as_slice(), &sealed].concat()))
    }
}

/// Decodes base64 or base64url, with and without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|form| form.decode_to_vec(text).ok())
}

impl fmt::Debug for DpopNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopNonces")
            .field("keys", &self.keys.len())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "3kTJ8mQxvJ3hTnD0o1yPZyZPqk8yH2Jm6T4xZ8mB1lA=";
    const TWO: &str = "u0X2bYc7r5cG4sQm9w1vE3xT6zL8nK0jH2fD5aS7dPo";

    fn date(seconds: i64) -> NumericDate {
        NumericDate::from_unix(seconds, 0)
    }

    #[test]
    fn nonce_is_accepted_for_its_lifetime() {
        let nonces = DpopNonces::shared([ONE]).unwrap();
        let nonce = nonces.fresh(date(1_000)).unwrap();
        for (now, is_accepted) in
            [(989, false), (990, true), (1_000, true), (1_150, true), (1_300, true), (1_301, false), (9_000, false)]
        {
            let expected = is_accepted.then_some(date(1_000));
            assert_eq!(nonces.issued_at(&nonce, date(now)), expected, "{now}");
        }
        assert!(!nonces.is_old(date(1_000), date(1_150)) && nonces.is_old(date(1_000), date(1_151)));
    }

    #[test]
    fn changed_and_made_up_nonces_are_refused() {
        let nonces = DpopNonces::shared([ONE]).unwrap();
        let nonce = nonces.fresh(date(1_000)).unwrap();
        assert_eq!(nonce.len(), 55);
        for position in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(nonces.issued_at(&changed, date(1_000)), None, "{position}");
        }
        let time = base64url::encode(&1_000_i64.to_be_bytes());
        for made_up in ["", "1000", &time, &nonce[1..], &format!("{nonce}A"), &"A".repeat(55), &"\u{e9}".repeat(27)] {
            assert_eq!(nonces.issued_at(made_up, date(1_000)), None, "{made_up}");
        }
        // A nonce shows no time.
        let bytes = base64url::decode(&nonce).unwrap();
        assert!(!bytes.windows(8).any(|window| window == 1_000_i64.to_be_bytes()));
    }

    #[test]
    fn keys_rotate_without_a_refusal() {
        let [before, both, moved, after] =
            [&[ONE][..], &[ONE, TWO], &[TWO, ONE], &[TWO]].map(|keys| DpopNonces::shared(keys).unwrap());
        let opens = |opener: &DpopNonces, sealer: &DpopNonces| {
            opener.issued_at(&sealer.fresh(date(7)).unwrap(), date(7)).is_some()
        };
        for (opener, sealer) in [(&before, &both), (&both, &before), (&both, &moved), (&moved, &both), (&moved, &after)]
        {
            assert!(opens(opener, sealer));
        }
        assert!(opens(&after, &moved) && !opens(&after, &before) && !opens(&before, &after));
    }

    #[test]
    fn machines_with_one_key_accept_each_others_nonces() {
        let (one, other) =
            (DpopNonces::shared([ONE]).unwrap(), DpopNonces::shared([ONE.trim_end_matches('=')]).unwrap());
        let (first, second) = (one.fresh(date(7)).unwrap(), other.fresh(date(7)).unwrap());
        assert_ne!(first, second, "a nonce cannot be predicted");
        assert!(one.issued_at(&second, date(7)).is_some() && other.issued_at(&first, date(7)).is_some());
        let alone = DpopNonces::generate().unwrap();
        assert_eq!(alone.issued_at(&first, date(7)), None);
    }

    #[test]
    fn nonces_of_one_second_are_equal() {
        let nonces = DpopNonces::generate().unwrap();
        let first = nonces.fresh(date(7)).unwrap();
        assert!((0..100).all(|_| nonces.fresh(date(7)).unwrap() == first));
        assert_ne!(nonces.fresh(date(8)).unwrap(), first);
    }

    #[test]
    fn wrong_keys_are_configuration_errors_that_repeat_no_key() {
        let zeros = STANDARD.encode_to_string([0; 32]);
        let short = STANDARD.encode_to_string([7; 16]);
        for keys in [&[][..], &[""], &["secret-secret"], &[&*zeros], &[&*short], &[ONE, ONE], &[ONE, "x"]] {
            let error = DpopNonces::shared(keys).unwrap_err();
            assert_eq!(error.field(), "dpop_nonce_keys", "{keys:?}");
            assert!(keys.iter().all(|key| key.len() < 5 || !error.to_string().contains(key)), "{error}");
        }
        for (seconds, is_valid) in [(9, false), (10, true), (3_600, true), (3_601, false)] {
            let nonces = DpopNonces::generate().unwrap().with_lifetime(Duration::from_secs(seconds));
            assert_eq!(nonces.validate().is_ok(), is_valid, "{seconds}");
        }
        assert_eq!(format!("{:?}", DpopNonces::shared([ONE]).unwrap()), "DpopNonces { keys: 1, lifetime: 300s, .. }");
    }
}
