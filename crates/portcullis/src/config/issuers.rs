//! Several issuers in one configuration.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::config::members::{self, ConfigMembers};
use crate::error::ConfigError;
use crate::verifier::{ByIssuer, JwtVerifier, Verifier};

/// One issuer or several, as a configuration file has them: the members of a [`Config`], or `issuers`, a list of such.
///
/// ```
/// use portcullis::config::IssuersConfig;
/// use portcullis::Gate;
///
/// let config: IssuersConfig = serde_json::from_str(
///     r#"{"issuers": [
///         {"issuer": "https://staff.example", "audience": "https://api.example"},
///         {"issuer": "https://customers.example", "audience": "shop", "leeway_seconds": 10}
///     ]}"#,
/// )?;
/// let gate = Gate::new(config.verifier()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each entry has an audience, keys and options of its own; no key of one serves the tokens of another. Errors name the
/// entry and the member, such as `issuers[1].audience`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IssuersConfig(Form);

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
enum Form {
    One(Config),
    List { issuers: Vec<Config> },
}

impl IssuersConfig {
    /// A list of issuers, of one or more.
    pub fn new(issuers: impl IntoIterator<Item = Config>) -> Self {
        Self(Form::List { issuers: issuers.into_iter().collect() })
    }

    /// The configuration of each issuer.
    #[must_use]
    pub fn issuers(&self) -> &[Config] {
        match &self.0 {
            Form::One(config) => std::slice::from_ref(config),
            Form::List { issuers } => issuers,
        }
    }

    /// The verifier: that of the one configuration, or a [`ByIssuer`] over those of the list.
    ///
    /// # Errors
    /// [`ConfigError`] names the member and what to write instead. Two entries of a list with one issuer are an error.
    pub fn verifier(&self) -> Result<Arc<dyn Verifier>, ConfigError> {
        self.verifier_with(Config::verifier)
    }

    /// [`Self::verifier`], with the verifier of each issuer as `build` makes it: for options that a configuration does
    /// not have.
    ///
    /// ```
    /// # use portcullis::config::IssuersConfig;
    /// # use portcullis::{Config, ConfigError};
    /// # let config = Config::new("https://issuer.example", "api");
    /// let config = IssuersConfig::from(config);
    /// let verifier = config.verifier_with(|issuer| issuer.builder()?.require_claims(["org_id"]).build())?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::verifier`], and those of `build`.
    pub fn verifier_with(
        &self,
        build: impl Fn(&Config) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<Arc<dyn Verifier>, ConfigError> {
        let build = |config: &Config| build(config).map_err(|error| config.named(error));
        let issuers = match &self.0 {
            Form::One(config) => return Ok(Arc::new(build(config)?)),
            Form::List { issuers } => issuers,
        };
        refuse_empty_or_twice(issuers)?;
        let verifiers =
            issuers.iter().enumerate().map(|(index, config)| build(config).map_err(|error| in_entry(index, error)));
        Ok(Arc::new(ByIssuer::new(verifiers.collect::<Result<Vec<_>, _>>()?)?))
    }
}

impl From<Config> for IssuersConfig {
    fn from(config: Config) -> Self {
        Self(Form::One(config))
    }
}

/// From the members of a configuration file.
impl TryFrom<Map<String, Value>> for IssuersConfig {
    type Error = ConfigError;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, ConfigError> {
        const HINT: &str = "write a list of configurations, each with issuer and audience";
        let Some(issuers) = members.remove("issuers") else { return Ok(members::read(members)?.into()) };
        if let Some((name, _)) = members.into_iter().next() {
            return Err(ConfigError::new(name, "it stands beside issuers", "write it in each of the issuers"));
        }
        let Value::Array(issuers) = issuers else { return Err(ConfigError::new("issuers", "not a list", HINT)) };
        let configs = issuers.into_iter().enumerate().map(|(index, entry)| match entry {
            Value::Object(members) => members::read(members).map_err(|error| in_entry(index, error)),
            _ => Err(ConfigError::new(format!("issuers[{index}]"), "not an object", members::MEMBERS_HINT)),
        });
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        refuse_empty_or_twice(&configs)?;
        Ok(Self::new(configs))
    }
}

impl<'de> Deserialize<'de> for IssuersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = ConfigMembers::deserialize(deserializer)?;
        Self::try_from(members.into_map()).map_err(de::Error::custom)
    }
}

fn in_entry(index: usize, error: ConfigError) -> ConfigError {
    let field = format!("issuers[{index}].{}", error.field());
    error.with_field(field)
}

fn refuse_empty_or_twice(issuers: &[Config]) -> Result<(), ConfigError> {
    if issuers.is_empty() {
        return Err(ConfigError::new("issuers", "empty", "list at least one"));
    }
    let mut entries = HashMap::new();
    for (index, config) in issuers.iter().enumerate() {
        for issuer in &config.issuer {
            let other = *entries.entry(issuer).or_insert(index);
            if other != index {
                let problem = format!("issuers[{other}] has {issuer:?} too");
                return Err(ConfigError::new(
                    format!("issuers[{index}].issuer"),
                    problem,
                    "give each issuer to one entry",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<IssuersConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_read_and_written() {
        for (json, issuers) in [
            (r#"{"issuer":["i"],"audience":["a"],"jwks_file":"k"}"#, 1),
            (r#"{"issuers":[{"issuer":["i"],"audience":["a"]}]}"#, 1),
            (r#"{"issuers":[{"issuer":["i"],"audience":["a"]},{"issuer":["j"],"audience":["a"]}]}"#, 2),
        ] {
            let config = parse(json).unwrap();
            assert_eq!(config.issuers().len(), issuers, "{json}");
            assert_eq!(serde_json::to_string(&config).unwrap(), json);
        }
    }

    #[test]
    fn errors_name_the_entry_and_the_member() {
        let entry = r#"{"issuer":"i","audience":"a"}"#;
        for (second, expected) in [
            (r#"{"issuer":"j"}"#, "issuers[1].audience: not given"),
            (r#"{"audience":"a"}"#, "issuers[1].issuer: not given"),
            (r#"{"issuer":"j","audience":"a","audiences":"b"}"#, "issuers[1].audiences: unknown"),
            (r#"{"issuer":"j","audience":"a","leeway":null}"#, "issuers[1].leeway: unknown"),
            (r#"{"issuer":"j","audience":7}"#, "issuers[1].audience: neither"),
            (r#"{"issuer":"j","audience":"a","leeway_seconds":"5"}"#, "issuers[1].leeway_seconds: not a whole"),
            (r#"{"issuer":"j","audience":"a","algorithms":["none"]}"#, "issuers[1].algorithms: "),
            (r#"{"issuer":["j","i"],"audience":"a"}"#, r#"issuers[1].issuer: issuers[0] has "i" too"#),
            (r#"{"issuers":[]}"#, "issuers[1].issuers: unknown"),
            (r#""https://issuer.example""#, "issuers[1]: not an object"),
            (r#"{"issuer":"j","audience":"a","audience":"b"}"#, "audience: given twice"),
        ] {
            let error = parse(&format!(r#"{{"issuers":[{entry},{second}]}}"#)).unwrap_err();
            assert!(error.starts_with(expected), "{second}: {error}");
        }
        for (json, expected) in [
            (r#"{"issuers":[]}"#, "issuers: empty"),
            (r#"{"issuers":{}}"#, "issuers: not a list"),
            (r#"{"issuers":[{"issuer":"i","audience":"a"}],"leeway_seconds":5}"#, "leeway_seconds: it stands beside"),
            (r#"{"issuer":"i"}"#, "audience: not given"),
            ("{}", "issuer: not given"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
    }

    #[cfg(feature = "remote")]
    #[test]
    fn errors_of_building_name_the_entry_and_the_member_too() {
        let with = |change: fn(&mut Config)| {
            let mut second = Config::new("https://j.example", "a");
            change(&mut second);
            let config = IssuersConfig::new([Config::new("https://i.example", "a"), second]);
            config.verifier().unwrap_err().field().to_owned()
        };
        assert_eq!(with(|config| config.audience.clear()), "issuers[1].audience");
        assert_eq!(with(|config| config.leeway_seconds = Some(601)), "issuers[1].leeway_seconds");
        assert_eq!(with(|config| config.typ = Some(Vec::new())), "issuers[1].typ");
        assert_eq!(with(|config| config.jwks_file = Some("/nonexistent".into())), "issuers[1].jwks_file");
        assert_eq!(with(|config| config.issuer.push("https://i.example".to_owned())), "issuers[1].issuer");
        assert_eq!(IssuersConfig::new([]).verifier().unwrap_err().field(), "issuers");
        let one = IssuersConfig::from(Config::new("", "a"));
        assert_eq!(one.verifier().unwrap_err().field(), "issuer");
    }

    #[cfg(feature = "remote")]
    #[test]
    fn a_list_chooses_by_issuer_and_a_single_configuration_does_not() {
        let config = |issuer: &str| Config::new(format!("https://{issuer}.example"), "a");
        let one = IssuersConfig::from(config("i")).verifier().unwrap();
        assert!(format!("{one:?}").starts_with("JwtVerifier"), "{one:?}");
        for issuers in [vec![config("i")], vec![config("i"), config("j")]] {
            let number = issuers.len();
            let several = IssuersConfig::new(issuers).verifier().unwrap();
            assert!(format!("{several:?}").starts_with('['), "{several:?}");
            assert_eq!(several.issuers().len(), number);
        }
    }
}
