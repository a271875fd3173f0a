//! Checks of claims that must be present, and of `cnf` and `events`, which must be absent.

use std::borrow::Cow;

use crate::checks::{CheckAbout, ClaimCheck, TokenView};
use crate::claims::Claims;
use crate::error::{ConfigError, InvalidToken};

/// Checks that these claims are present and not null.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequiredClaims(pub(crate) Vec<Cow<'static, str>>);

impl ClaimCheck for RequiredClaims {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        self.check_claims(token.claims)
    }

    fn about(&self) -> CheckAbout {
        match self.0.as_slice() {
            [one] => CheckAbout::claim(one.clone()),
            several => {
                several.iter().fold(CheckAbout::named("required claims"), |about, name| about.reading(name.clone()))
            }
        }
    }
}

impl RequiredClaims {
    /// Returns one check for each claim.
    pub(crate) fn each(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|name| Self(vec![name.clone()]))
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match self.0.iter().find(|name| name.is_empty()) {
            None => Ok(()),
            Some(name) => {
                Err(ConfigError::new("require_claims", format!("a claim has no name ({name:?})"), "name the claim"))
            }
        }
    }

    pub(crate) fn check_claims(&self, claims: &Claims) -> Result<(), InvalidToken> {
        match self.0.iter().find(|name| !claims.contains(name)) {
            None => Ok(()),
            Some(name) => Err(InvalidToken::missing(name.clone())),
        }
    }
}

/// Refuses tokens with `cnf` (RFC 7800), unless the gate checks bindings. They are bound to a key that a bearer does not
/// prove, so a thief could present them.
#[derive(Clone, Debug)]
pub(crate) struct NotSenderConstrained;

impl ClaimCheck for NotSenderConstrained {
    #[inline]
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        Self::check_claims(token.claims, token.is_binding_left_to_gate)
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("cnf").expecting("absent: a bearer token proves no key")
    }
}

impl NotSenderConstrained {
    pub(crate) fn check_claims(claims: &Claims, is_binding_left_to_gate: bool) -> Result<(), InvalidToken> {
        let is_unproven = claims.contains("cnf") && !is_binding_left_to_gate;
        if is_unproven { Err(InvalidToken::SenderConstrained) } else { Ok(()) }
    }
}

/// Refuses tokens with `events` (RFC 8417 §2.2). They report events, for example a logout, and give no access.
///
/// Their `typ` says so as well, unless the issuer writes none (RFC 8417 §4.6).
#[derive(Clone, Debug)]
pub(crate) struct NotSecurityEvent;

impl ClaimCheck for NotSecurityEvent {
    #[inline]
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if token.claims.is_object("events") { Err(InvalidToken::WrongTokenClass) } else { Ok(()) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("events").expecting("absent: reports of events give no access")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    #[test]
    fn a_missing_claim_is_named() {
        let required = RequiredClaims(vec!["sub".into(), "tenant".into()]);
        let check = |claims: &str| with_view(claims, 0, |token| required.check(token));
        assert_eq!(check(r#"{"sub":"u","tenant":"t"}"#), Ok(()));
        assert_eq!(check(r#"{"sub":"u"}"#), Err(InvalidToken::missing("tenant")));
        assert_eq!(check(r#"{"sub":"u","tenant":null}"#), Err(InvalidToken::missing("tenant")));
    }

    #[test]
    fn a_bound_token_is_refused() {
        let check = |claims: &str| with_view(claims, 0, |token| NotSenderConstrained.check(token));
        assert_eq!(check("{}"), Ok(()));
        assert_eq!(check(r#"{"cnf":{"jkt":"x"}}"#), Err(InvalidToken::SenderConstrained));
        assert_eq!(check(r#"{"cnf":{}}"#), Err(InvalidToken::SenderConstrained));
    }

    #[test]
    fn a_bound_token_is_left_to_a_gate_that_checks_it() {
        with_view(r#"{"cnf":{"jkt":"x"}}"#, 0, |token| {
            let left = TokenView { is_binding_left_to_gate: true, ..*token };
            assert_eq!(NotSenderConstrained.check(&left), Ok(()));
        });
    }

    #[test]
    fn token_with_events_is_refused() {
        let check = |claims: &str| with_view(claims, 0, |token| NotSecurityEvent.check(token));
        for claims in ["{}", r#"{"events":null}"#, r#"{"events":["read"]}"#, r#"{"events":"all"}"#] {
            assert_eq!(check(claims), Ok(()), "{claims}");
        }
        for claims in [r#"{"events":{}}"#, r#"{ "events" : { "https://event.example": {} } }"#] {
            assert_eq!(check(claims), Err(InvalidToken::WrongTokenClass), "{claims}");
        }
    }
}
