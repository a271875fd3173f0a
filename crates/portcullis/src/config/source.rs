//! Where the keys of a configuration come from.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::ConfigError;
use crate::keys::{FixedKeys, FixedKeysError, KeyProvider};

/// Where a configuration says that keys come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeySource<'a> {
    /// The metadata of this issuer (OpenID Connect Discovery 1.0).
    Discovery(&'a str),
    /// A file with a JWK Set.
    JwksFile(&'a Path),
    /// The URL of a JWK Set.
    JwksUrl(&'a str),
    /// A PEM file.
    PublicKeyFile(&'a Path),
    /// A file with a secret.
    SecretFile(&'a Path),
}

impl Config {
    /// Where the keys come from: the one source that is named, or discovery.
    ///
    /// # Errors
    /// When more than one source is named, or none and more than one issuer.
    pub fn key_source(&self) -> Result<KeySource<'_>, ConfigError> {
        let named = [
            self.jwks_file.as_deref().map(KeySource::JwksFile),
            self.jwks_url.as_deref().map(KeySource::JwksUrl),
            self.public_key_file.as_deref().map(KeySource::PublicKeyFile),
            self.secret_file.as_deref().map(KeySource::SecretFile),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next(), self.issuer.as_slice()) {
            (Some(source), None, _) => Ok(source),
            (None, _, [issuer]) => Ok(KeySource::Discovery(issuer)),
            (None, _, _) => Err(ConfigError::new(
                self.name("jwks_file"),
                "no source of keys is named, and discovery needs exactly one issuer",
                format!(
                    "write one issuer, list issuers of different keys as IssuersConfig has them, or name one of {}",
                    self.sources()
                ),
            )),
            (Some(_), Some(_), _) => Err(ConfigError::new(
                self.name("jwks_file"),
                "more than one source of keys is named",
                format!("name at most one of {}", self.sources()),
            )),
        }
    }

    pub(super) fn load_keys(&self) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let problem = |field: &'static str, hint: String| {
            move |error: FixedKeysError| ConfigError::new(field, error.to_string(), hint)
        };
        let fixed = match self.key_source()? {
            KeySource::JwksFile(path) => {
                let hint = "name a file with a JWK Set, such as the issuer's jwks_uri serves".to_owned();
                FixedKeys::jwks_file(path).map_err(problem("jwks_file", hint))
            }
            KeySource::PublicKeyFile(path) => {
                let hint = "name a PEM file with a public key or a certificate".to_owned();
                FixedKeys::pem_file(path).map_err(problem("public_key_file", hint))
            }
            KeySource::SecretFile(path) => {
                let hint = format!(
                    "name a file with a secret of at least 32 bytes or an oct JWK; a public key is named by {} or {}",
                    self.name("public_key_file"),
                    self.name("jwks_file"),
                );
                FixedKeys::secret_file(path).map_err(problem("secret_file", hint))
            }
            #[cfg(feature = "remote")]
            KeySource::Discovery(issuer) => return Ok(Arc::new(crate::keys::RemoteKeys::discover(issuer)?)),
            #[cfg(feature = "remote")]
            KeySource::JwksUrl(url) => return Ok(Arc::new(crate::keys::RemoteKeys::at(url)?)),
            #[cfg(not(feature = "remote"))]
            KeySource::Discovery(_) | KeySource::JwksUrl(_) => {
                let files = ["jwks_file", "public_key_file", "secret_file"].map(|member| self.name(member));
                Err(ConfigError::new(
                    "jwks_file",
                    "keys can't be fetched without the feature remote",
                    format!("name one of {}, or switch the feature remote on", files.join(", ")),
                ))
            }
        };
        Ok(Arc::new(fixed?))
    }

    /// The sources of keys, as whoever set this configuration up names them.
    fn sources(&self) -> String {
        let [file, url, key, secret] =
            ["jwks_file", "jwks_url", "public_key_file", "secret_file"].map(|member| self.name(member));
        format!("{file}, {url}, {key} and {secret}")
    }
}
