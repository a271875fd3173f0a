//! A token that is not verified.

use crate::claims::Claims;
use crate::error::InvalidToken;
use crate::jose::Header;
use crate::jose::compact::{Compact, DEFAULT_MAX_BYTES};

/// Returns a more precise reason to refuse a token.
pub(super) type Explain = dyn Fn(&UnverifiedToken<'_>, InvalidToken) -> InvalidToken + Send + Sync;

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

    /// The header; `None` when it cannot be read.
    #[must_use]
    pub fn unverified_header(&self) -> Option<Header> {
        Compact::parse(self.text, self.max_bytes).ok()?.header().ok()
    }

    /// The claims; `None` when they cannot be read.
    #[must_use]
    pub fn unverified_claims(&self) -> Option<Claims> {
        Claims::parse(Compact::parse(self.text, self.max_bytes).ok()?.payload().ok()?).ok()
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
