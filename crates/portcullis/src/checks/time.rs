//! The check of `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).

use std::time::Duration;

use crate::checks::{CheckAbout, ClaimCheck, TokenView};
use crate::claims::{Claims, NumericDate};
use crate::error::{ConfigError, InvalidToken};

/// The leeway of the SDKs of Auth0 and Clerk.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
/// A longer leeway would not cover differences between clocks but extend tokens.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(crate) struct TimeCheck {
    pub(crate) leeway: Duration,
    pub(crate) expiration_required: bool,
}

impl Default for TimeCheck {
    fn default() -> Self {
        Self { leeway: DEFAULT_LEEWAY, expiration_required: true }
    }
}

impl TimeCheck {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::new("leeway", "longer than ten minutes", "write 0 to 600 seconds"));
        }
        Ok(())
    }
}

impl TimeCheck {
    /// Checks all dates of an answer about an opaque token.
    #[cfg(any(feature = "remote", test))]
    pub(crate) fn check_claims(&self, claims: &Claims, now: NumericDate) -> Result<(), InvalidToken> {
        DateClaim::ALL.iter().try_for_each(|claim| self.check_one(*claim, claims, now))
    }

    /// Returns the check of each date, in the order of their reasons.
    pub(crate) fn each(&self) -> impl Iterator<Item = OneTimeCheck> {
        DateClaim::ALL.iter().map(|claim| OneTimeCheck { times: self.clone(), claim: *claim })
    }

    #[inline]
    fn check_one(&self, claim: DateClaim, claims: &Claims, now: NumericDate) -> Result<(), InvalidToken> {
        let is_later = |date: Option<NumericDate>| date.is_some_and(|date| date > now.saturating_add(self.leeway));
        match claim {
            DateClaim::Expires => match claims.expires_at() {
                Some(expires_at) if expires_at.saturating_add(self.leeway) <= now => Err(InvalidToken::Expired),
                None if self.expiration_required => Err(InvalidToken::missing("exp")),
                _ => Ok(()),
            },
            DateClaim::NotBefore if is_later(claims.not_before()) => Err(InvalidToken::NotYetValid),
            DateClaim::IssuedAt if is_later(claims.issued_at()) => Err(InvalidToken::IssuedInFuture),
            DateClaim::NotBefore | DateClaim::IssuedAt => Ok(()),
        }
    }
}

/// A claim with a date that is checked.
#[derive(Clone, Copy, Debug)]
enum DateClaim {
    Expires,
    NotBefore,
    IssuedAt,
}

impl DateClaim {
    const ALL: [Self; 3] = [Self::Expires, Self::NotBefore, Self::IssuedAt];
}

/// The check of one date.
#[derive(Clone, Debug)]
pub(crate) struct OneTimeCheck {
    times: TimeCheck,
    claim: DateClaim,
}

impl ClaimCheck for OneTimeCheck {
    #[inline]
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        self.times.check_one(self.claim, token.claims, token.now)
    }

    fn about(&self) -> CheckAbout {
        let seconds = self.times.leeway.as_secs();
        let absent = if self.times.expiration_required { "" } else { ", or absent" };
        match self.claim {
            DateClaim::Expires => {
                CheckAbout::claim("exp").expecting(format!("in the future (leeway {seconds} s){absent}"))
            }
            DateClaim::NotBefore => {
                CheckAbout::claim("nbf").expecting(format!("in the past (leeway {seconds} s), or absent"))
            }
            DateClaim::IssuedAt => {
                CheckAbout::claim("iat").expecting(format!("in the past (leeway {seconds} s), or absent"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    fn check(leeway: u64, claims: &str) -> Result<(), InvalidToken> {
        let check = TimeCheck { leeway: Duration::from_secs(leeway), expiration_required: true };
        with_view(claims, 1_000, |token| check.check_claims(token.claims, token.now))
    }

    #[test]
    fn a_token_is_expired_from_exp_on() {
        assert_eq!(check(0, r#"{"exp":1000}"#), Err(InvalidToken::Expired));
        assert_eq!(check(0, r#"{"exp":1000.001}"#), Ok(()));
        assert_eq!(check(0, r#"{"exp":1001}"#), Ok(()));
        assert_eq!(check(5, r#"{"exp":995}"#), Err(InvalidToken::Expired));
        assert_eq!(check(5, r#"{"exp":996}"#), Ok(()));
        assert_eq!(check(0, r#"{"exp":-1}"#), Err(InvalidToken::Expired));
        assert_eq!(check(600, r#"{"exp":9223372036854775807}"#), Ok(()));
    }

    #[test]
    fn exp_is_required_by_default() {
        assert_eq!(check(0, "{}"), Err(InvalidToken::missing("exp")));
        let lax = TimeCheck { expiration_required: false, ..TimeCheck::default() };
        let check = |claims| with_view(claims, 1_000, |token| lax.check_claims(token.claims, token.now));
        assert_eq!(check("{}"), Ok(()));
        assert_eq!(check(r#"{"exp":1}"#), Err(InvalidToken::Expired));
    }

    #[test]
    fn nbf_and_iat_may_not_lie_in_the_future() {
        assert_eq!(check(0, r#"{"exp":2000,"nbf":1000,"iat":1000}"#), Ok(()));
        assert_eq!(check(0, r#"{"exp":2000,"nbf":1001}"#), Err(InvalidToken::NotYetValid));
        assert_eq!(check(0, r#"{"exp":2000,"iat":1001}"#), Err(InvalidToken::IssuedInFuture));
        assert_eq!(check(5, r#"{"exp":2000,"nbf":1005,"iat":1005}"#), Ok(()));
        assert_eq!(check(5, r#"{"exp":2000,"nbf":1005.5}"#), Err(InvalidToken::NotYetValid));
        assert_eq!(check(600, r#"{"exp":2000,"nbf":9223372036854775807}"#), Err(InvalidToken::NotYetValid));
    }

    #[test]
    fn the_leeway_is_at_most_ten_minutes() {
        let with = |leeway| TimeCheck { leeway: Duration::from_secs(leeway), expiration_required: true }.validate();
        assert!(with(600).is_ok());
        assert_eq!(with(601).unwrap_err().field(), "leeway");
    }
}
