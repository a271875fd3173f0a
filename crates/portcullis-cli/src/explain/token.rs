//! The parts of a token, decoded without trusting them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::explain::shape;

/// A decoded token. Nothing of it is verified.
pub(super) struct Decoded {
    pub(super) form: Form,
    /// The header as JSON on one line.
    pub(super) header: Option<Box<RawValue>>,
    /// The claims as JSON on one line.
    pub(super) claims: Option<Box<RawValue>>,
    shape: shape::Shape,
}

/// The form of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Signed claims.
    Jwt,
    /// A signed payload that is not a JSON object.
    Jws,
    /// Encrypted.
    Jwe,
    /// A text that only its issuer can read.
    Opaque,
}

impl Form {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Jws => "jws",
            Self::Jwe => "jwe",
            Self::Opaque => "opaque",
        }
    }
}

impl Decoded {
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        let header = parts.first().and_then(|part| decode_object(part));
        let (form, claims) = match (parts.as_slice(), &header) {
            ([_, payload, _], Some(_)) => {
                let claims = decode_object(payload);
                (if claims.is_some() { Form::Jwt } else { Form::Jws }, claims)
            }
            ([_, _, _, _, _], Some(_)) => (Form::Jwe, None),
            _ => (Form::Opaque, None),
        };
        let header = header.filter(|_| form != Form::Opaque);
        let members = |json: &Option<Box<RawValue>>| {
            json.as_ref()
                .and_then(|json| serde_json::from_str::<Map<String, Value>>(json.get()).ok())
                .unwrap_or_default()
        };
        let shape = shape::of(form, token, &members(&header), &members(&claims));
        Self { form, header, claims, shape }
    }

    /// Returns the kind of token that it looks like.
    pub(super) fn kind(&self) -> &'static str {
        self.shape.kind
    }

    /// Returns the identity provider whose tokens have this shape.
    pub(super) fn provider(&self) -> Option<&'static str> {
        self.shape.provider
    }

    /// Returns the claims in their order; empty if they cannot be read.
    pub(super) fn claim_members(&self) -> Vec<(String, Box<RawValue>)> {
        members(self.claims.as_deref())
    }

    /// Returns the members of the header.
    pub(super) fn header_members(&self) -> Vec<(String, Box<RawValue>)> {
        members(self.header.as_deref())
    }
}

/// Returns the members of an object, in its order.
fn members(json: Option<&RawValue>) -> Vec<(String, Box<RawValue>)> {
    struct Members(Vec<(String, Box<RawValue>)>);

    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Visitor)
        }
    }

    struct Visitor;

    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Members;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = object.next_entry()? {
                members.push(member);
            }
            Ok(Members(members))
        }
    }

    json.and_then(|json| serde_json::from_str::<Members>(json.get()).ok()).map_or_else(Vec::new, |members| members.0)
}

/// Decodes a part that is a JSON object. Padding and the standard alphabet are read too, although verifiers refuse them.
pub(super) fn decode_object(part: &str) -> Option<Box<RawValue>> {
    let part = part.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(part).or_else(|_| STANDARD_NO_PAD.decode(part)).ok()?;
    // JSON has line breaks and tabs between its tokens only, so without them it is the same JSON on one line.
    let text = String::from_utf8(bytes).ok()?.replace(['\r', '\n', '\t'], "");
    let text = text.trim_start_matches('\u{feff}').trim();
    // What is nested too deeply could not be read inside of the output.
    if !text.starts_with('{') || serde_json::from_str::<Value>(&format!("[[{text}]]")).is_err() {
        return None;
    }
    RawValue::from_string(text.to_owned()).ok()
}
