//! The keys that derive the successor of a refresh token.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use portcullis::ConfigError;

use crate::token::RefreshToken;

/// The secret keys under which the successor of a refresh token is derived: one that is active, and others that are known.
///
/// Two requests that present the same token must get the same successor, even if they reach different machines or the
/// service restarts between them. So all machines that share a store have the same keys, and a restart does not change them.
/// They never reach the store: a copy of the store has hashes only and makes no token.
///
/// To replace a key, first add the new one with [`with_key`](Self::with_key) on all machines. When all of them have it, make
/// it the active key, with the old one as known. The old key can go as soon as the longest grace has passed.
///
/// ```
/// use portcullis_sessions::SuccessorKeys;
///
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// // From the variable REFRESH_TOKEN_KEYS. `None` means that it is not set.
/// let keys = SuccessorKeys::from_env()?;
///
/// # let (old_secret, new_secret) = ([1u8; 32].map({ let mut n = 0; move |_| { n += 1; n } }), [7u8; 33].map({ let mut n = 9; move |_| { n += 1; n } }));
/// // From elsewhere: each secret comes from `openssl rand 32` and is kept where the service keeps its other secrets.
/// let keys = SuccessorKeys::new(2, &new_secret)?.with_key(1, &old_secret)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SuccessorKeys {
    active: u32,
    keys: BTreeMap<u32, hmac::Key>,
}

impl SuccessorKeys {
    /// Makes the set with one active key. `secret` has 32 to 256 random bytes. A version is
    /// never used for another secret.
    ///
    /// # Errors
    /// [`ConfigError`] when the secret is too short, too long, or one repeated byte.
    pub fn new(version: u32, secret: &[u8]) -> Result<Self, ConfigError> {
        let keys = BTreeMap::from([(version, key(secret)?)]);
        Ok(Self { active: version, keys })
    }

    /// Adds a key that is known but not active: an older one, or the next one.
    ///
    /// # Errors
    /// [`ConfigError`] when the secret cannot be used, or the version has a key already.
    pub fn with_key(mut self, version: u32, secret: &[u8]) -> Result<Self, ConfigError> {
        if self.keys.insert(version, key(secret)?).is_some() {
            let problem = format!("version {version} has two keys");
            return Err(ConfigError::new(FIELD, problem, "give each key a version that was never used before"));
        }
        Ok(self)
    }

    /// Makes the set with one random key, for tests and for a single process whose sessions end with it, as they do in the
    /// [`MemoryStore`](crate::MemoryStore).
    ///
    /// # Errors
    /// [`ConfigError`] when the system has no random numbers.
    pub fn generate() -> Result<Self, ConfigError> {
        let secret = crate::token::random::<32>()
            .map_err(|_| ConfigError::new(FIELD, "the system has no random numbers", "give the key as bytes"))?;
        Self::new(1, &secret)
    }

    pub(crate) fn active(&self) -> u32 {
        self.active
    }

    /// Derives the successor of `token`. `None` means that this machine does not know the key.
    pub(crate) fn successor(&self, token: &RefreshToken, version: u32) -> Option<RefreshToken> {
        let mut context = hmac::Context::with_key(self.keys.get(&version)?);
        context.update(b"portcullis-sessions successor");
        context.update(token.family());
        context.update(token.secret());
        let mut secret = [0; 32];
        secret.copy_from_slice(context.sign().as_ref());
        Some(token.with_secret(secret))
    }
}

const FIELD: &str = "successor_keys";

fn key(secret: &[u8]) -> Result<hmac::Key, ConfigError> {
    let problem = match secret {
        short if short.len() < 32 => format!("a secret has {} bytes", short.len()),
        long if long.len() > 256 => format!("a secret has {} bytes", long.len()),
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => "a secret is one repeated byte".to_owned(),
        _ => return Ok(hmac::Key::new(hmac::HMAC_SHA256, secret)),
    };
    Err(ConfigError::new(FIELD, problem, "use 32 to 256 random bytes, for example 32 from `openssl rand -base64 32`"))
}

impl fmt::Debug for SuccessorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.keys.keys().collect();
        f.debug_struct("SuccessorKeys")
            .field("active", &self.active)
            .field("versions", &versions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(first: u8) -> Vec<u8> {
        (first..first + 32).collect()
    }

    #[test]
    fn successor_depends_on_key_and_token() {
        let keys = SuccessorKeys::new(1, &secret(0)).unwrap().with_key(2, &secret(1)).unwrap();
        let restarted = SuccessorKeys::new(2, &secret(1)).unwrap().with_key(1, &secret(0)).unwrap();
        let (token, other) = (RefreshToken::generate().unwrap(), RefreshToken::generate().unwrap());
        let derive = |keys: &SuccessorKeys, token, version| keys.successor(token, version).unwrap().as_str().to_owned();
        let successor = derive(&keys, &token, 1);
        assert_eq!(successor, derive(&restarted, &token, 1));
        assert_ne!(successor, derive(&keys, &token, 2));
        assert_ne!(successor, derive(&keys, &other, 1));
        assert_ne!(successor, derive(&keys, &RefreshToken::parse(&successor).unwrap(), 1));
        assert!(keys.successor(&token, 3).is_none());
        assert_eq!((keys.active(), restarted.active()), (1, 2));
    }

    #[test]
    fn weak_and_repeated_keys_are_refused() {
        let keys = SuccessorKeys::new(1, &secret(0)).unwrap();
        let refused = [
            SuccessorKeys::new(1, &[]).unwrap_err(),
            SuccessorKeys::new(1, &secret(0)[..31]).unwrap_err(),
            SuccessorKeys::new(1, &[0; 257]).unwrap_err(),
            SuccessorKeys::new(1, &[7; 32]).unwrap_err(),
            keys.clone().with_key(1, &secret(1)).unwrap_err(),
            keys.with_key(2, b"secret").unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.field(), "successor_keys", "{error}");
        }
    }

    #[test]
    fn debug_output_has_versions_only() {
        let keys = SuccessorKeys::new(3, &secret(0)).unwrap();
        assert_eq!(format!("{keys:?}"), "SuccessorKeys { active: 3, versions: [3], .. }");
    }
}
