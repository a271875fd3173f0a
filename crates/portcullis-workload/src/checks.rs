//! Checks that several presets share.

use std::borrow::Cow;

use portcullis::ConfigError;
use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

/// Checks that a claim, which is a string, is one of the accepted values.
pub(crate) struct OneOf {
    pub(crate) claim: &'static str,
    pub(crate) accepted: Vec<String>,
    pub(crate) otherwise: Otherwise,
}

/// How a token with another value is refused.
#[derive(Clone, Copy)]
pub(crate) enum Otherwise {
    /// As `check_failed`, with this name in the log.
    CheckFailed(&'static str),
    /// As `wrong_party`: another machine.
    WrongParty,
    /// As `wrong_tenant`: another organization.
    WrongTenant,
}

impl ClaimCheck for OneOf {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let value = token.claims().required::<Cow<'_, str>>(self.claim)?;
        if self.accepted.iter().any(|accepted| *accepted == value) {
            return Ok(());
        }
        Err(match self.otherwise {
            Otherwise::CheckFailed(name) => failed(name),
            Otherwise::WrongParty => InvalidToken::WrongParty,
            Otherwise::WrongTenant => InvalidToken::WrongTenant,
        })
    }
}

/// Returns the refusal of the check `name`.
pub(crate) fn failed(name: &'static str) -> InvalidToken {
    InvalidToken::CheckFailed { name: name.into() }
}

/// Refuses a setting with an empty value, which would accept no token.
pub(crate) fn none_empty(field: &'static str, values: &[String], instead: &'static str) -> Result<(), ConfigError> {
    if values.iter().any(|value| value.trim().is_empty() || value.trim() != value) {
        return Err(ConfigError::new(field, "empty, or with white space around it", instead));
    }
    Ok(())
}

/// Returns the decimal texts of identifiers, as tokens have them.
pub(crate) fn decimal(ids: &[u64]) -> Vec<String> {
    ids.iter().map(u64::to_string).collect()
}
