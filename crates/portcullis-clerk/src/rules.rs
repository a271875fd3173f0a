//! The check for the status of a session.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

use crate::claims::SessionStatus;

/// Checks that the session is signed in. A pending session passes only if `pending_allowed` is set.
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

    fn about(&self) -> CheckAbout {
        let accepted: &[&str] = if self.pending_allowed { &["active", "pending"] } else { &["active"] };
        CheckAbout::claim("sts").expecting_any_of(accepted)
    }
}
