//! What the log says about a refused token, in addition to the reason.
//!
//! Nothing in a refused token is verified. So an explanation is a fixed sentence, and it never changes the reason.

use portcullis::claims::Claims;
use portcullis::error::InvalidToken;
use portcullis::verifier::UnverifiedToken;

/// A refused token, with its unverified claims.
pub struct Refused<'a> {
    pub(crate) text: &'a str,
    pub(crate) found: &'a InvalidToken,
    pub(crate) claims: Option<Claims>,
    /// The token names another issuer than those of the verifier.
    pub(crate) is_foreign: bool,
}

impl<'a> Refused<'a> {
    pub(crate) fn new(token: &UnverifiedToken<'a>, found: &'a InvalidToken, issuers: &[String]) -> Self {
        let claims = token.unverified_claims();
        let named = claims.as_ref().and_then(|claims| claims.issuer());
        let is_foreign =
            named.is_some_and(|named| !issuers.is_empty() && !issuers.iter().any(|issuer| issuer == named));
        Self { text: token.text(), found, claims, is_foreign }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.claims.as_ref().and_then(|claims| claims.issuer()).unwrap_or_default()
    }

    pub(crate) fn claim(&self, name: &'static str) -> Option<String> {
        self.claims.as_ref()?.get::<String>(name).ok()?
    }

    pub(crate) fn has_audience(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        self.claims.as_ref().is_some_and(|claims| claims.audiences().any(is_wanted))
    }

    pub(crate) fn is_for_others(&self) -> bool {
        matches!(self.found, InvalidToken::WrongAudience)
    }

    /// Returns whether the check `name` of this crate refused the token.
    pub(crate) fn failed(&self, name: &str) -> bool {
        matches!(self.found, InvalidToken::CheckFailed { name: failed } if failed == name)
    }

    /// Says that the token names another issuer, where the reason does not say it.
    pub(crate) fn names_another_issuer(&self) -> Option<&'static str> {
        let says_so = matches!(self.found, InvalidToken::WrongIssuer);
        (self.is_foreign && !says_so).then_some("iss names another issuer than the configured one")
    }
}
