//! The source of keys of a configuration.

use std::path::Path;
use std::sync::Arc;

use crate::config::member::MemberGroup;
use crate::config::members::{Config, MEMBERS};
use crate::error::ConfigError;
use crate::keys::{FixedKeys, FixedKeysError, KeyProvider};

/// Where the keys of a configuration come from.
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
    /// Returns the source of keys that is named, or else discovery.
    ///
    /// # Errors
    /// [`ConfigError`] if more than one source is named, or if none is named and there is not exactly one issuer.
    pub fn key_source(&self) -> Result<KeySource<'_>, ConfigError> {
        match (self.named_source()?, self.issuer.as_slice()) {
            (Some(source), _) => Ok(source),
            (None, [issuer]) => Ok(KeySource::Discovery(issuer)),
            (None, _) => Err(ConfigError::new(
                self.name("jwks_file"),
                "no source of keys is named, and discovery needs exactly one issuer",
                format!(
                    "write one issuer, list issuers with different keys as IssuersConfig has them, or name one of {}",
                    self.source_names()
                ),
            )),
        }
    }

    /// Returns the source of keys that is named.
    pub(super) fn named_source(&self) -> Result<Option<KeySource<'_>>, ConfigError> {
        let named = [
            self.jwks_file.as_deref().map(KeySource::JwksFile),
            self.jwks_url.as_deref().map(KeySource::JwksUrl),
            self.public_key_file.as_deref().map(KeySource::PublicKeyFile),
            self.secret_file.as_deref().map(KeySource::SecretFile),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (source, None) => Ok(source),
            _ => Err(ConfigError::new(
                self.name("jwks_file"),
                "more than one source of keys is named",
                format!("name at most one of {}", self.source_names()),
            )),
        }
    }

    /// Returns the faults of members that would silently do nothing: options for fetching keys without a fetch, and
    /// options for metadata without discovery.
    pub(super) fn faults_of_unused(&self) -> Vec<ConfigError> {
        let Ok(source) = self.named_source() else { return Vec::new() };
        let is_unused = |group| match source {
            None => false,
            Some(KeySource::JwksUrl(_)) => group == MemberGroup::Discovery,
            Some(_) => matches!(group, MemberGroup::Discovery | MemberGroup::Fetch),
        };
        let serves_introspection =
            |name| self.introspection_url.is_some() && super::introspection::REQUEST_OPTIONS.contains(&name);
        let unused = MEMBERS
            .iter()
            .filter(|member| is_unused(member.group) && self.is_set(member.name) && !serves_introspection(member.name));
        let mut faults: Vec<_> = unused
            .map(|member| {
                let [problem, hint] = match member.group {
                    MemberGroup::Discovery => [
                        "the metadata is not read",
                        "leave it out, or name no source of keys, so that the metadata names it",
                    ],
                    _ => ["keys are not fetched", "leave it out, or name no file with keys"],
                };
                ConfigError::new(self.name(member.name), problem, hint)
            })
            .collect();
        if self.metadata_url.is_some() && self.metadata_kind.is_some() {
            let [field, other] = ["metadata_kind", "metadata_url"].map(|member| self.name(member));
            faults.push(ConfigError::new(field, format!("{other} is set as well"), "set only one of them"));
        }
        faults
    }

    /// Loads the keys, or prepares to fetch them. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ConfigError`] names each field that is wrong, and what to write instead.
    pub fn keys(&self) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        self.load_keys().map_err(|error| self.named(error))
    }

    fn load_keys(&self) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let problem = |field: &'static str, hint: String| {
            move |error: FixedKeysError| ConfigError::new(field, error.to_string(), hint)
        };
        let fixed = match self.key_source()? {
            KeySource::JwksFile(path) => {
                let hint = format!(
                    "name a file with a JWK Set, as the issuer's jwks_uri serves it; PEM is named by {}, a secret by {}",
                    self.name("public_key_file"),
                    self.name("secret_file"),
                );
                FixedKeys::jwks_file(path).map_err(problem("jwks_file", hint))
            }
            KeySource::PublicKeyFile(path) => {
                let hint = format!(
                    "name a PEM file with a public key or a certificate; a JWK Set is named by {}, a secret by {}",
                    self.name("jwks_file"),
                    self.name("secret_file"),
                );
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
            KeySource::Discovery(issuer) => return Ok(Arc::new(self.remote_keys()?.discover(issuer)?)),
            #[cfg(feature = "remote")]
            KeySource::JwksUrl(url) => return Ok(Arc::new(self.remote_keys()?.at(url)?)),
            #[cfg(not(feature = "remote"))]
            KeySource::Discovery(_) | KeySource::JwksUrl(_) => {
                let files = ["jwks_file", "public_key_file", "secret_file"].map(|member| self.name(member));
                Err(ConfigError::new(
                    "jwks_file",
                    "keys cannot be fetched without the feature remote",
                    format!("name one of {}, or enable the feature remote", files.join(", ")),
                ))
            }
        };
        Ok(Arc::new(fixed?))
    }

    /// Returns the names of all sources of keys, for a hint.
    fn source_names(&self) -> String {
        let names = MEMBERS.iter().filter(|member| member.group == MemberGroup::KeySource);
        let mut names: Vec<_> = names.map(|member| self.name(member.name)).collect();
        let last = names.pop().unwrap_or_default();
        format!("{} and {last}", names.join(", "))
    }
}
