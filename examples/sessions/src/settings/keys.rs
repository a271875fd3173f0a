//! The keys that are set.

use std::path::PathBuf;

use portcullis_axum::jose::Algorithm;
use portcullis_issuer::{RingSecret, SigningKey};
use portcullis_sessions::SuccessorKeys;

use super::reader::Reader;

/// The keys. What is not set is made on the first start.
pub struct KeySettings {
    /// `JWT_PRIVATE_KEY`, with `JWT_PUBLIC_KEY` and `JWT_ALGORITHM`. Otherwise the keys are in the database.
    pub signing_key: Option<SigningKey>,
    /// `JWT_ALGORITHM`, the algorithm of generated keys.
    pub algorithm: Algorithm,
    /// `JWT_RING_SECRET`, with which the signing keys in the database are encrypted.
    pub ring_secret: Option<RingSecret>,
    /// `REFRESH_TOKEN_KEYS`, from which the successors of refresh tokens are derived.
    pub successor_keys: Option<SuccessorKeys>,
    /// `KEYS_FOLDER`, where generated secrets are kept.
    pub folder: PathBuf,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            signing_key: None,
            algorithm: Algorithm::Es256,
            ring_secret: None,
            successor_keys: None,
            folder: "sessions-keys".into(),
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> KeySettings {
    let default = KeySettings::default();
    let (signing_key, algorithm) = signing_key(reader, default.algorithm);
    KeySettings {
        signing_key,
        algorithm,
        ring_secret: reader.result(|lookup| RingSecret::from_variables(lookup)).flatten(),
        successor_keys: reader.result(|lookup| SuccessorKeys::from_variables(lookup)).flatten(),
        folder: reader.text("KEYS_FOLDER").map_or(default.folder, PathBuf::from),
    }
}

/// Returns the key that is set, and the algorithm of generated keys.
fn signing_key(reader: &mut Reader<'_>, default: Algorithm) -> (Option<SigningKey>, Algorithm) {
    if ["JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"].iter().any(|name| reader.is_set(name)) {
        let key = reader.result(|lookup| SigningKey::from_variables(lookup));
        return (key.flatten(), default);
    }
    let hint = "write one of ES256, ES384, EdDSA, RS256, PS256";
    let algorithm = reader.value("JWT_ALGORITHM", default, hint, |text| {
        // The tokens of ML-DSA are longer than a cookie can be.
        let is_usable = |algorithm: &Algorithm| !algorithm.is_symmetric() && !algorithm.name().starts_with("ML-DSA");
        text.parse().ok().filter(is_usable)
    });
    (None, algorithm)
}
