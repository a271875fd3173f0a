//! Why claims do not fit a type. Only names from the type are reported, because the errors of serde may repeat claims.

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

impl TypeMismatch {
    /// Finds out why `C` cannot be read from `object`, after reading failed.
    pub(super) fn of<C: DeserializeOwned>(object: &JsonObject) -> Self {
        C::deserialize(Object(object)).err().unwrap_or(Self::Unspecified)
    }
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

/// Reads the claims again, with errors that repeat nothing.
struct Object<'a>(&'a JsonObject);

impl<'de> Deserializer<'de> for Object<'de> {
    type Error = TypeMismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        visitor.visit_map(Members { rest: self.0.iter(), current: ("", ""), fields })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

struct Members<'a, I> {
    rest: I,
    current: (&'a str, &'a str),
    fields: &'static [&'static str],
}

impl<'a, I: Iterator<Item = (&'a str, &'a str)>> MapAccess<'a> for Members<'a, I> {
    type Error = TypeMismatch;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, TypeMismatch> {
        let Some(member) = self.rest.next() else { return Ok(None) };
        self.current = member;
        let name: StrDeserializer<'_, TypeMismatch> = member.0.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, TypeMismatch> {
        let (name, value) = self.current;
        seed.deserialize(&mut serde_json::Deserializer::from_str(value)).map_err(|_| {
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
        TypeMismatch::of::<C>(&object).to_string()
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
