//! The check of `azp` (OpenID Connect Core 1.0 §2), the party that a token was issued to.

use crate::checks::{CheckAbout, ClaimCheck, TokenView};
use crate::error::InvalidToken;

/// Checks that a token was issued to one of these parties: client identifiers, or origins of applications where the
/// identity provider writes those into `azp`, as Clerk does.
///
/// A token without `azp` is refused.
///
/// ```
/// # use portcullis::checks::AuthorizedParties;
/// # use portcullis::keys::FixedKeys;
/// # use portcullis::JwtVerifier;
/// # let keys = FixedKeys::secret(&[7; 32]).unwrap();
/// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys)
///     .check(AuthorizedParties::any_of(["web", "app"]))
///     .build()?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorizedParties(Vec<String>);

impl AuthorizedParties {
    /// Accepts tokens whose `azp` is equal to one of these, byte by byte. An empty list accepts no token.
    pub fn any_of<S: Into<String>>(parties: impl IntoIterator<Item = S>) -> Self {
        Self(parties.into_iter().map(Into::into).collect())
    }
}

impl ClaimCheck for AuthorizedParties {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let party = token.claims.required::<String>("azp")?;
        if self.0.contains(&party) { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("azp").expecting_any_of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    #[test]
    fn azp_must_be_an_authorized_party() {
        let check = |parties: &[&str], claims: &str| {
            with_view(claims, 0, |token| AuthorizedParties::any_of(parties.iter().copied()).check(token))
        };
        let parties = ["web", "https://app.example.com"];
        assert_eq!(check(&parties, r#"{"azp":"web"}"#), Ok(()));
        assert_eq!(check(&parties, r#"{"azp":"https:\/\/app.example.com"}"#), Ok(()));
        for claims in [r#"{"azp":""}"#, r#"{"azp":"Web"}"#, r#"{"azp":"webs"}"#, r#"{"azp":"we","aud":"web"}"#] {
            assert_eq!(check(&parties, claims), Err(InvalidToken::WrongParty), "{claims}");
        }
        for claims in ["{}", r#"{"azp":null}"#, r#"{"aud":"web","client_id":"web"}"#] {
            assert_eq!(check(&parties, claims), Err(InvalidToken::missing("azp")), "{claims}");
        }
        for claims in [r#"{"azp":["web"]}"#, r#"{"azp":7}"#, r#"{"azp":{"web":1}}"#] {
            assert_eq!(check(&parties, claims), Err(InvalidToken::invalid("azp")), "{claims}");
        }
        assert_eq!(check(&[], r#"{"azp":""}"#), Err(InvalidToken::WrongParty));
    }
}
