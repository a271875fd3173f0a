//! Reads claims as a type, and says why they do not fit it. Only names from the type are reported, because the errors of serde may
//! repeat claims.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::jose::json::JsonObject;

/// The first field that does not fit, by its name in the type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TypeMismatch {
    /// The claims do not have this field of the type.
    Missing(&'static str),
    /// The claim of this field does not fit it.
    WrongType(&'static str),
    /// The type denies unknown fields, and a claim is unknown.
    UnknownClaim,
    /// Another cause, which only the claims could name.
    Unspecified,
}

/// Reads a value from the members of `object`, as serde_json reads it from its text. Fields of a struct are read from the index, so
/// the text is not searched for them again.
pub(super) fn read<C: DeserializeOwned>(object: &JsonObject) -> Result<C, TypeMismatch> {
    C::deserialize(Object { object, wanted: Wanted::Value }).map_err(|mismatch| match mismatch {
        TypeMismatch::Unspecified => {
            let again = C::deserialize(Object { object, wanted: Wanted::Reason });
            again.err().unwrap_or(TypeMismatch::Unspecified)
        }
        found => found,
    })
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(field) => write!(f, "claim {field} is missing"),
            Self::WrongType(field) => write!(f, "claim {field} is of another type"),
            Self::UnknownClaim => f.write_str("a claim is unknown to the type"),
            Self::Unspecified => f.write_str("the type cannot be read from the claims"),
        }
    }
}

impl std::error::Error for TypeMismatch {}

impl Error for TypeMismatch {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unspecified
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownClaim
    }
}

/// What a reading is for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Wanted {
    /// The value. What is not a struct is read by serde_json.
    Value,
    /// Why the claims do not fit a type that may have fields, but is not a struct: one with flattened fields.
    Reason,
}

#[derive(Clone, Copy)]
struct Object<'a> {
    object: &'a JsonObject,
    wanted: Wanted,
}

impl<'de> Object<'de> {
    fn read_members<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        let mut members = Members { rest: self.object.iter(), current: ("", ""), fields };
        let value = visitor.visit_map(&mut members)?;
        if members.rest.next().is_some() { Err(TypeMismatch::Unspecified) } else { Ok(value) }
    }

    fn text(self) -> serde_json::Deserializer<serde_json::de::StrRead<'de>> {
        serde_json::Deserializer::from_str(self.object.text())
    }
}

impl<'de> Deserializer<'de> for Object<'de> {
    type Error = TypeMismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        match self.wanted {
            Wanted::Value => self.text().deserialize_any(visitor).map_err(|_| TypeMismatch::Unspecified),
            Wanted::Reason => self.read_members(&[], visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        self.text().deserialize_enum(name, variants, visitor).map_err(|_| TypeMismatch::Unspecified)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        match self.wanted {
            // serde_json treats some newtypes in a special way.
            Wanted::Value => {
                self.text().deserialize_newtype_struct(name, visitor).map_err(|_| TypeMismatch::Unspecified)
            }
            Wanted::Reason => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        self.read_members(fields, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Members<'a, I> {
    rest: I,
    current: (&'a str, &'a str),
    fields: &'static [&'static str],
}

impl<'a, I: Iterator<Item = (&'a str, &'a str)>> MapAccess<'a> for &mut Members<'a, I> {
    type Error = TypeMismatch;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, TypeMismatch> {
        let Some(member) = self.rest.next() else { return Ok(None) };
        self.current = member;
        let name: StrDeserializer<'_, TypeMismatch> = member.0.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, TypeMismatch> {
        let (name, value) = self.current;
        let mut deserializer = serde_json::Deserializer::from_str(value);
        let read = seed.deserialize(&mut deserializer);
        read.and_then(|value| deserializer.end().map(|()| value)).map_err(|_| {
            // Report the type's static name, not the name in the claims.
            let field = self.fields.iter().find(|field| **field == name);
            field.map_or(TypeMismatch::Unspecified, |field| TypeMismatch::WrongType(field))
        })
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "types that are only read into")]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn mismatch<C: DeserializeOwned>(claims: &str) -> String {
        let object = JsonObject::parse(claims.as_bytes().to_vec()).unwrap();
        assert!(serde_json::from_str::<C>(claims).is_err(), "{claims}");
        read::<C>(&object).err().unwrap().to_string()
    }

    #[derive(Deserialize)]
    struct Organization {
        #[serde(rename = "https://api.example.com/org")]
        organization: String,
        roles: Option<Vec<String>>,
        #[serde(default)]
        level: u8,
    }

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Wrapped(Option<Organization>);

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Closed {
        sub: String,
    }

    #[derive(Deserialize)]
    struct Flat {
        tenant: String,
        #[serde(flatten)]
        rest: std::collections::HashMap<String, u8>,
    }

    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Email(String);

    impl TryFrom<String> for Email {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text.contains('@') { Ok(Self(text)) } else { Err(format!("missing field `{text}`")) }
        }
    }

    #[derive(Deserialize)]
    struct Contact {
        email: Email,
    }

    #[test]
    fn every_type_is_read_as_serde_json_reads_it() {
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(default)]
        struct Usual {
            #[serde(alias = "e-mail")]
            email: String,
            level: u8,
            groups: Vec<String>,
            nested: std::collections::BTreeMap<String, Option<f64>>,
        }
        impl Default for Usual {
            fn default() -> Self {
                Self { email: "none".to_owned(), level: 1, groups: Vec::new(), nested: Default::default() }
            }
        }
        #[derive(Debug, Deserialize, PartialEq)]
        struct NewType(Usual);
        #[derive(Debug, Deserialize, PartialEq)]
        struct Flattened {
            #[serde(flatten)]
            usual: Usual,
            #[serde(flatten)]
            rest: serde_json::Map<String, serde_json::Value>,
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(tag = "kind", rename_all = "lowercase")]
        enum Tagged {
            Human { email: String },
            Machine,
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(rename_all = "lowercase")]
        enum External {
            Level(u8),
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(untagged)]
        enum Any {
            Tagged(Tagged),
            Usual(Usual),
        }
        fn same<C: DeserializeOwned + PartialEq + fmt::Debug>(claims: &str) {
            let object = JsonObject::parse(claims.as_bytes().to_vec()).unwrap();
            assert_eq!(read::<C>(&object).ok(), serde_json::from_str::<C>(claims).ok(), "{claims}");
        }
        for claims in [
            "{}",
            r#"{"email":"a@b.example","level":2,"groups":["x","y"],"nested":{"z":1.5,"n":null}}"#,
            r#"{"e-mail":"\u0061\n","level":3}"#,
            r#"{"\u0065mail":"a","level":3, "groups" : [ ] }"#,
            r#"{"email":"a","e-mail":"b"}"#,
            r#"{"level":300}"#,
            r#"{"level":1.5}"#,
            r#"{"level":4}"#,
            r#"{"kind":"human","email":"a"}"#,
            r#"{"kind":"machine"}"#,
            r#"{"kind":"other"}"#,
            r#"{"7":1,"8":2}"#,
            r#"{"email":null}"#,
        ] {
            same::<Usual>(claims);
            same::<Option<Usual>>(claims);
            same::<NewType>(claims);
            same::<Flattened>(claims);
            same::<Tagged>(claims);
            same::<External>(claims);
            same::<Any>(claims);
            same::<serde_json::Value>(claims);
            same::<std::collections::BTreeMap<u8, u8>>(claims);
            same::<std::collections::HashMap<String, serde_json::Value>>(claims);
            same::<()>(claims);
            same::<String>(claims);
            let object = JsonObject::parse(claims.as_bytes().to_vec()).unwrap();
            assert_eq!(read::<Box<serde_json::value::RawValue>>(&object).unwrap().get(), claims);
        }
    }

    #[test]
    fn the_field_is_named() {
        let missing = "claim https://api.example.com/org is missing";
        assert_eq!(mismatch::<Organization>(r#"{"sub":"u"}"#), missing);
        assert_eq!(mismatch::<Wrapped>(r#"{"sub":"u"}"#), missing);
        assert_eq!(
            mismatch::<Organization>(r#"{"https://api.example.com/org":null}"#),
            "claim https://api.example.com/org is of another type"
        );
        for (claims, expected) in [
            (r#"{"https://api.example.com/org":"o","roles":"admin"}"#, "claim roles is of another type"),
            (r#"{"https://api.example.com/org":"o","roles":["a",1]}"#, "claim roles is of another type"),
            (r#"{"https://api.example.com/org":"o","level":256}"#, "claim level is of another type"),
        ] {
            assert_eq!(mismatch::<Organization>(claims), expected);
        }
    }

    #[test]
    fn no_claim_is_repeated() {
        for told in [
            mismatch::<Closed>(r#"{"sub":"c0ffee","c0ffee":"c0ffee"}"#),
            mismatch::<Flat>(r#"{"tenant":"c0ffee","c0ffee":"c0ffee"}"#),
            mismatch::<Contact>(r#"{"email":"c0ffee"}"#),
            mismatch::<Email>(r#"{"email":"c0ffee"}"#),
            mismatch::<Vec<String>>(r#"{"email":"c0ffee"}"#),
            mismatch::<u8>(r#"{"email":"c0ffee"}"#),
        ] {
            assert!(told.contains("claim") || told == "the type cannot be read from the claims", "{told}");
            assert!(!told.contains("c0ffee"), "{told}");
        }
        assert_eq!(mismatch::<Contact>(r#"{"email":"c0ffee"}"#), "claim email is of another type");
        assert_eq!(mismatch::<Flat>(r#"{"rest":1}"#), "claim tenant is missing");
        assert_eq!(mismatch::<Closed>(r#"{"sub":"u","x":1}"#), "a claim is unknown to the type");
    }
}
