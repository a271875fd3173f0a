//! Checks of a token after its signature is verified.
//!
//! Design notes: [Checks and issuers](crate::_docs::checks).

mod about;
mod audience;
mod check;
mod issuer;
mod parties;
mod presence;
mod time;
mod token_type;

use std::borrow::Cow;
use std::fmt;

pub use about::CheckAbout;
pub(crate) use about::quoted;
pub use audience::Audience;
pub(crate) use check::Check;
pub use issuer::Issuer;
pub use parties::AuthorizedParties;
pub(crate) use presence::{NotSecurityEvent, NotSenderConstrained, RequiredClaims};
pub(crate) use time::TimeCheck;
pub(crate) use token_type::TokenTypes;

use crate::claims::{Claims, NumericDate};
use crate::error::{ConfigError, InvalidToken};
use crate::jose::{Header, VerifyingKey};

/// A check of a token whose signature is verified.
///
/// The checks of this crate require the claims that they read, and so should others: use [`Claims::required`], so that a
/// token without the claim is refused.
///
/// ```
/// use portcullis::checks::{ClaimCheck, TokenView};
/// use portcullis::error::InvalidToken;
/// use portcullis::{Gate, JwtVerifier, Reason};
///
/// /// Accepts the tokens of one organization.
/// struct Organization(&'static str);
///
/// impl ClaimCheck for Organization {
///     fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
///         let id: String = token.claims().required("org_id")?;
///         if id == self.0 { Ok(()) } else { Err(InvalidToken::WrongTenant) }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = portcullis::keys::FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// # let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXBpIiwic3ViIjoiYWxpY2UiLCJvcmdfaWQiOiJvcmdfMSIsImVudGl0bGVtZW50cyI6WyJpbnZvaWNlczp3cml0ZSJdLCJleHAiOjQxMDI0NDQ4MDB9.bmhc5JNiSqEOaZ8IOBkJxBhC1VvsaSy7HzxkZ-fU0gVcihG7BOpjYYMx3f8_06d-TlpqBeEqp8zoUpuOB54vCg";
/// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys).check(Organization("org_2")).build()?;
/// // A token with the `org_id` `org_1`:
/// let refused = Gate::new(verifier).verify(token).await.unwrap_err();
/// assert_eq!(refused.reason(), Some(Reason::WrongTenant));
/// # Ok(()) }
/// ```
pub trait ClaimCheck: Send + Sync {
    /// Checks the token.
    ///
    /// # Errors
    /// What is wrong with the token.
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken>;

    /// Says what the check reads and accepts, for the diagnosis of a token
    /// ([`Verifier::diagnose`](crate::Verifier::diagnose)). It decides nothing. Default: the name of the type.
    fn about(&self) -> CheckAbout {
        CheckAbout::named(about::type_name::<Self>())
    }
}

/// A token as a [`ClaimCheck`] sees it: its signature is verified, its claims are not all checked yet.
#[derive(Clone, Copy, Debug)]
pub struct TokenView<'a> {
    pub(crate) header: &'a Header,
    pub(crate) claims: &'a Claims,
    pub(crate) key: &'a VerifyingKey,
    pub(crate) now: NumericDate,
    /// Whether the gate checks the binding of the token.
    pub(crate) is_binding_left_to_gate: bool,
}

impl<'a> TokenView<'a> {
    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// Returns the claims.
    #[must_use]
    pub fn claims(&self) -> &'a Claims {
        self.claims
    }

    /// Returns the key that verified the signature, with the other members of its JWK.
    #[must_use]
    pub fn key(&self) -> &'a VerifyingKey {
        self.key
    }

    /// Returns the time of the verifier.
    #[must_use]
    pub fn now(&self) -> NumericDate {
        self.now
    }
}

/// Checks that a claim can be equal to each of `names`: they are not empty and have no white space around them.
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

/// A check by closure. When it fails, its name goes to the log.
pub(crate) struct NamedCheck<F> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) check: F,
}

impl<F: Fn(&TokenView<'_>) -> bool + Send + Sync> ClaimCheck for NamedCheck<F> {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if (self.check)(token) { Ok(()) } else { Err(InvalidToken::CheckFailed { name: self.name.clone() }) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::named(self.name.clone())
    }
}

impl fmt::Debug for dyn ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCheck")
    }
}

/// Calls `test` with a token that has these claims.
#[cfg(test)]
pub(crate) fn with_view<T>(claims: &str, now: i64, test: impl FnOnce(&TokenView<'_>) -> T) -> T {
    let header = Header::parse(br#"{"alg":"HS256"}"#.to_vec()).unwrap();
    let claims = Claims::parse(claims.as_bytes().to_vec()).unwrap();
    let key = VerifyingKey::from_secret(&[7; 32]).unwrap();
    let now = NumericDate::from_unix(now, 0);
    test(&TokenView { header: &header, claims: &claims, key: &key, now, is_binding_left_to_gate: false })
}
