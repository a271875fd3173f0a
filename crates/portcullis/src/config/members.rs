//! The members of a configuration file, whatever its format: read strictly, and with errors that name the member.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::config::Config;
use crate::error::ConfigError;

/// The members of a configuration file before they are a configuration, to be changed by flags, say.
///
/// A file in which a member stands twice, at whatever depth, is refused: two readers would disagree on which one counts.
///
/// ```
/// use portcullis::config::{ConfigMembers, IssuersConfig};
///
/// let members: ConfigMembers = serde_json::from_str(r#"{"issuer": "https://issuer.example"}"#)?;
/// let mut members = members.into_map();
/// members.insert("audience".to_owned(), "https://api.example.com".into());
/// let config = IssuersConfig::try_from(members)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConfigMembers(Map<String, Value>);

impl ConfigMembers {
    /// The members, by their names.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

impl fmt::Debug for ConfigMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in the file by mistake may be a secret.
        f.write_str("ConfigMembers { .. }")
    }
}

impl<'de> Deserialize<'de> for ConfigMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_map(Unique)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(de::Error::custom("a configuration is an object")),
        }
    }
}

/// The configuration that these members are.
///
/// # Errors
/// [`ConfigError`] names the member and what to write instead.
pub(super) fn read(members: Map<String, Value>) -> Result<Config, ConfigError> {
    let mut config = Config::empty();
    let (mut issuer, mut audience) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("issuer", value) => issuer = Some(texts("issuer", value, ISSUER_HINT)?),
            ("audience", value) => audience = Some(texts("audience", value, AUDIENCE_HINT)?),
            (name, Value::Null) if OPTIONAL.contains(&name) => {}
            ("jwks_file", value) => config.jwks_file = Some(text("jwks_file", value, FILE_HINT)?.into()),
            ("jwks_url", value) => config.jwks_url = Some(text("jwks_url", value, "write the URL of a JWK Set")?),
            ("public_key_file", value) => {
                config.public_key_file = Some(text("public_key_file", value, FILE_HINT)?.into());
            }
            ("secret_file", value) => config.secret_file = Some(text("secret_file", value, FILE_HINT)?.into()),
            ("algorithms", value) => {
                let names = texts("algorithms", value, "list algorithms, such as RS256")?;
                let algorithms = names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
                config.algorithms = Some(algorithms.map_err(|error: crate::jose::UnknownAlgorithm| {
                    ConfigError::new("algorithms", "not a list of algorithms", error.to_string())
                })?);
            }
            ("leeway_seconds", value) => {
                let seconds = value.as_u64();
                let problem = || ConfigError::new("leeway_seconds", "not a whole number", "write 0 to 600");
                config.leeway_seconds = Some(seconds.ok_or_else(problem)?);
            }
            ("typ", value) => config.typ = Some(texts("typ", value, "list types, such as at+jwt")?),
            (unknown, _) => return Err(ConfigError::new(unknown.to_owned(), "unknown", MEMBERS_HINT)),
        }
    }
    config.issuer = issuer.ok_or_else(|| ConfigError::new("issuer", "not given", ISSUER_HINT))?;
    config.audience = audience.ok_or_else(|| ConfigError::new("audience", "not given", AUDIENCE_HINT))?;
    Ok(config)
}

pub(super) const ISSUER_HINT: &str =
    "write the issuer exactly as tokens have it in iss, such as https://issuer.example/";
pub(super) const AUDIENCE_HINT: &str =
    "write the identifier of this API exactly as tokens have it in aud, such as https://api.example.com";
pub(super) const MEMBERS_HINT: &str = "a configuration has issuer, audience, at most one of jwks_file, jwks_url, \
                                       public_key_file and secret_file, and, where wanted, algorithms, leeway_seconds \
                                       and typ";
const FILE_HINT: &str = "write the path of a file";
const OPTIONAL: [&str; 7] =
    ["algorithms", "jwks_file", "jwks_url", "leeway_seconds", "public_key_file", "secret_file", "typ"];

fn text(name: &'static str, value: Value, hint: &'static str) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(ConfigError::new(name, "not a string", hint)),
    }
}

fn texts(name: &'static str, value: Value, hint: &'static str) -> Result<Vec<String>, ConfigError> {
    const PROBLEM: &str = "neither a string nor a list of strings";
    match value {
        Value::Array(values) => values
            .into_iter()
            .map(|value| text(name, value, hint))
            .collect::<Result<_, _>>()
            .map_err(|_| ConfigError::new(name, PROBLEM, hint)),
        value => text(name, value, hint).map(|text| vec![text]).map_err(|_| ConfigError::new(name, PROBLEM, hint)),
    }
}

/// Any value of any format, as JSON has it.
struct Unique;

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Any(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let Any(value) = object.next_value()?;
            if members.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format_args!("{name}: given twice; give it once")));
            }
        }
        Ok(Value::Object(members))
    }
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unique).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(members: &Value) -> ConfigError {
        read(members.as_object().unwrap().clone()).unwrap_err()
    }

    #[test]
    fn a_member_that_cannot_be_used_is_named() {
        let minimal = json!({"issuer": "i", "audience": "a"});
        assert!(read(minimal.as_object().unwrap().clone()).is_ok());
        for (name, value) in [
            ("algorithms", json!(["RS256", "none"])),
            ("algorithms", json!(256)),
            ("audience", json!(["a", 1])),
            ("audience", json!(null)),
            ("audiences", json!("a")),
            ("issuer", json!({"url": "i"})),
            ("jwks_file", json!(["keys.json"])),
            ("jwks_url", json!(7)),
            ("leeway_seconds", json!("5")),
            ("leeway_seconds", json!(-1)),
            ("leeway_seconds", json!(0.5)),
            ("public_key_file", json!(false)),
            ("secret_file", json!({})),
            ("typ", json!([null])),
        ] {
            let mut members = minimal.clone();
            members[name] = value;
            assert_eq!(error(&members).field(), name, "{members}");
        }
        assert_eq!(error(&json!({"audience": "a"})).field(), "issuer");
        assert_eq!(error(&json!({"issuer": "i"})).field(), "audience");
    }

    #[test]
    fn optional_members_may_be_null_and_lists_one_string() {
        let members = json!({
            "issuer": ["i", "j"], "audience": ["a"], "jwks_file": null, "typ": "at+jwt", "algorithms": "ES256",
            "leeway_seconds": null,
        });
        let config = read(members.as_object().unwrap().clone()).unwrap();
        assert_eq!(config.issuer, ["i", "j"]);
        assert_eq!((config.jwks_file, config.leeway_seconds), (None, None));
        assert_eq!(config.typ, Some(vec!["at+jwt".to_owned()]));
        assert_eq!(config.algorithms, Some(vec![crate::jose::Algorithm::Es256]));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        let read = |json: &str| serde_json::from_str::<ConfigMembers>(json);
        assert!(read(r#"{"a":[{"b":1},{"b":1}],"c":{"a":1}}"#).is_ok());
        for json in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            let error = read(json).err().unwrap().to_string();
            assert!(error.starts_with("a: given twice"), "{error}");
        }
        for json in ["[]", "7", "null", ""] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
