//! The JOSE header (RFC 7515 §4).

use std::fmt;

use serde::Deserialize;

use crate::error::InvalidToken;
use crate::jose::algorithm::Algorithm;
use crate::jose::json::{JsonError, JsonObject, Text};

/// More members than any real header has.
const MAX_MEMBERS: usize = 64;

/// The header of a token, parsed once.
///
/// Of its members only `alg`, `kid` and `typ` steer verification. Keys that a token brings along (`jwk`, `jku`,
/// `x5u`, `x5c`) are never used, and any `crit` or `b64` is refused (RFC 7515 §4.1.11, RFC 7797).
#[derive(Clone)]
pub struct Header {
    object: JsonObject,
    algorithm: Option<Algorithm>,
    key_id: Option<Text>,
    token_type: Option<Text>,
    x5t: Option<Text>,
    x5t_s256: Option<Text>,
}

impl Header {
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, InvalidToken> {
        let malformed = || InvalidToken::Malformed { part: "header" };
        let object = JsonObject::parse(bytes).map_err(|error| match error {
            JsonError::DuplicateMember => InvalidToken::Malformed { part: "header (a member appears twice)" },
            _ => malformed(),
        })?;
        if object.iter().take(MAX_MEMBERS + 1).count() > MAX_MEMBERS {
            return Err(malformed());
        }
        if object.raw("crit").is_some() || object.raw("b64").is_some() {
            return Err(InvalidToken::CriticalHeader);
        }
        let algorithm = object.optional_string("alg").map_err(|_| malformed())?.ok_or_else(malformed)?;
        let algorithm = Algorithm::from_name(algorithm.of(object.text()));
        let key_id = object.optional_string("kid").map_err(|_| malformed())?;
        let token_type = object.optional_string("typ").map_err(|_| malformed())?;
        let x5t = object.optional_string("x5t").map_err(|_| malformed())?;
        let x5t_s256 = object.optional_string("x5t#S256").map_err(|_| malformed())?;
        Ok(Self { object, algorithm, key_id, token_type, x5t, x5t_s256 })
    }

    /// `alg`; `None` when the name is no algorithm of this crate.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// `kid`, the key's identifier.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_ref().map(|text| text.of(self.object.text()))
    }

    /// `typ`, the token's media type.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_ref().map(|text| text.of(self.object.text()))
    }

    /// `x5t`, the SHA-1 thumbprint of the key's certificate, base64url-encoded (RFC 7515 §4.1.7).
    #[must_use]
    pub fn x5t(&self) -> Option<&str> {
        self.x5t.as_ref().map(|text| text.of(self.object.text()))
    }

    /// `x5t#S256`, the SHA-256 thumbprint of the key's certificate, base64url-encoded (RFC 7515 §4.1.8).
    #[must_use]
    pub fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_ref().map(|text| text.of(self.object.text()))
    }

    /// Any member, deserialised; `None` when it is absent or does not fit `T`.
    #[must_use]
    pub fn get<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.object.raw(name)?).ok()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `kid` and `typ` are the sender's text: they stay out of logs.
        f.debug_struct("Header").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Header, InvalidToken> {
        Header::parse(json.as_bytes().to_vec())
    }

    #[test]
    fn the_three_members_are_read() {
        let header = parse(r#"{"alg":"RS256","kid":"k\u0031","typ":"JWT","cat":"c"}"#).unwrap();
        assert_eq!(header.algorithm(), Some(Algorithm::Rs256));
        assert_eq!(header.key_id(), Some("k1"));
        assert_eq!(header.token_type(), Some("JWT"));
        assert_eq!(header.get::<String>("cat").as_deref(), Some("c"));
        assert_eq!(header.get::<u8>("cat"), None);
    }

    #[test]
    fn certificate_thumbprints_are_read() {
        let header = parse(r#"{"alg":"RS256","x5t":"a\u0062","x5t#S256":"cd"}"#).unwrap();
        assert_eq!((header.x5t(), header.x5t_s256()), (Some("ab"), Some("cd")));
        let header = parse(r#"{"alg":"RS256"}"#).unwrap();
        assert_eq!((header.x5t(), header.x5t_s256()), (None, None));
    }

    #[test]
    fn crit_of_any_shape_and_b64_are_refused() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":null"#,
            r#""crit":"exp""#,
            r#""b64":false"#,
            r#""b64":true"#,
        ] {
            let header = format!(r#"{{"alg":"RS256",{member}}}"#);
            assert_eq!(parse(&header).err(), Some(InvalidToken::CriticalHeader), "{header}");
        }
    }

    #[test]
    fn wrong_types_and_missing_alg_are_malformed() {
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":256}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","typ":{}}"#,
            r#"{"alg":"RS256","x5t":1}"#,
            r#"{"alg":"RS256","x5t":null}"#,
            r#"{"alg":"RS256","x5t#S256":["a"]}"#,
            r#"{"alg":"RS256","alg":"HS256"}"#,
            "[]",
        ] {
            assert!(matches!(parse(header), Err(InvalidToken::Malformed { .. })), "{header}");
        }
    }

    #[test]
    fn none_is_no_algorithm_in_any_spelling() {
        for name in ["none", "None", "NONE", "nOnE", ""] {
            assert_eq!(parse(&format!(r#"{{"alg":"{name}"}}"#)).unwrap().algorithm(), None);
        }
    }

    #[test]
    fn debug_shows_no_text_of_the_sender() {
        let header = parse(r#"{"alg":"RS256","kid":"sneaky"}"#).unwrap();
        assert!(!format!("{header:?}").contains("sneaky"));
    }
}
