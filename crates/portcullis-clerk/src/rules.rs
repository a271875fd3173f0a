//! What Clerk's tokens must have beyond signature, issuer, audience and time.

use portcullis::{ClaimCheck, InvalidToken, TokenView};

use crate::claims::SessionStatus;

/// `azp`, the origin that asked for the token, is one of these. Without it a token passes under no circumstances:
/// leaving the claim out must not be a way around the check.
pub(crate) struct AuthorizedParties(pub(crate) Vec<String>);

impl ClaimCheck for AuthorizedParties {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let party = token.claims().get::<String>("azp")?.ok_or_else(|| InvalidToken::missing("azp"))?;
        if self.0.contains(&party) { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }
}

/// The session is not waiting for something, such as the choice of an organization, unless that is fine.
pub(crate) struct SignedIn {
    pub(crate) pending_allowed: bool,
}

impl ClaimCheck for SignedIn {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match SessionStatus::read(token.claims().get("sts")?.as_ref()) {
            SessionStatus::Active => Ok(()),
            SessionStatus::Pending if self.pending_allowed => Ok(()),
            SessionStatus::Pending => Err(InvalidToken::SessionPending),
            SessionStatus::Unknown => Err(InvalidToken::invalid("sts")),
        }
    }
}
