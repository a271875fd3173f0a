//! A token that is not verified.

use crate::claims::{Claims, NumericDate};
use crate::error::InvalidToken;
use crate::jose::Header;
use crate::jose::compact::{Compact, DEFAULT_MAX_BYTES};
use crate::jose::json_start::first_members;

/// Returns what the log should say about a refused token, in addition to the reason.
pub(super) type Explain = dyn Fn(&UnverifiedToken<'_>, &InvalidToken) -> Option<&'static str> + Send + Sync;

/// How much of a payload is read for [`UnverifiedToken::unverified_origin`], in bytes.
pub(super) const START_BYTES: usize = 768;

/// A token that is not verified, so nothing in it is known to be true. Use it to name the kind of a refused token, or to
/// choose one of several tokens to verify.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a> {
    text: &'a str,
    max_bytes: usize,
}

impl<'a> UnverifiedToken<'a> {
    /// A token as it was presented. Nothing of a token of more than 16 KiB is read.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self::of_at_most(DEFAULT_MAX_BYTES, text)
    }

    pub(super) fn of_at_most(max_bytes: usize, text: &'a str) -> Self {
        Self { text, max_bytes }
    }

    /// The token as it was presented.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// What has to be removed from a text that was copied with more than the token; `None` when there is nothing of that kind.
    pub(super) fn surplus(&self) -> Option<&'static str> {
        let starts_with = |scheme: &str| {
            let head = self.text.trim_start().get(..scheme.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        };
        let is_quote = |char| matches!(char, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}');
        if starts_with("authorization:") {
            Some("the text starts with `Authorization:`: pass only the token")
        } else if starts_with("bearer ") {
            Some("the text starts with `Bearer `: pass only the token")
        } else if self.text.trim().starts_with(is_quote) || self.text.trim().ends_with(is_quote) {
            Some("the text has quotes around the token: remove them")
        } else if self.text.contains(['\r', '\n']) || self.text.contains("\\n") {
            Some("the text has line breaks: remove them")
        } else if self.text.contains(|char: char| char.is_whitespace() || char.is_control()) {
            Some("the text has white space or control characters: remove them")
        } else {
            None
        }
    }

    /// The header; `None` when it cannot be read.
    #[must_use]
    pub fn unverified_header(&self) -> Option<Header> {
        Compact::parse(self.text, self.max_bytes).ok()?.header().ok()
    }

    /// The issuer and the date of issue, as far as the first 768 bytes of the payload have them, behind about six
    /// claims at most. For any token, it takes a small part of the time of [`Self::unverified_claims`].
    #[must_use]
    pub fn unverified_origin(&self) -> UnverifiedOrigin {
        let read = |payload: &[u8], _| {
            let ([issuer, issued_at], _) = first_members(payload, ["iss", "iat"]);
            UnverifiedOrigin {
                issuer: issuer.and_then(|json| serde_json::from_str(json).ok()),
                issued_at: issued_at.and_then(NumericDate::parse),
            }
        };
        let token = Compact::parse(self.text, self.max_bytes);
        token.and_then(|token| token.with_start_of_payload::<START_BYTES, _>(read)).unwrap_or_default()
    }

    /// The claims; `None` when they cannot be read.
    #[must_use]
    pub fn unverified_claims(&self) -> Option<Claims> {
        Claims::parse(Compact::parse(self.text, self.max_bytes).ok()?.payload().ok()?).ok()
    }
}

/// Where a token says that it comes from: enough to choose one of several tokens to verify.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct UnverifiedOrigin {
    /// `iss`, when it is a string.
    pub issuer: Option<String>,
    /// `iat`, when it is a date.
    pub issued_at: Option<NumericDate>,
}

impl std::fmt::Debug for UnverifiedOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnverifiedOrigin")
    }
}

impl std::fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnverifiedToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;

    #[test]
    fn origin_is_read_from_the_start_of_the_payload() {
        let origin = |payload: &str| {
            let part = |text: &str| base64url::encode(text.as_bytes());
            let token = format!("{}.{}.", part(r#"{"alg":"RS256"}"#), part(payload));
            let origin = UnverifiedToken::new(&token).unverified_origin();
            assert_eq!(format!("{origin:?}"), "UnverifiedOrigin");
            (origin.issuer, origin.issued_at.map(NumericDate::seconds))
        };
        let (issuer, pad) = (|| Some("https://i.example".to_owned()), |count| "x".repeat(count));
        assert_eq!(origin(r#"{"sub":"u","iat":7.5,"iss":"https:\/\/i.example"}"#), (issuer(), Some(7)));
        assert_eq!(origin(r#"{"iss":["https://i.example"],"iat":"7"}"#), (None, None));
        assert_eq!(
            origin(&format!(r#"{{"a":"{}","iss":"https://i.example","iat":7}}"#, pad(START_BYTES - 100))),
            (issuer(), Some(7))
        );
        // The rest may be anything.
        assert_eq!(
            origin(&format!(r#"{{"iss":"https://i.example","a":"{}","iat":7}}"#, pad(START_BYTES))),
            (issuer(), None)
        );
        assert_eq!(origin(&format!(r#"{{"a":"{}","iss":"https://i.example"}}"#, pad(START_BYTES))), (None, None));
        assert_eq!(origin("[]"), (None, None));
        assert_eq!(UnverifiedToken::new("a.b").unverified_origin().issuer, None);
    }

    #[test]
    fn surplus_of_a_copied_text_is_named() {
        for (text, named) in [
            ("Bearer a.b.c", "`Bearer `"),
            ("bearer  a.b.c\n", "`Bearer `"),
            ("Authorization: Bearer a.b.c", "`Authorization:`"),
            ("\"a.b.c\"", "quotes"),
            ("'a.b.c", "quotes"),
            (" a.b.c\" ", "quotes"),
            ("\u{201c}a.b.c\u{201d}", "quotes"),
            ("a.b.\nc", "line breaks"),
            ("a.b.c\r\n", "line breaks"),
            ("a.b.c\\n", "line breaks"),
            ("a.b. c", "white space"),
            ("a.b\u{a0}.c", "white space"),
            ("a.b.c\u{7f}", "control characters"),
        ] {
            let told = UnverifiedToken::new(text).surplus().unwrap_or_default();
            assert!(told.contains(named), "{text:?}: {told}");
        }
        for text in ["a.b.c", "", "Bearer", "bearer.a.b"] {
            assert_eq!(UnverifiedToken::new(text).surplus(), None, "{text}");
        }
    }

    #[test]
    fn too_long_token_is_not_read() {
        let head = format!("{}.{}.", base64url::encode(br#"{"alg":"RS256"}"#), base64url::encode(br#"{"sub":"u"}"#));
        let of_length = |bytes: usize| format!("{head}{}", "A".repeat(bytes - head.len()));
        let longest = of_length(16 * 1024);
        let token = UnverifiedToken::new(&longest);
        assert_eq!(token.unverified_claims().unwrap().subject(), Some("u"));
        assert!(token.unverified_header().is_some());
        let longer = of_length(16 * 1024 + 1);
        let token = UnverifiedToken::new(&longer);
        assert!(token.unverified_claims().is_none() && token.unverified_header().is_none());
        assert_eq!((token.text(), format!("{token:?}").as_str()), (longer.as_str(), "UnverifiedToken"));
    }
}
