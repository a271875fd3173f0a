//! What must hold of a token whose signature is good.
//!
//! Design notes: [Checks and issuers](crate::_docs::checks).

mod audience;
mod issuer;
mod parties;
mod presence;
mod time;
mod token_type;

use std::borrow::Cow;
use std::fmt;

pub use audience::Audience;
pub use issuer::Issuer;
pub use parties::AuthorizedParties;
pub(crate) use presence::{NotSenderConstrained, RequiredClaims};
pub(crate) use time::TimeCheck;
pub(crate) use token_type::TokenTypes;

use crate::claims::{Claims, NumericDate};
use crate::error::{ConfigError, InvalidToken};
use crate::jose::{Header, VerifyingKey};

/// One rule about a token.
///
/// A check that looks at a claim requires it: an absent claim is [`InvalidToken::MissingClaim`], never a pass.
pub trait ClaimCheck: Send + Sync {
    /// Whether the token passes.
    ///
    /// # Errors
    /// What is wrong with the token.
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken>;
}

/// What a [`ClaimCheck`] sees: the signature is good, the claims are not yet trusted.
#[derive(Clone, Copy, Debug)]
pub struct TokenView<'a> {
    pub(crate) header: &'a Header,
    pub(crate) claims: &'a Claims,
    pub(crate) key: &'a VerifyingKey,
    pub(crate) now: NumericDate,
}

impl<'a> TokenView<'a> {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &'a Claims {
        self.claims
    }

    /// The key that verified the signature, with the other members of its JWK.
    #[must_use]
    pub fn key(&self) -> &'a VerifyingKey {
        self.key
    }

    /// The verifier's time.
    #[must_use]
    pub fn now(&self) -> NumericDate {
        self.now
    }
}

/// Whether `names`, one of which a claim must equal byte by byte, can be any claim's value.
fn validate_names(field: &'static str, names: &[String], instead: &'static str) -> Result<(), ConfigError> {
    let problem = if names.is_empty() || names.iter().any(String::is_empty) {
        "empty"
    } else if names.iter().any(|name| name.trim() != name) {
        "it begins or ends with white space"
    } else {
        return Ok(());
    };
    Err(ConfigError::new(field, problem, instead))
}

/// A closure with a name, which goes to the log when it fails.
pub(crate) struct NamedCheck<F> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) check: F,
}

impl<F: Fn(&TokenView<'_>) -> bool + Send + Sync> ClaimCheck for NamedCheck<F> {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if (self.check)(token) { Ok(()) } else { Err(InvalidToken::CheckFailed { name: self.name.clone() }) }
    }
}

impl fmt::Debug for dyn ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCheck")
    }
}

/// A token for the tests of single checks.
#[cfg(test)]
pub(crate) fn with_view<T>(claims: &str, now: i64, test: impl FnOnce(&TokenView<'_>) -> T) -> T {
    let header = Header::parse(br#"{"alg":"HS256"}"#.to_vec()).unwrap();
    let claims = Claims::parse(claims.as_bytes().to_vec()).unwrap();
    let key = VerifyingKey::from_secret(&[7; 32]).unwrap();
    test(&TokenView { header: &header, claims: &claims, key: &key, now: NumericDate::from_unix(now, 0) })
}
