//! The check of `aud` (RFC 7519 §4.1.3), or of another claim with the audience.

use std::borrow::Cow;

use crate::checks::{CheckAbout, ClaimCheck, TokenView, validate_names};
use crate::claims::Claims;
use crate::error::{ConfigError, InvalidToken};

/// The accepted audiences: the APIs that a token must be issued for.
///
/// ```
/// use portcullis::Audience;
///
/// assert_eq!(Audience::from("https://api.example.com"), Audience::any_of(["https://api.example.com"]));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience(AudienceRule);

#[derive(Clone, Debug, Eq, PartialEq)]
enum AudienceRule {
    Any,
    AnyOf { claim: Cow<'static, str>, accepted: Vec<String> },
    NotIssued,
}

impl Audience {
    /// Accepts tokens with at least one of these in `aud`.
    pub fn any_of<S: Into<String>>(audiences: impl IntoIterator<Item = S>) -> Self {
        Self::claim("aud", audiences)
    }

    /// Accepts tokens whose claim `name` is, or contains, at least one of `accepted`: for issuers that have the audience in
    /// another claim, for example `client_id` in the access tokens of Amazon Cognito.
    pub fn claim<S: Into<String>>(name: impl Into<Cow<'static, str>>, accepted: impl IntoIterator<Item = S>) -> Self {
        Self(AudienceRule::AnyOf { claim: name.into(), accepted: accepted.into_iter().map(Into::into).collect() })
    }

    /// Accepts tokens without `aud`, or with an empty list: for issuers that serve one customer and issue no `aud`, as Clerk
    /// does for session tokens. A token with an audience is refused, because it is for another API.
    #[must_use]
    pub fn not_issued() -> Self {
        Self(AudienceRule::NotIssued)
    }

    /// Returns the name of the claim that is read, and the accepted values, for messages about a refused token. `None` means
    /// that any audience is accepted, or only tokens without `aud`.
    #[must_use]
    pub fn accepted(&self) -> Option<(&str, &[String])> {
        match &self.0 {
            AudienceRule::AnyOf { claim, accepted } => Some((claim, accepted)),
            AudienceRule::Any | AudienceRule::NotIssued => None,
        }
    }

    pub(crate) fn any() -> Self {
        Self(AudienceRule::Any)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match &self.0 {
            AudienceRule::AnyOf { claim, .. } if claim.is_empty() => Err(ConfigError::new(
                "audience",
                "the claim has no name",
                "name the claim with the audience, for example client_id",
            )),
            AudienceRule::AnyOf { accepted, .. } => validate_names(
                "audience",
                accepted,
                "write the identifier of this API exactly as tokens have it in aud, for example https://api.example.com",
            ),
            AudienceRule::Any | AudienceRule::NotIssued => Ok(()),
        }
    }
}

impl<S: Into<String>> From<S> for Audience {
    /// Accepts tokens with `audience` in `aud`.
    fn from(audience: S) -> Self {
        Self::any_of([audience])
    }
}

impl ClaimCheck for Audience {
    #[inline]
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        self.check_claims(token.claims)
    }

    fn about(&self) -> CheckAbout {
        match &self.0 {
            AudienceRule::Any => CheckAbout::claim("aud").expecting("any audience"),
            AudienceRule::AnyOf { claim, accepted } => CheckAbout::claim(claim.clone()).expecting_any_of(accepted),
            AudienceRule::NotIssued => CheckAbout::claim("aud").expecting("a token without aud"),
        }
    }
}

impl Audience {
    #[inline]
    pub(crate) fn check_claims(&self, claims: &Claims) -> Result<(), InvalidToken> {
        let wrong_unless = |holds: bool| if holds { Ok(()) } else { Err(InvalidToken::WrongAudience) };
        match &self.0 {
            AudienceRule::Any => Ok(()),
            // Ory Hydra and Kinde write an empty list where there is no audience.
            AudienceRule::NotIssued => wrong_unless(!claims.contains("aud") || claims.audiences().next().is_none()),
            AudienceRule::AnyOf { claim, accepted } if claim == "aud" && claims.has_audience() => {
                wrong_unless(claims.audiences().any(|audience| is_one_of(accepted, audience)))
            }
            AudienceRule::AnyOf { claim, accepted } => check_any_claim(claims, claim, accepted),
        }
    }
}

/// Checks a claim that may be any.
#[cold]
fn check_any_claim(claims: &Claims, claim: &str, accepted: &[String]) -> Result<(), InvalidToken> {
    if !claims.contains(claim) {
        return Err(InvalidToken::missing(claim.to_owned()));
    }
    let values = claims.string_or_strings(claim)?;
    if values.iter().any(|value| is_one_of(accepted, value)) { Ok(()) } else { Err(InvalidToken::WrongAudience) }
}

fn is_one_of(accepted: &[String], value: &str) -> bool {
    accepted.iter().any(|accepted| accepted == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    fn check(audience: &Audience, claims: &str) -> Result<(), InvalidToken> {
        with_view(claims, 0, |token| audience.check(token))
    }

    #[test]
    fn one_common_audience_is_needed() {
        let rule = Audience::any_of(["api", "api2"]);
        for claims in [r#"{"aud":"api"}"#, r#"{"aud":["x","api2"]}"#] {
            assert_eq!(check(&rule, claims), Ok(()), "{claims}");
        }
        for claims in [r#"{"aud":"ap"}"#, r#"{"aud":"apis"}"#, r#"{"aud":[]}"#, r#"{"aud":["x"]}"#, r#"{"aud":""}"#] {
            assert_eq!(check(&rule, claims), Err(InvalidToken::WrongAudience), "{claims}");
        }
        assert_eq!(check(&rule, "{}"), Err(InvalidToken::missing("aud")));
        assert_eq!(Audience::from("api"), Audience::any_of(["api"]));
    }

    #[test]
    fn another_claim_can_have_the_audience() {
        let rule = Audience::claim("client_id", ["c1"]);
        assert_eq!(check(&rule, r#"{"client_id":"c1"}"#), Ok(()));
        assert_eq!(check(&rule, r#"{"client_id":["c0","c1"]}"#), Ok(()));
        // Some issuers write escapes where none are needed.
        for claims in [r#"{"client_id":"c\u0031"}"#, r#"{"client_id":["a\/b","\u0063\u0031"]}"#] {
            assert_eq!(check(&rule, claims), Ok(()), "{claims}");
        }
        assert_eq!(check(&rule, r#"{"client_id":"c\u0032"}"#), Err(InvalidToken::WrongAudience));
        assert_eq!(check(&rule, r#"{"client_id":["c1",1]}"#), Err(InvalidToken::invalid("client_id")));
        assert_eq!(check(&rule, r#"{"client_id":"c2","aud":"c1"}"#), Err(InvalidToken::WrongAudience));
        assert_eq!(check(&rule, r#"{"client_id":1}"#), Err(InvalidToken::invalid("client_id")));
        assert_eq!(check(&rule, r#"{"aud":"c1"}"#), Err(InvalidToken::missing("client_id")));
    }

    #[test]
    fn not_issued_refuses_tokens_with_aud() {
        assert_eq!(check(&Audience::not_issued(), "{}"), Ok(()));
        for claims in [r#"{"aud":[]}"#, r#"{"aud":[ ]}"#] {
            assert_eq!(check(&Audience::not_issued(), claims), Ok(()), "{claims}");
        }
        for claims in [r#"{"aud":"api"}"#, r#"{"aud":""}"#, r#"{"aud":[""]}"#, r#"{"aud":["api"]}"#] {
            assert_eq!(check(&Audience::not_issued(), claims), Err(InvalidToken::WrongAudience), "{claims}");
        }
    }

    #[test]
    fn empty_names_and_white_space_are_errors() {
        for rule in [
            Audience::any_of(Vec::<String>::new()),
            Audience::any_of([""]),
            Audience::claim("", ["x"]),
            Audience::any_of(["https://api.example.com "]),
            Audience::any_of(["a", "\tb"]),
        ] {
            assert_eq!(rule.validate().unwrap_err().field(), "audience");
        }
    }
}
