//! The claims of a token (RFC 7519 §4), and the readers of scopes, permissions, roles and typed claims.

mod actors;
mod authorization_details;
mod grants;
mod numeric_date;
mod read_as;
mod scope_hierarchy;
mod typed;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use actors::Actor;
pub use grants::{GrantReader, Grants, StandardGrants};
pub use numeric_date::NumericDate;
pub(crate) use scope_hierarchy::ScopeHierarchy;
pub use typed::{FromClaims, NoClaims};

use crate::error::InvalidToken;
use crate::jose::json::{Depth, JsonError, JsonObject, Span, Text};

/// The claims of a token.
///
/// The payload is parsed once. The registered claims (RFC 7519 §4.1) are checked to have the right type; other claims are
/// deserialized when they are read.
#[derive(Clone)]
pub struct Claims {
    object: JsonObject,
    issuer: Option<Text>,
    subject: Option<Text>,
    audiences: Audiences,
    token_id: Option<Text>,
    expires_at: Option<NumericDate>,
    not_before: Option<NumericDate>,
    issued_at: Option<NumericDate>,
}

impl Claims {
    pub(crate) fn parse(payload: Vec<u8>) -> Result<Self, InvalidToken> {
        let (mut claims, bytes) = (Self::empty(), payload.len());
        claims.fill(payload, bytes, false)?;
        Ok(claims)
    }

    /// No claims.
    pub(crate) fn empty() -> Self {
        Self {
            object: JsonObject::empty(),
            issuer: None,
            subject: None,
            audiences: Audiences::None,
            token_id: None,
            expires_at: None,
            not_before: None,
            issued_at: None,
        }
    }

    /// Parses the first `payload_bytes` of `bytes`, and keeps what is after them. If `integer_ids`, `sub` and `jti` may be
    /// integers, which are read as their decimal text. Claims are large, so they are filled where they are.
    pub(crate) fn fill(&mut self, bytes: Vec<u8>, payload_bytes: usize, integer_ids: bool) -> Result<(), InvalidToken> {
        self.object.fill(usize::MAX, Depth::Unknown, bytes, payload_bytes).map_err(|error| {
            InvalidToken::Malformed {
                part: match error {
                    JsonError::DuplicateMember => "payload (a claim appears twice)",
                    _ => "payload",
                },
            }
        })?;
        let object = &self.object;
        let [iss, sub, aud, jti, exp, nbf, iat] =
            object.positions([b"iss", b"sub", b"aud", b"jti", b"exp", b"nbf", b"iat"]);
        let read_id = if integer_ids { JsonObject::string_or_integer_at } else { JsonObject::string_at };
        let date = |value| NumericDate::parse(object.at(value));
        // In the order of the reasons.
        self.issuer = read("iss", iss, |value| object.string_at(value))?;
        self.subject = read("sub", sub, |value| read_id(object, value))?;
        self.audiences = read("aud", aud, |value| Audiences::read(object, value))?.unwrap_or(Audiences::None);
        self.token_id = read("jti", jti, |value| read_id(object, value))?;
        self.expires_at = read("exp", exp, date)?;
        self.not_before = read("nbf", nbf, date)?;
        self.issued_at = read("iat", iat, date)?;
        Ok(())
    }

    /// What [`Self::fill`] kept.
    pub(crate) fn kept(&self) -> &str {
        self.object.kept()
    }

    /// Returns `iss`, the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.of(self.issuer.as_ref())
    }

    /// Returns `sub`, the subject: the caller, unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.of(self.subject.as_ref())
    }

    /// Returns `aud`, the audiences. A string is one audience.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.as_slice().iter().map(|audience| audience.of(self.object.text()))
    }

    /// Whether `aud` is present. It is not null then, because that would not be an audience.
    pub(crate) fn has_audience(&self) -> bool {
        !matches!(self.audiences, Audiences::None)
    }

    /// Returns `jti`, the identifier of the token.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.of(self.token_id.as_ref())
    }

    /// Returns `exp`: the token is expired from this date on.
    #[must_use]
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    /// Returns `nbf`: the token is valid from this date on.
    #[must_use]
    pub fn not_before(&self) -> Option<NumericDate> {
        self.not_before
    }

    /// Returns `iat`, the date when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<NumericDate> {
        self.issued_at
    }

    /// Whether the claim `name` is present and not null.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.object.raw(name).is_some_and(|value| value != "null")
    }

    /// Whether the claim `name` is a JSON object.
    pub(crate) fn is_object(&self, name: &str) -> bool {
        self.object.raw(name).is_some_and(|value| value.starts_with('{'))
    }

    /// Reads the claim `name`. Returns `None` when it is absent or null.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when the claim does not fit `T`.
    pub fn get<'a, T: Deserialize<'a>>(
        &'a self,
        name: impl Into<Cow<'static, str>>,
    ) -> Result<Option<T>, InvalidToken> {
        let name = name.into();
        match self.object.raw(&name) {
            None | Some("null") => Ok(None),
            Some(value) => serde_json::from_str(value).map(Some).map_err(|_| InvalidToken::invalid(name)),
        }
    }

    /// Reads the claim `name`, a string. It is copied only if it has escapes. Returns `None` when it is absent or null.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaim`] when the claim is not a string.
    pub fn text(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, InvalidToken> {
        let Some(value) = self.object.position(name) else { return Ok(None) };
        match self.object.string_at(value) {
            Some(Text::Span(span)) => Ok(Some(Cow::Borrowed(self.object.at(span)))),
            Some(Text::Owned(owned)) => Ok(Some(Cow::Owned(owned.into()))),
            None if self.object.at(value) == "null" => Ok(None),
            None => Err(InvalidToken::invalid(name)),
        }
    }

    /// Reads the claim `name`, which must be present. Use it in checks, so that a token without the claim is refused.
    ///
    /// # Errors
    /// [`InvalidToken::MissingClaim`] when the claim is absent or null, [`InvalidToken::InvalidClaim`] when it does not
    /// fit `T`.
    pub fn required<'a, T: Deserialize<'a>>(&'a self, name: impl Into<Cow<'static, str>>) -> Result<T, InvalidToken> {
        let name = name.into();
        self.get(name.clone())?.ok_or_else(|| InvalidToken::missing(name))
    }

    /// Reads all claims as one value.
    ///
    /// # Errors
    /// [`InvalidToken::InvalidClaims`] when the claims do not fit `C`. The log names the field of `C`. The error of serde is
    /// dropped, because it may repeat claims.
    pub fn deserialize<C: DeserializeOwned>(&self) -> Result<C, InvalidToken> {
        read_as::read(&self.object).map_err(|because| {
            tracing::debug!(into = std::any::type_name::<C>(), %because, "claims do not fit");
            InvalidToken::InvalidClaims
        })
    }

    /// Returns the payload as the issuer wrote it.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.object.text()
    }

    /// How much memory the claims take, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let texts = [&self.issuer, &self.subject, &self.token_id].into_iter().flatten();
        let audiences = self.audiences.as_slice();
        let owned = texts.chain(audiences).map(Text::memory).sum::<usize>();
        size_of::<Self>() + self.object.memory() + size_of_val(audiences) + owned
    }

    /// Reads the string, or the strings of the array, at a path of members. Values of other types are left out.
    pub(crate) fn strings_at(&self, path: &[impl AsRef<str>]) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let Some(raw) = self.object.raw(first.as_ref()) else { return Vec::new() };
        let Ok(root) = serde_json::from_str::<serde_json::Value>(raw) else { return Vec::new() };
        let value = rest.iter().try_fold(&root, |value, name| value.get(name.as_ref()));
        match value {
            Some(serde_json::Value::String(one)) => vec![one.clone()],
            Some(serde_json::Value::Array(many)) => {
                many.iter().filter_map(|each| each.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Reads the claim `name` as a string or an array of strings.
    pub(crate) fn string_or_strings(&self, name: &str) -> Result<Vec<String>, InvalidToken> {
        let value = self.object.raw(name).ok_or_else(|| InvalidToken::missing(name.to_owned()))?;
        if let Ok(one) = serde_json::from_str(value) {
            return Ok(vec![one]);
        }
        serde_json::from_str(value).map_err(|_| InvalidToken::invalid(name.to_owned()))
    }

    fn of<'a>(&'a self, text: Option<&'a Text>) -> Option<&'a str> {
        text.map(|text| text.of(self.object.text()))
    }
}

/// Reads the member `name`, if it is present.
fn read<T>(
    name: &'static str,
    value: Option<Span>,
    read: impl FnOnce(Span) -> Option<T>,
) -> Result<Option<T>, InvalidToken> {
    value.map(|value| read(value).ok_or_else(|| InvalidToken::invalid(name))).transpose()
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims { .. }")
    }
}

/// `aud`. One string, the usual form, needs no allocation.
#[derive(Clone)]
enum Audiences {
    Many(Vec<Text>),
    None,
    One(Text),
}

impl Audiences {
    fn read(object: &JsonObject, value: Span) -> Option<Self> {
        if let Some(one) = object.string_at(value) {
            return Some(Self::One(one));
        }
        let many: Vec<&serde_json::value::RawValue> = serde_json::from_str(object.at(value)).ok()?;
        many.into_iter().map(|each| object.string(each.get())).collect::<Option<_>>().map(Self::Many)
    }

    fn as_slice(&self) -> &[Text] {
        match self {
            Self::Many(many) => many,
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Claims, InvalidToken> {
        Claims::parse(json.as_bytes().to_vec())
    }

    #[test]
    fn text_is_copied_only_if_it_has_escapes() {
        let claims = parse(r#"{"a":"plain","b":"\u0065sc\"aped","c":"","d":null,"e":7,"f":["x"],"g":"null"}"#).unwrap();
        assert!(matches!(claims.text("a"), Ok(Some(Cow::Borrowed("plain")))));
        assert!(matches!(claims.text("b"), Ok(Some(Cow::Owned(text))) if text == "esc\"aped"));
        assert!(matches!(claims.text("c"), Ok(Some(Cow::Borrowed("")))));
        assert!(matches!(claims.text("g"), Ok(Some(Cow::Borrowed("null")))));
        for absent in ["d", "x"] {
            assert_eq!(claims.text(absent), Ok(None), "{absent}");
        }
        for name in ["e", "f"] {
            assert_eq!(claims.text(name), Err(InvalidToken::invalid(name)));
        }
    }

    #[test]
    fn integer_ids_are_read_as_text_only_where_they_may_be() {
        let both = |json: &str| {
            let ids = |claims: Claims| [claims.subject(), claims.token_id()].map(|id| id.map(str::to_owned));
            let mut claims = Claims::empty();
            let lenient = claims.fill(json.as_bytes().to_vec(), json.len(), true).map(|()| ids(claims));
            (parse(json).map(ids), lenient)
        };
        let text = |text: &str| Some(text.to_owned());
        for (json, ids) in [
            (r#"{"sub":7}"#, [text("7"), None]),
            (r#"{"sub":0,"jti":-12}"#, [text("0"), text("-12")]),
            (r#"{"jti":18446744073709551616}"#, [None, text("18446744073709551616")]),
        ] {
            let named = if json.contains("sub") { "sub" } else { "jti" };
            assert_eq!(both(json), (Err(InvalidToken::invalid(named)), Ok(ids)), "{json}");
        }
        assert_eq!(both(r#"{"sub":"7"}"#), (Ok([text("7"), None]), Ok([text("7"), None])));
        // Several texts mean one such number, or it is not a number.
        for value in ["1.0", "1e2", "-0", "7.5", "true", "null", "[7]", "{}"] {
            let invalid = || Err(InvalidToken::invalid("sub"));
            assert_eq!(both(&format!(r#"{{"sub":{value}}}"#)), (invalid(), invalid()), "{value}");
        }
        // `iss` stays a string.
        assert_eq!(both(r#"{"iss":7}"#).1, Err(InvalidToken::invalid("iss")));
    }

    #[test]
    fn registered_claims_are_read() {
        let claims = parse(
            r#"{"iss":"https:\/\/i.example","sub":"u","aud":["a","b\u0031"],"jti":"j","exp":10,"nbf":5.5,"iat":1e1,"n":null}"#,
        )
        .unwrap();
        assert_eq!(claims.issuer(), Some("https://i.example"));
        assert_eq!(claims.subject(), Some("u"));
        assert_eq!(claims.audiences().collect::<Vec<_>>(), ["a", "b1"]);
        assert_eq!(claims.token_id(), Some("j"));
        assert_eq!(claims.expires_at(), Some(NumericDate::from_unix(10, 0)));
        assert_eq!(claims.not_before(), Some(NumericDate::from_unix(5, 500_000_000)));
        assert_eq!(claims.issued_at(), Some(NumericDate::from_unix(10, 0)));
        assert!(claims.contains("sub") && !claims.contains("n") && !claims.contains("other"));
        assert_eq!(parse(r#"{"aud":"one"}"#).unwrap().audiences().collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn a_required_claim_must_be_present_and_fit() {
        let claims = parse(r#"{"org":"o","none":null}"#).unwrap();
        assert_eq!(claims.required::<String>("org").as_deref(), Ok("o"));
        assert_eq!(claims.required::<u8>("org"), Err(InvalidToken::invalid("org")));
        for name in ["none", "other"] {
            assert_eq!(claims.required::<String>(name.to_owned()), Err(InvalidToken::missing(name)));
        }
    }

    #[test]
    fn wrong_types_are_refused() {
        for (claim, values) in [
            ("iss", &["1", "null", "[\"https://i.example\"]", "{}", "true"][..]),
            ("sub", &["1", "null", "[]"]),
            ("jti", &["1", "null"]),
            ("aud", &["1", "null", "{}", "[1]", "[\"a\",1]", "[null]", "true"]),
            ("exp", &["\"10\"", "null", "[]", "true", "1e999", "99999999999999999999", "NaN"]),
            ("nbf", &["\"10\"", "null", "{}"]),
            ("iat", &["\"10\"", "null", "false"]),
        ] {
            for value in values {
                let refused = parse(&format!(r#"{{"{claim}":{value}}}"#)).err();
                let expected =
                    if *value == "NaN" || *value == "1e999" { None } else { Some(InvalidToken::invalid(claim)) };
                match expected {
                    Some(expected) => assert_eq!(refused, Some(expected), "{claim}: {value}"),
                    // Not JSON, or a number that the parser refuses.
                    None => assert!(refused.is_some(), "{claim}: {value}"),
                }
            }
        }
    }

    #[test]
    fn typed_access_distinguishes_absent_from_unfit() {
        let claims = parse(r#"{"a":"x","n":null,"deep":{"roles":["r1","r2",3]}}"#).unwrap();
        assert_eq!(claims.get::<String>("a"), Ok(Some("x".to_owned())));
        assert_eq!(claims.get::<String>("n"), Ok(None));
        assert_eq!(claims.get::<String>("z"), Ok(None));
        assert_eq!(claims.get::<u64>("a"), Err(InvalidToken::invalid("a")));
        assert_eq!(claims.strings_at(&["deep", "roles"]), ["r1", "r2"]);
        assert!(claims.strings_at(&["deep", "missing"]).is_empty());
        #[derive(Debug, serde::Deserialize)]
        struct Unfit {
            #[allow(dead_code)]
            a: u64,
        }
        assert_eq!(claims.deserialize::<Unfit>().unwrap_err(), InvalidToken::InvalidClaims);
    }

    #[test]
    fn debug_hides_the_claims() {
        assert_eq!(format!("{:?}", parse(r#"{"sub":"secret"}"#).unwrap()), "Claims { .. }");
    }
}
