//! A verifier from a configuration file or from the environment.
//!
//! Design notes: [Configuration](crate::_docs::configuration).

mod from_variables;
mod issuers;
mod members;
mod source;
#[cfg(feature = "remote")]
pub mod values;
pub mod variables;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

pub use issuers::IssuersConfig;
pub use members::ConfigMembers;
pub use source::KeySource;

use crate::checks::{Audience, Issuer};
use crate::error::ConfigError;
use crate::jose::Algorithm;
use crate::keys::KeyProvider;
use crate::verifier::{JwtVerifier, JwtVerifierBuilder};

/// What a verifier needs, as a configuration file has it; any format of serde's will do.
///
/// ```
/// use portcullis::Config;
///
/// let config: Config = serde_json::from_str(
///     r#"{"issuer": "https://issuer.example", "audience": ["api"], "jwks_file": "keys.json", "leeway_seconds": 10}"#,
/// )?;
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Lists may be one string. What is not known is refused, and errors name the member. A file that may list several
/// issuers is an [`IssuersConfig`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Config {
    /// The accepted issuers, exactly as tokens have them in `iss`. One string or several.
    pub issuer: Vec<String>,
    /// The accepted audiences: the identifiers of this API. One string or several.
    pub audience: Vec<String>,
    /// A file with a JWK Set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The URL of a JWK Set. With none of the four sources named, the issuer's metadata names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// A PEM file with a public key or a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<PathBuf>,
    /// A file with a shared secret: its bytes, without a line break at the end, or the text of an `oct` JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The allowed algorithms; all that the keys may serve when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// How far clocks may differ, in seconds; 5 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway_seconds: Option<u64>,
    /// The accepted token types (`typ`); absent, `JWT` and `at+jwt` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<Vec<String>>,
    /// Whether errors name variables instead of fields.
    #[serde(skip)]
    from_env: bool,
}

impl Config {
    /// Accepts tokens of `issuer` for `audience`; the keys and the options are set on the fields.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { issuer: vec![issuer.into()], audience: vec![audience.into()], ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            issuer: Vec::new(),
            audience: Vec::new(),
            jwks_file: None,
            jwks_url: None,
            public_key_file: None,
            secret_file: None,
            algorithms: None,
            leeway_seconds: None,
            typ: None,
            from_env: false,
        }
    }

    /// The general builder, with all of this set.
    ///
    /// # Errors
    /// [`ConfigError`] when the keys can't be had from where they should come.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        Ok(self.builder_with(self.load_keys().map_err(|error| self.named(error))?))
    }

    /// The general builder with `keys` instead of those of the configuration.
    pub fn builder_with(&self, keys: impl KeyProvider + 'static) -> JwtVerifierBuilder {
        let issuer = Issuer::any_of(self.issuer.clone());
        self.apply_options(JwtVerifier::builder(issuer, Audience::any_of(self.audience.clone()), keys))
    }

    /// `builder`, such as that of a provider's preset, with the options that are set here: algorithms, leeway and token
    /// types.
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
        builder
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build().map_err(|error| self.named(error))
    }

    /// The verifier of `builder`, such as that of a provider's preset, with the options that are set here, as
    /// [`Self::apply_options`] has them.
    ///
    /// # Errors
    /// [`ConfigError`]: where it is about an option that is set here, by its name here.
    pub fn verifier_from(&self, builder: JwtVerifierBuilder) -> Result<JwtVerifier, ConfigError> {
        self.apply_options(builder).build().map_err(|error| match error.field() {
            "algorithms" if self.algorithms.is_some() => self.named(error),
            "leeway" if self.leeway_seconds.is_some() => self.named(error),
            "token_types" if self.typ.is_some() => self.named(error),
            _ => error,
        })
    }
}

/// From the members of a configuration file.
impl TryFrom<Map<String, Value>> for Config {
    type Error = ConfigError;

    fn try_from(members: Map<String, Value>) -> Result<Self, ConfigError> {
        members::read(members)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = ConfigMembers::deserialize(deserializer)?;
        Self::try_from(members.into_map()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FixedKeys;

    #[test]
    fn a_file_of_configuration_refuses_what_it_does_not_know() {
        let parse = serde_json::from_str::<Config>;
        assert!(parse(r#"{"issuer":"i","audience":["a","b"],"secret_file":"s"}"#).is_ok());
        assert!(parse(r#"{"issuer":"i","audience":"a","audiences":"b"}"#).is_err());
        assert!(parse(r#"{"issuer":"i"}"#).is_err());
        assert!(parse(r#"{"issuer":"i","audience":"a","algorithms":["none"]}"#).is_err());
        let twice = parse(r#"{"issuer":"i","audience":"a","audience":"b"}"#).unwrap_err().to_string();
        assert!(twice.starts_with("audience: given twice"), "{twice}");
    }

    #[test]
    fn options_that_are_not_set_leave_a_builder_as_it_is() {
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
        // What is wrong with the preset is none of ours.
        assert_eq!(config.verifier_from(preset().audience(Audience::any_of([""]))).unwrap_err().field(), "audience");
        assert_eq!(config.verifier_from(preset().token_types([""; 0])).unwrap_err().field(), "token_types");
    }

    #[cfg(feature = "remote")]
    #[test]
    fn the_url_of_the_metadata_is_not_its_issuer() {
        for path in ["openid-configuration", "oauth-authorization-server/tenant"] {
            let url = format!("https://i.example/.well-known/{path}");
            let error = Config::new(url, "api").verifier().unwrap_err().to_string();
            assert_eq!(
                error,
                "issuer: it is the URL of the metadata; write the issuer, as iss and the metadata have it: what stands \
                 before /.well-known/"
            );
        }
    }

    #[test]
    fn files_that_hold_no_key_are_named() {
        let mut config = Config::new("https://i.example", "api");
        config.jwks_file = Some("/nonexistent/keys.json".into());
        let error = config.verifier().unwrap_err();
        assert_eq!(error.field(), "jwks_file");
        assert!(error.to_string().contains("/nonexistent/keys.json"), "{error}");
    }
}
