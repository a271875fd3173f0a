//! The checks of a verifier, in one list.

use std::ops::Deref;

use crate::checks::time::OneTimeCheck;
use crate::checks::{Audience, ClaimCheck, Issuer, NotSecurityEvent, NotSenderConstrained, TokenView};
use crate::error::InvalidToken;

/// A check of a verifier. Those that most verifiers have are called directly, so that their code can be next to each other.
pub(crate) enum Check {
    Audience(Audience),
    Date(OneTimeCheck),
    Issuer(Issuer),
    NotSecurityEvent(NotSecurityEvent),
    NotSenderConstrained(NotSenderConstrained),
    Other(Box<dyn ClaimCheck>),
}

impl Check {
    /// [`ClaimCheck::check`].
    #[inline(always)]
    pub(crate) fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match self {
            Self::Audience(check) => check.check(token),
            Self::Date(check) => check.check(token),
            Self::Issuer(check) => check.check(token),
            Self::NotSecurityEvent(check) => check.check(token),
            Self::NotSenderConstrained(check) => check.check(token),
            Self::Other(check) => check.check(token),
        }
    }
}

impl Deref for Check {
    type Target = dyn ClaimCheck;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Audience(check) => check,
            Self::Date(check) => check,
            Self::Issuer(check) => check,
            Self::NotSecurityEvent(check) => check,
            Self::NotSenderConstrained(check) => check,
            Self::Other(check) => &**check,
        }
    }
}
