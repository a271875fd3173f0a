//! User flows and custom policies of Azure AD B2C.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

/// Tokens of one policy: its name is in `tfp`, or in `acr` where the policy is set to that. Another policy of the same
/// tenant may ask for less, such as no second factor, and its tokens differ in nothing else.
#[derive(Clone, Debug)]
pub(crate) struct PolicyCheck(pub(crate) String);

impl ClaimCheck for PolicyCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let claims = token.claims();
        let policy = claims.get::<String>("tfp")?.or(claims.get::<String>("acr")?);
        let policy = policy.ok_or_else(|| InvalidToken::missing("tfp"))?;
        // B2C writes the name as it was created or in lower case, and has no two that differ in case alone.
        if policy.eq_ignore_ascii_case(&self.0) { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }
}
