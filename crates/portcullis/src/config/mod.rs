//! A verifier from a configuration file or from the environment.
//!
//! [`Config`] has one issuer, [`IssuersConfig`] one or several. Both implement serde's traits, so any format works.
//! [`Config::from_env`] reads the same members from environment variables, and [`members`] lists them for programs that
//! offer them as flags.
//!
//! Design notes: [Configuration](crate::_docs::configuration).

mod choices;
mod document;
mod dpop;
#[cfg(feature = "remote")]
mod fetching;
mod gate;
mod introspection;
mod issuers;
mod member;
mod members;
mod reader;
#[cfg(test)]
mod schema;
mod source;
mod table;
mod value_types;
#[cfg(feature = "presets")]
pub mod values;
pub mod variables;

use std::path::Path;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

pub use choices::{DpopMode, MetadataKind, TokenSourceName, UnknownTokenSource};
pub use document::ConfigMembers;
pub use issuers::IssuersConfig;
pub use member::{Member, MemberGroup, members};
pub use members::{Config, GateOptions};
pub use source::KeySource;

use crate::checks::{Audience, Issuer};
use crate::error::ConfigError;
use crate::keys::KeyProvider;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

impl Config {
    /// Accepts tokens of `issuer` for `audience`. Keys and options are set on the fields.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { issuer: vec![issuer.into()], audience: vec![audience.into()], ..Self::empty() }
    }

    /// Builds the verifier of JWTs.
    ///
    /// # Errors
    /// [`ConfigError`] names each field that is wrong, and what to write instead. `introspection_url` is among them, because
    /// this verifier would refuse opaque tokens: [`Self::gate`] and [`IssuersConfig::verifier`] accept them.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        let (verifier, ()) = ConfigError::both(self.jwt_verifier(), self.refuse_introspection())?;
        Ok(verifier)
    }

    fn jwt_verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build().map_err(|error| self.named(error))
    }

    /// Builds the verifier of `builder`, for example that of a preset, with the options that are set here, as
    /// [`Self::apply_options`] does.
    ///
    /// # Errors
    /// [`ConfigError`]. If it is about an option that is set here, it has the name of the field.
    pub fn verifier_from(&self, builder: JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError> {
        self.apply_options(builder).build().map_err(|error| self.named_if_set(error))
    }

    /// Returns the general builder with everything in this configuration.
    ///
    /// # Errors
    /// [`ConfigError`] if the keys cannot be loaded.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        Ok(self.builder_with(self.keys()?))
    }

    /// Returns the general builder with `keys` instead of those of the configuration.
    pub fn builder_with(&self, keys: impl KeyProvider + 'static) -> JwtVerifierBuilder {
        let issuer = Issuer::any_of(self.issuer.clone());
        self.apply_options(JwtVerifier::builder(issuer, Audience::any_of(self.audience.clone()), keys))
    }

    /// Sets on `builder`, for example that of a preset, the options for tokens that are set here: those of the group
    /// [`MemberGroup::Token`].
    pub fn apply_options(&self, mut builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        if let Some(algorithms) = &self.algorithms {
            builder = builder.algorithms(algorithms.as_slice());
        }
        if let Some(seconds) = self.leeway_seconds {
            builder = builder.leeway(Duration::from_secs(seconds));
        }
        if let Some(types) = &self.typ {
            builder = builder.token_types(types.clone());
        }
        if let Some(claims) = &self.required_claims {
            builder = builder.require_claims(claims.clone());
        }
        if let Some(bytes) = self.max_token_bytes {
            builder = builder.max_token_bytes(bytes);
        }
        if let Some(tokens) = self.cached_tokens {
            builder = builder.cache_tokens(tokens);
        }
        if let Some(bytes) = self.cached_bytes {
            builder = builder.cache_bytes(bytes);
        }
        if let Some(keys) = self.try_keys {
            builder = builder.try_keys(keys);
        }
        if self.accept_integer_ids == Some(true) {
            builder = builder.accept_integer_ids();
        }
        builder
    }
}

/// From the members of a configuration file.
impl TryFrom<Map<String, Value>> for Config {
    type Error = ConfigError;

    fn try_from(members: Map<String, Value>) -> Result<Self, ConfigError> {
        Self::from_members(members)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = ConfigMembers::deserialize(deserializer)?;
        Self::from_members(members.into_map()).map_err(de::Error::custom)
    }
}

/// Reads the file that the member `field` names.
fn read_file(field: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(field, format!("{}: {error}", path.display()), "name a file that can be read")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::FixedKeys;

    #[test]
    fn unknown_or_missing_member_is_refused() {
        let parse = serde_json::from_str::<Config>;
        assert!(parse(r#"{"issuer":"i","audience":["a","b"],"secret_file":"s"}"#).is_ok());
        assert!(parse(r#"{"issuer":"i","audience":"a","audiences":"b"}"#).is_err());
        assert!(parse(r#"{"issuer":"i"}"#).is_err());
        assert!(parse(r#"{"issuer":"i","audience":"a","algorithms":["none"]}"#).is_err());
        let twice = parse(r#"{"issuer":"i","audience":"a","audience":"b"}"#).unwrap_err().to_string();
        assert!(twice.starts_with("audience: given twice"), "{twice}");
    }

    #[test]
    fn unset_options_leave_the_builder_unchanged() {
        let keys = || FixedKeys::secret(&[7; 64]).unwrap();
        let preset = || JwtVerifier::builder("i", Audience::any_of(["a"]), keys()).algorithms(Algorithm::Hs256);
        let mut config = Config::new("other", "other");
        let algorithms = |config: &Config| config.apply_options(preset()).build().unwrap().algorithms();
        assert_eq!(algorithms(&config), Algorithm::Hs256.into());
        config.algorithms = Some(vec![Algorithm::Hs512]);
        assert_eq!(algorithms(&config), Algorithm::Hs512.into());
        config.leeway_seconds = Some(601);
        assert_eq!(config.apply_options(preset()).build().unwrap_err().field(), "leeway");
        assert_eq!(config.verifier_from(preset()).unwrap_err().field(), "leeway_seconds");
        config.leeway_seconds = None;
        assert_eq!(config.verifier_from(preset()).unwrap().algorithms(), Algorithm::Hs512.into());
        // A fault of the preset keeps its name.
        assert_eq!(config.verifier_from(preset().audience(Audience::any_of([""]))).unwrap_err().field(), "audience");
        assert_eq!(config.verifier_from(preset().token_types([""; 0])).unwrap_err().field(), "token_types");
    }

    #[cfg(feature = "remote")]
    #[test]
    fn metadata_url_is_no_issuer() {
        for path in ["openid-configuration", "oauth-authorization-server/tenant"] {
            let url = format!("https://i.example/.well-known/{path}");
            let error = Config::new(url, "api").verifier().unwrap_err().to_string();
            assert_eq!(
                error,
                "issuer: it is the URL of the metadata; write the issuer, as iss and the metadata have it: the part \
                 before /.well-known/"
            );
        }
    }

    #[test]
    fn missing_file_is_named() {
        let mut config = Config::new("https://i.example", "api");
        config.jwks_file = Some("/nonexistent/keys.json".into());
        let error = config.verifier().unwrap_err();
        assert_eq!(error.field(), "jwks_file");
        assert!(error.to_string().contains("/nonexistent/keys.json"), "{error}");
    }
}
