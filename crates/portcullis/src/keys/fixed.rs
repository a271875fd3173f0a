//! Keys that do not change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jose::{AlgorithmSet, InvalidKey, KeySet, KeySetError, VerifyingKey};
use crate::keys::{KeyDiagnosis, KeyError, KeyProvider, KeyQuery, KeyStatus, doubt_about_secret};
use crate::sentence::debug_as_sentence;

/// How many keys without `kid` are tried. A rotation needs two.
const MAX_NAMELESS_TRIES: usize = 4;

/// Keys that are known at the start and do not change: from text, a file or code.
///
/// ```
/// use portcullis::keys::FixedKeys;
///
/// // The key of RFC 8037, appendix A.2.
/// let keys = FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// # Ok::<(), portcullis::keys::FixedKeysError>(())
/// ```
#[derive(Debug)]
pub struct FixedKeys {
    keys: KeySet,
    algorithms: AlgorithmSet,
}

/// Why [`FixedKeys`] could not be created.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FixedKeysError {
    /// The file can't be read.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// Why it can't be read.
        source: std::io::Error,
    },
    /// The key can't be used.
    #[error("{0}")]
    Key(#[from] InvalidKey),
    /// No key of the set can be used.
    #[error("no key of the set can be used{}", listed(.skipped))]
    NoUsableKey {
        /// Each key of the set, and why it can't be used.
        skipped: Vec<String>,
    },
    /// The text is not a JWK Set.
    #[error("{0}")]
    Set(#[from] KeySetError),
}

debug_as_sentence!(FixedKeysError);

impl FixedKeys {
    /// Reads one public key from the text of a JWK. A JWK without `kid` serves every `kid`.
    ///
    /// # Errors
    /// [`FixedKeysError::Key`] when the key can't be used.
    pub fn jwk(json: &str) -> Result<Self, FixedKeysError> {
        Ok(Self::key(VerifyingKey::from_jwk(json)?))
    }

    /// Reads public keys from the text of a JWK Set. Keys that can't be used are skipped.
    ///
    /// # Errors
    /// [`FixedKeysError::Set`] when the text is not a JWK Set, [`FixedKeysError::NoUsableKey`] when no key of it can be used.
    pub fn jwks(json: &str) -> Result<Self, FixedKeysError> {
        let set = KeySet::from_json(json)?;
        if set.is_empty() {
            return Err(FixedKeysError::NoUsableKey {
                skipped: set.skipped().iter().map(ToString::to_string).collect(),
            });
        }
        Ok(set.into())
    }

    /// Reads public keys from a file with a JWK Set, once.
    ///
    /// # Errors
    /// [`FixedKeysError::File`] when the file can't be read, and the errors of [`Self::jwks`].
    pub fn jwks_file(path: impl AsRef<Path>) -> Result<Self, FixedKeysError> {
        Self::jwks(&read(path.as_ref())?)
    }

    /// Reads one public key from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`, or from the base64 text in it. It serves
    /// every `kid`.
    ///
    /// # Errors
    /// [`FixedKeysError::Key`] when the key can't be used.
    pub fn pem(pem: &str) -> Result<Self, FixedKeysError> {
        Ok(Self::key(VerifyingKey::from_pem(pem)?))
    }

    /// Reads one public key from a PEM file, once. It serves every `kid`.
    ///
    /// # Errors
    /// [`FixedKeysError::File`] when the file can't be read, [`FixedKeysError::Key`] when the key can't be used.
    pub fn pem_file(path: impl AsRef<Path>) -> Result<Self, FixedKeysError> {
        Self::pem(&read(path.as_ref())?)
    }

    /// Reads one public key from DER: SubjectPublicKeyInfo, PKCS #1 or an X.509 certificate. It serves every `kid`.
    ///
    /// # Errors
    /// [`FixedKeysError::Key`] when the key can't be used.
    pub fn der(der: &[u8]) -> Result<Self, FixedKeysError> {
        Ok(Self::key(VerifyingKey::from_der(der)?))
    }

    /// Uses a secret that is shared with the issuer, of at least 32 bytes, for HS256, HS384 and HS512. It serves every `kid`.
    ///
    /// A log event (`warn`) says if the secret looks unintended, as [`doubt_about_secret`](crate::keys::doubt_about_secret)
    /// finds it: with a line break at the end, for example, or as base64 text.
    ///
    /// # Errors
    /// [`InvalidKey::SecretTooShort`], or [`InvalidKey::NotASecret`] for a public key or a certificate.
    pub fn secret(secret: &[u8]) -> Result<Self, FixedKeysError> {
        let key = VerifyingKey::from_secret(secret)?;
        if let Some(doubt) = doubt_about_secret(secret) {
            tracing::warn!("{doubt}");
        }
        Ok(Self::key(key))
    }

    /// Reads a shared secret from a file, once: the text of an `oct` JWK, or otherwise all bytes of the file. A JWK Set of `oct`
    /// keys has several secrets, for a rotation; those without `kid` are tried as [`Self::keys`] says. A line break at the end is
    /// part of a secret, and a log event (`warn`) says so, as for [`Self::secret`].
    ///
    /// # Errors
    /// [`FixedKeysError::File`] when the file can't be read, [`InvalidKey::SecretTooShort`], or [`InvalidKey::NotASecret`]
    /// for a file with a public key or a certificate.
    pub fn secret_file(path: impl AsRef<Path>) -> Result<Self, FixedKeysError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| FixedKeysError::File { path: path.to_owned(), source })?;
        match std::str::from_utf8(&bytes) {
            // A JSON object must be an oct JWK. A public key gets its own error, because it is the more dangerous one.
            Ok(text) if text.trim_start().starts_with('{') => match secret_jwks(text) {
                Ok(keys) => Ok(Self::keys(keys)),
                Err(error) => match VerifyingKey::from_secret(&bytes) {
                    Err(InvalidKey::NotASecret) => Err(InvalidKey::NotASecret.into()),
                    _ => Err(error.into()),
                },
            },
            _ => Self::secret(&bytes),
        }
    }

    /// Uses one key.
    #[must_use]
    pub fn key(key: VerifyingKey) -> Self {
        Self::keys([Arc::new(key)])
    }

    /// Uses several keys.
    ///
    /// Keys without `kid` serve every `kid`. Up to four of them are tried one after the other, so two secrets or two public
    /// keys work during a rotation:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use portcullis::keys::{FixedKeys, VerifyingKey};
    /// # let (new, old) = ([7; 32], [8; 32]);
    /// let keys = FixedKeys::keys([
    ///     Arc::new(VerifyingKey::from_secret(&new)?),
    ///     Arc::new(VerifyingKey::from_secret(&old)?),
    /// ]);
    /// # Ok::<(), portcullis::keys::InvalidKey>(())
    /// ```
    pub fn keys(keys: impl IntoIterator<Item = Arc<VerifyingKey>>) -> Self {
        KeySet::from_keys(keys).into()
    }

    /// Returns the keys.
    #[must_use]
    pub fn key_set(&self) -> &KeySet {
        &self.keys
    }
}

impl From<KeySet> for FixedKeys {
    fn from(keys: KeySet) -> Self {
        Self { algorithms: keys.algorithms(), keys }
    }
}

#[async_trait]
impl KeyProvider for FixedKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        Ok(Arc::clone(self.keys.choose(&query.wanted(MAX_NAMELESS_TRIES))?))
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        Some(self.keys.choose(&query.wanted(MAX_NAMELESS_TRIES)).cloned().map_err(KeyError::from))
    }

    fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    fn status(&self) -> KeyStatus {
        KeyStatus { keys: self.keys.len(), ..KeyStatus::ready() }
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        vec![KeyDiagnosis::of_held(self.keys.clone())]
    }
}

/// Reads an `oct` JWK, or the keys of a JWK Set that has only such keys.
fn secret_jwks(text: &str) -> Result<Vec<Arc<VerifyingKey>>, InvalidKey> {
    #[derive(Deserialize)]
    struct Set<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    let read = |json| VerifyingKey::from_secret_jwk(json).map(Arc::new);
    match serde_json::from_str::<Set<'_>>(text) {
        Ok(set) if !set.keys.is_empty() => set.keys.iter().map(|json| read(json.get())).collect(),
        _ => Ok(vec![read(text)?]),
    }
}

fn read(path: &Path) -> Result<String, FixedKeysError> {
    std::fs::read_to_string(path).map_err(|source| FixedKeysError::File { path: path.to_owned(), source })
}

fn listed(skipped: &[String]) -> String {
    if skipped.is_empty() { String::new() } else { format!(": {}", skipped.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;

    #[tokio::test]
    async fn secret_allows_only_hmac() {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        assert_eq!(keys.algorithms(), Algorithm::Hs256.into());
        assert!(keys.key(&KeyQuery::new(Algorithm::Hs256).with_key_id("any")).await.is_ok());
        assert!(matches!(keys.key(&KeyQuery::new(Algorithm::Rs256)).await, Err(KeyError::NotFound)));
    }

    const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
                       MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                       -----END PUBLIC KEY-----\n";

    fn der() -> Vec<u8> {
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let x = crate::jose::base64url::decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        [&prefix[..], &x.unwrap()].concat()
    }

    #[tokio::test]
    async fn single_key_without_kid_serves_every_kid() {
        for keys in [FixedKeys::jwk(JWK), FixedKeys::pem(PEM), FixedKeys::der(&der())] {
            let keys = keys.unwrap();
            for kid in [Some("any"), None] {
                assert!(keys.key(&KeyQuery::new(Algorithm::EdDsa).with_key_id(kid)).await.is_ok(), "{keys:?}");
            }
        }
    }

    #[test]
    fn files_are_read_once() {
        let path = std::env::temp_dir().join(format!("portcullis-fixed-{}", std::process::id()));
        let set = format!(r#"{{"keys":[{JWK},{{"kty":"oct","k":"AAAA"}}]}}"#);
        std::fs::write(&path, set).unwrap();
        let of_set = FixedKeys::jwks_file(&path).unwrap();
        std::fs::write(&path, PEM).unwrap();
        let of_pem = FixedKeys::pem_file(&path).unwrap();
        // The line break makes the secret long enough, so it is part of the secret.
        std::fs::write(&path, format!("{}\n", "x".repeat(31))).unwrap();
        let of_secret = FixedKeys::secret_file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for keys in [of_set, of_pem, of_secret] {
            assert_eq!((keys.status().ready, keys.key_set().len()), (true, 1));
        }
        for missing in [FixedKeys::jwks_file(&path), FixedKeys::pem_file(&path), FixedKeys::secret_file(&path)] {
            assert!(matches!(missing, Err(FixedKeysError::File { .. })));
        }
    }

    #[test]
    fn unusable_text_has_its_own_error() {
        for unusable in [FixedKeys::jwk("{}"), FixedKeys::pem(""), FixedKeys::der(&[]), FixedKeys::secret(&[7; 31])] {
            assert!(matches!(unusable, Err(FixedKeysError::Key(_))), "{unusable:?}");
        }
        assert!(matches!(FixedKeys::jwks("{}"), Err(FixedKeysError::Set(_))));
    }

    #[test]
    fn file_with_public_key_is_not_a_secret() {
        let path = std::env::temp_dir().join(format!("portcullis-secret-{}", std::process::id()));
        let read = |content: &str| {
            std::fs::write(&path, content).unwrap();
            FixedKeys::secret_file(&path).map(|keys| keys.algorithms().to_string()).map_err(|error| error.to_string())
        };
        for content in [JWK, &format!(r#"{{"keys":[{JWK}]}}"#), "-----BEGIN PUBLIC KEY-----\n"] {
            assert_eq!(read(content), Err(InvalidKey::NotASecret.to_string()), "{content}");
        }
        assert_eq!(read(r#"{"kty":"oct"}"#), Err(InvalidKey::MissingMember { member: "k" }.to_string()));
        let secret = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
        assert_eq!(read(secret).as_deref(), Ok("HS256"));
        assert_eq!(read("a secret of at least 32 bytes in a file").as_deref(), Ok("HS256"));
        assert_eq!(read(&format!(r#"{{"keys":[{secret},{secret}]}}"#)).as_deref(), Ok("HS256"));
        let mixed = format!(r#"{{"keys":[{secret},{JWK}]}}"#);
        assert_eq!(read(&mixed), Err(InvalidKey::NotASecret.to_string()));
        assert!(read(r#"{"keys":[]}"#).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn set_without_usable_key_says_why() {
        let error = FixedKeys::jwks(r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no key of the set can be used: key 0 (kid \"s\"): a symmetric key (oct) is not accepted in a key set"
        );
        let error = FixedKeys::jwks_file("/nonexistent/keys.json").unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/keys.json: "));
    }
}
