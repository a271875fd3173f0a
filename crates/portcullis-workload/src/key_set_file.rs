//! A key set in a file that another program replaces.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::keys::{KeyLoader, KeySet, LoadError, RemoteKeys};
use portcullis::{ConfigError, async_trait};

/// How long a file that was read is used.
const LIFETIME: Duration = Duration::from_secs(30);

/// Reads the file.
#[derive(Debug)]
pub(crate) struct KeySetFile(PathBuf);

impl KeySetFile {
    /// Returns the keys of the file. They are read again before half a minute is over, and for an unknown key.
    ///
    /// # Errors
    /// [`ConfigError`] when the file has no usable keys now.
    pub(crate) fn keys(path: &Path) -> Result<RemoteKeys, ConfigError> {
        let file = Self(path.to_owned());
        file.read().map_err(|error| {
            let problem = format!("{}: {error}", path.display());
            ConfigError::new("bundle_file", problem, "name a file with the trust bundle, a JWK Set")
        })?;
        RemoteKeys::builder().lifetime(LIFETIME, LIFETIME, LIFETIME).loaded_by(file)
    }

    fn read(&self) -> Result<KeySet, LoadError> {
        let keys = KeySet::from_json(&std::fs::read_to_string(&self.0)?)?;
        if keys.is_empty() { Err("no key of the set can be used".into()) } else { Ok(keys) }
    }
}

#[async_trait]
impl KeyLoader for KeySetFile {
    async fn load(&self) -> Result<KeySet, LoadError> {
        self.read()
    }
}
