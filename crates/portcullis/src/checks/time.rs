//! The check of `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).

use std::time::Duration;

use crate::checks::{ClaimCheck, TokenView};
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

impl ClaimCheck for TimeCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        self.check_claims(token.claims, token.now)
    }
}

impl TimeCheck {
    pub(crate) fn check_claims(&self, claims: &Claims, now: NumericDate) -> Result<(), InvalidToken> {
        match claims.expires_at() {
            Some(expires_at) if expires_at.saturating_add(self.leeway) <= now => {
                return Err(InvalidToken::Expired);
            }
            None if self.expiration_required => return Err(InvalidToken::missing("exp")),
            _ => {}
        }
        let latest = now.saturating_add(self.leeway);
        if claims.not_before().is_some_and(|not_before| not_before > latest) {
            return Err(InvalidToken::NotYetValid);
        }
        if claims.issued_at().is_some_and(|issued_at| issued_at > latest) {
            return Err(InvalidToken::IssuedInFuture);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::with_view;

    fn check(leeway: u64, claims: &str) -> Result<(), InvalidToken> {
        let check = TimeCheck { leeway: Duration::from_secs(leeway), expiration_required: true };
        with_view(claims, 1_000, |token| check.check(token))
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
        assert_eq!(with_view("{}", 1_000, |token| lax.check(token)), Ok(()));
        assert_eq!(with_view(r#"{"exp":1}"#, 1_000, |token| lax.check(token)), Err(InvalidToken::Expired));
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
