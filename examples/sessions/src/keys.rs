//! Where the keys come from: the environment, or files that the service makes on its first start.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use portcullis_axum::ConfigError;
use portcullis_axum::jose::Algorithm;
use portcullis_issuer::{InvalidSigningKey, KeyRing, SigningKey};
use portcullis_sessions::SuccessorKeys;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be read or made.
    #[error("{path} cannot be read or made", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A signing key is unusable.
    #[error(transparent)]
    SigningKey(#[from] InvalidSigningKey),
    /// A key is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Returns the keys that sign access tokens: the given one, or one in a file.
pub(crate) fn key_ring(given: Option<SigningKey>, algorithm: Algorithm, folder: &Path) -> Result<KeyRing, KeysError> {
    let key = match given {
        Some(key) => key,
        None => {
            let pem = read_or_make(&folder.join("signing-key.pem"), || {
                Ok(SigningKey::generate(algorithm)?.to_pem()?.as_str().to_owned())
            })?;
            SigningKey::from_pem(&pem)?
        }
    };
    Ok(KeyRing::builder().first_key(key).build()?)
}

/// Returns the keys from which the successors of refresh tokens are derived.
pub(crate) fn successor_keys(folder: &Path) -> Result<SuccessorKeys, KeysError> {
    let secret = read_or_make(&folder.join("refresh-secret"), random_secret)?;
    Ok(SuccessorKeys::new(1, secret.as_bytes())?)
}

/// Reads a file, or makes it first. Several processes may do this at once.
fn read_or_make(path: &Path, make: impl FnOnce() -> Result<String, KeysError>) -> Result<String, KeysError> {
    let failed = |error| KeysError::File(path.to_owned(), error);
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        content => return content.map_err(failed),
    }
    let content = make()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    // The file appears complete or not at all, and the first process that makes it wins.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(content.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            tracing::info!(path = %path.display(), "a key was made");
            Ok(content)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path).map_err(failed),
        Err(error) => Err(failed(error.error)),
    }
}

fn random_secret() -> Result<String, KeysError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| KeysError::File("the random numbers of the system".into(), error.into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
