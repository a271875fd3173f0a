//! Where the keys come from: the environment, or the database and files that the service makes on its first start.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_axum::ConfigError;
use portcullis_issuer::{KeyRing, RingError, RingSecret, RingStore};
use portcullis_sessions::SuccessorKeys;

use crate::settings::KeySettings;

/// How long a generated key signs before the next one replaces it.
const ROTATION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be made.
    #[error("{path} cannot be made; write another KEYS_FOLDER", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A secret cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The signing keys in the database cannot be used.
    #[error("the signing keys in the database cannot be used; they need the JWT_RING_SECRET with which they were made")]
    Ring(#[from] RingError),
}

/// Returns the keys that sign access tokens: the given one, or those in the database, which all instances share. There they
/// are encrypted under a secret that the database does not have.
pub(crate) async fn key_ring(settings: KeySettings, store: impl RingStore + 'static) -> Result<KeyRing, KeysError> {
    if let Some(key) = settings.signing_key {
        return Ok(KeyRing::builder().first_key(key).build()?);
    }
    let secret = match settings.ring_secret {
        Some(secret) => Some(secret),
        None => {
            let path = secret_file(&settings.folder, "ring-secret")?;
            RingSecret::from_variables(|name| (name == "JWT_RING_SECRET_FILE").then(|| path.clone()))?
        }
    };
    let secret = secret.ok_or_else(|| ConfigError::new("JWT_RING_SECRET", "not set", "set it"))?;
    Ok(KeyRing::builder().algorithm(settings.algorithm).rotate_every(ROTATION).open(store, secret).await?)
}

/// Returns the keys from which the successors of refresh tokens are derived.
pub(crate) fn successor_keys(settings: &KeySettings) -> Result<SuccessorKeys, KeysError> {
    if let Some(keys) = &settings.successor_keys {
        return Ok(keys.clone());
    }
    let path = secret_file(&settings.folder, "refresh-token-keys")?;
    let keys = SuccessorKeys::from_variables(|name| (name == "REFRESH_TOKEN_KEYS_FILE").then(|| path.clone()))?;
    Ok(keys.ok_or_else(|| ConfigError::new("REFRESH_TOKEN_KEYS", "not set", "set it"))?)
}

/// Returns the path of a file with a secret, and makes it if it is missing. Several instances may do this at once.
fn secret_file(folder: &Path, name: &str) -> Result<String, KeysError> {
    let path = folder.join(name);
    let made = if path.exists() { Ok(()) } else { make(folder, &path) };
    made.map_err(|error| KeysError::File(path.clone(), error))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Makes a file with 32 random bytes in base64, which only this account can read.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    fs::create_dir_all(folder)?;
    // The file appears complete or not at all, and of several instances the first one makes it.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(STANDARD.encode(secret).as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        result => result.map_err(|error| error.error)?,
    };
    tracing::info!(path = %path.display(), "made a secret; keep it as you keep the database");
    Ok(())
}
