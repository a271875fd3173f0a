//! Several issuers in one configuration.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::config::document::ConfigMembers;
use crate::config::member::MemberGroup;
use crate::config::members::{Config, GateOptions, MEMBERS};
use crate::config::reader::{Names, Reader, members_hint};
use crate::error::ConfigError;
use crate::verifier::{ByIssuer, JwtVerifier, Verifier};

/// One issuer or several, as a configuration file has them: the members of a [`Config`], or `issuers`, a list of such
/// objects.
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
/// Each entry has its own audience, keys and options. A key of one entry never verifies a token of another. Errors name
/// the entry and the member, for example `issuers[1].audience`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IssuersConfig(Form);

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
enum Form {
    One(Box<Config>),
    List {
        #[serde(flatten)]
        gate: GateOptions,
        issuers: Vec<Config>,
    },
}

impl IssuersConfig {
    /// Makes a list of one or more issuers.
    pub fn new(issuers: impl IntoIterator<Item = Config>) -> Self {
        Self::list(GateOptions::empty(), issuers.into_iter().collect())
    }

    fn list(gate: GateOptions, issuers: Vec<Config>) -> Self {
        Self(Form::List { gate, issuers })
    }

    /// Returns the configuration of each issuer.
    #[must_use]
    pub fn issuers(&self) -> &[Config] {
        match &self.0 {
            Form::One(config) => std::slice::from_ref(&**config),
            Form::List { issuers, .. } => issuers,
        }
    }

    /// Returns the options of the gate, which apply to all issuers.
    pub(super) fn gate_options(&self) -> &GateOptions {
        match &self.0 {
            Form::One(config) => &config.gate,
            Form::List { gate, .. } => gate,
        }
    }

    /// Builds the verifier: that of the one configuration, or a [`ByIssuer`] over those of the list. With `introspection_url`,
    /// the one configuration accepts opaque tokens too, and the verifier is a [`ByForm`](crate::verifier::ByForm).
    ///
    /// # Errors
    /// [`ConfigError`] names each member that is wrong, and what to write instead. Two entries of a list that have the
    /// same issuer are an error.
    pub fn verifier(&self) -> Result<Arc<dyn Verifier>, ConfigError> {
        if let Form::One(config) = &self.0 {
            return config.verifier_of_all();
        }
        self.verifier_with(Config::jwt_verifier)
    }

    /// Builds the verifier, with `build` for the verifier of the JWTs of each issuer: for options that a configuration does not have.
    ///
    /// ```
    /// # use portcullis::config::IssuersConfig;
    /// # use portcullis::{Config, ConfigError};
    /// # let config = Config::new("https://issuer.example", "api");
    /// let config = IssuersConfig::from(config);
    /// let verifier = config.verifier_with(|issuer| {
    ///     issuer.builder()?.check_fn("organization", |token| token.claims().get::<String>("org_id").is_ok()).build()
    /// })?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// The members about introspection are errors here: `build` could not change how opaque tokens are checked.
    ///
    /// # Errors
    /// As [`Self::verifier`], and those of `build`.
    pub fn verifier_with(
        &self,
        build: impl Fn(&Config) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<Arc<dyn Verifier>, ConfigError> {
        let build = |config: &Config| build(config).map_err(|error| config.named(error));
        let issuers = match &self.0 {
            Form::One(config) => {
                let (verifier, ()) = ConfigError::both(build(config), config.refuse_introspection())?;
                return Ok(Arc::new(verifier));
            }
            Form::List { issuers, .. } => issuers,
        };
        let mut faults: Vec<_> = repeated_issuers(issuers.iter().enumerate()).collect();
        faults.extend(issuers.is_empty().then(empty_list));
        let mut verifiers = Vec::new();
        for (index, config) in issuers.iter().enumerate() {
            faults.extend(config.refuse_introspection().err().map(|error| in_entry(index, error)));
            match build(config) {
                Ok(verifier) => verifiers.push(verifier),
                Err(error) => faults.push(in_entry(index, error)),
            }
        }
        ConfigError::all(faults)?;
        Ok(Arc::new(ByIssuer::new(verifiers)?))
    }
}

impl From<Config> for IssuersConfig {
    fn from(config: Config) -> Self {
        Self(Form::One(Box::new(config)))
    }
}

/// From the members of a configuration file.
impl TryFrom<Map<String, Value>> for IssuersConfig {
    type Error = ConfigError;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, ConfigError> {
        const HINT: &str = "write a list of configurations, each with issuer and audience";
        let Some(issuers) = members.remove("issuers") else { return Ok(Config::from_members(members)?.into()) };
        let of_gate = take_gate_options(&mut members);
        let mut reader = Reader::new(of_gate, Names::Members);
        let gate = GateOptions::read(&mut reader);
        let mut faults: Vec<_> = members
            .into_iter()
            .map(|(name, _)| ConfigError::new(name, "it is next to issuers", "write it in each of the issuers"))
            .collect();
        let gate = reader.finish(gate).map_err(|error| faults.push(error));
        let mut configs = Vec::new();
        match issuers {
            Value::Array(entries) => {
                let is_empty = entries.is_empty();
                for (index, entry) in entries.into_iter().enumerate() {
                    match read_entry(index, entry) {
                        Ok(config) => configs.push((index, config)),
                        Err(error) => faults.push(error),
                    }
                }
                faults.extend(is_empty.then(empty_list));
                faults.extend(repeated_issuers(configs.iter().map(|(index, config)| (*index, config))));
            }
            _ => faults.push(ConfigError::new("issuers", "not a list", HINT)),
        }
        ConfigError::all(faults)?;
        let gate = gate.unwrap_or_else(|()| GateOptions::empty());
        Ok(Self::list(gate, configs.into_iter().map(|(_, config)| config).collect()))
    }
}

impl<'de> Deserialize<'de> for IssuersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = ConfigMembers::deserialize(deserializer)?;
        Self::try_from(members.into_map()).map_err(de::Error::custom)
    }
}

fn read_entry(index: usize, entry: Value) -> Result<Config, ConfigError> {
    match entry {
        Value::Object(mut members) => {
            let of_gate = take_gate_options(&mut members).into_iter().map(|(name, _)| {
                ConfigError::new(name, "it applies to all issuers", "write it next to issuers, not in one of them")
            });
            let of_gate = ConfigError::all(of_gate);
            let both = ConfigError::both(of_gate, Config::from_members(members));
            both.map(|((), config)| config).map_err(|error| in_entry(index, error))
        }
        _ => Err(ConfigError::new(format!("issuers[{index}]"), "not an object", members_hint())),
    }
}

/// Takes the members about the gate, which applies to all issuers.
fn take_gate_options(members: &mut Map<String, Value>) -> Map<String, Value> {
    let names = MEMBERS.iter().filter(|member| member.group == MemberGroup::Gate).map(|member| member.name);
    names.filter_map(|name| members.remove_entry(name)).collect()
}

fn in_entry(index: usize, error: ConfigError) -> ConfigError {
    error.map_fields(|field| format!("issuers[{index}].{field}").into())
}

fn empty_list() -> ConfigError {
    ConfigError::new("issuers", "empty", "list at least one")
}

/// Returns the issuers that several entries have.
fn repeated_issuers<'a>(entries: impl Iterator<Item = (usize, &'a Config)>) -> impl Iterator<Item = ConfigError> {
    let mut entry_of = HashMap::new();
    let issuers = entries.flat_map(|(index, config)| config.issuer.iter().map(move |issuer| (index, issuer)));
    issuers.filter_map(move |(index, issuer)| {
        let other = *entry_of.entry(issuer).or_insert(index);
        let fault = || {
            let problem = format!("issuers[{other}] has {issuer:?} too");
            ConfigError::new(format!("issuers[{index}].issuer"), problem, "write each issuer in one entry only")
        };
        (other != index).then(fault)
    })
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
            (r#"{"realm":"r","token_sources":["header:x"],"issuers":[{"issuer":["i"],"audience":["a"]}]}"#, 1),
            (r#"{"issuer":["i"],"audience":["a"],"realm":"r"}"#, 1),
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
            (
                r#"{"issuers":[{"issuer":"i","audience":"a"}],"leeway_seconds":5}"#,
                "leeway_seconds: it is next to issuers",
            ),
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

    #[test]
    fn gate_options_are_next_to_the_list() {
        let entry = |more: &str| format!(r#"{{"issuer":"i","audience":"a"{more}}}"#);
        let config = parse(&format!(r#"{{"realm":"r","issuers":[{}]}}"#, entry(""))).unwrap();
        assert_eq!(config.gate_options().realm.as_deref(), Some("r"));
        let error = parse(&format!(r#"{{"issuers":[{}]}}"#, entry(r#","realm":"r","public_url":"u""#))).unwrap_err();
        assert_eq!(error.lines().count(), 2, "{error}");
        assert!(error.contains("issuers[0].realm: it applies to all issuers; write it next to issuers"), "{error}");
        let error = parse(&format!(r#"{{"realm":1,"leeway_seconds":1,"issuers":[{}]}}"#, entry(""))).unwrap_err();
        assert!(error.contains("realm: not a string") && error.contains("leeway_seconds: it is next to"), "{error}");
    }

    #[test]
    fn faults_of_all_entries_are_reported_at_once() {
        let error = parse(r#"{"issuers":[{"issuer":"i"},7,{"issuer":1,"audience":"a","x":1}]}"#).unwrap_err();
        let fields: Vec<_> = error.lines().map(|line| line.split_once(": ").unwrap().0).collect();
        assert_eq!(fields, ["issuers[0].audience", "issuers[1]", "issuers[2].x", "issuers[2].issuer"]);
    }

    #[cfg(feature = "remote")]
    #[test]
    fn faults_of_building_all_entries_are_reported_at_once() {
        let config = |leeway: u64| {
            let mut config = Config::new("https://i.example", "a");
            config.leeway_seconds = Some(leeway);
            config
        };
        let error = IssuersConfig::new([config(601), config(602)]).verifier().unwrap_err();
        let fields: Vec<_> = error.fields().collect();
        assert_eq!(fields, ["issuers[1].issuer", "issuers[0].leeway_seconds", "issuers[1].leeway_seconds"]);
    }
}
