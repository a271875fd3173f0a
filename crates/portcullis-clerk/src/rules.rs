//! What Clerk's tokens must have beyond signature, issuer, audience and time.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

use crate::claims::SessionStatus;

/// The session is not waiting for something, such as the choice of an organization, unless that is fine.
pub(crate) struct SessionSignedIn {
    pub(crate) pending_allowed: bool,
}

impl ClaimCheck for SessionSignedIn {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match SessionStatus::read(token.claims().get("sts")?.as_ref()) {
            SessionStatus::Active => Ok(()),
            SessionStatus::Pending if self.pending_allowed => Ok(()),
            SessionStatus::Pending => Err(InvalidToken::SessionPending),
            SessionStatus::Unknown => Err(InvalidToken::invalid("sts")),
        }
    }
}
