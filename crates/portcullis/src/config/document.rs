//! A configuration file in any format, before its members are read.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of a configuration file, which a program may change before it makes a configuration of them.
///
/// A file in which a member appears twice, at any depth, is refused: two readers could disagree about which one counts.
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
    /// Returns the members by name.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

impl fmt::Debug for ConfigMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The file may contain a secret by mistake.
        f.write_str("ConfigMembers { .. }")
    }
}

impl<'de> Deserialize<'de> for ConfigMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_map(UniqueMembers)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(de::Error::custom("a configuration is an object")),
        }
    }
}

/// Reads a value of any format as JSON, and refuses objects with a repeated member.
struct UniqueMembers;

impl<'de> Visitor<'de> for UniqueMembers {
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
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
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
        while let Some(AnyValue(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let AnyValue(value) = object.next_value()?;
            if members.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format_args!("{name}: given twice; give it once")));
            }
        }
        Ok(Value::Object(members))
    }
}

struct AnyValue(Value);

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueMembers).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_member_is_refused_at_any_depth() {
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
