//! Claims that must be there, and one that must not.

use std::borrow::Cow;

use crate::checks::{ClaimCheck, TokenView};
use crate::error::InvalidToken;

/// Claims that must be there and not null.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequiredClaims(pub(crate) Vec<Cow<'static, str>>);

impl ClaimCheck for RequiredClaims {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match self.0.iter().find(|name| !token.claims.contains(name)) {
            None => Ok(()),
            Some(name) => Err(InvalidToken::missing(name.clone())),
        }
    }
}

/// A token with `cnf` (RFC 7800) is bound to a key that a bearer does not prove: whoever stole it could present it.
#[derive(Clone, Debug)]
pub(crate) struct NotSenderConstrained;

impl ClaimCheck for NotSenderConstrained {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if token.claims.contains("cnf") { Err(InvalidToken::SenderConstrained) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    #[test]
    fn required_claims_are_named_when_missing() {
        let required = RequiredClaims(vec!["sub".into(), "tenant".into()]);
        let check = |claims: &str| with_view(claims, 0, |token| required.check(token));
        assert_eq!(check(r#"{"sub":"u","tenant":"t"}"#), Ok(()));
        assert_eq!(check(r#"{"sub":"u"}"#), Err(InvalidToken::missing("tenant")));
        assert_eq!(check(r#"{"sub":"u","tenant":null}"#), Err(InvalidToken::missing("tenant")));
    }

    #[test]
    fn a_bound_token_is_no_bearer_token() {
        let check = |claims: &str| with_view(claims, 0, |token| NotSenderConstrained.check(token));
        assert_eq!(check("{}"), Ok(()));
        assert_eq!(check(r#"{"cnf":{"jkt":"x"}}"#), Err(InvalidToken::SenderConstrained));
        assert_eq!(check(r#"{"cnf":{}}"#), Err(InvalidToken::SenderConstrained));
    }
}
