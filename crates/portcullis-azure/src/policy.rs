//! The check for user flows and custom policies of Azure AD B2C.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

/// Checks that the token was issued by one policy. Its name is in `tfp`, or in `acr` if the policy is configured so.
///
/// Another policy of the same tenant may be weaker, for example without a second factor, and its tokens look the same
/// otherwise.
#[derive(Clone, Debug)]
pub(crate) struct PolicyCheck(pub(crate) String);

impl ClaimCheck for PolicyCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let claims = token.claims();
        let policy = claims.get::<String>("tfp")?.or(claims.get::<String>("acr")?);
        let policy = policy.ok_or_else(|| InvalidToken::missing("tfp"))?;
        // B2C writes the name as created or in lower case. No two policies differ only in case.
        if policy.eq_ignore_ascii_case(&self.0) { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("tfp").reading("acr").expecting_any_of([&self.0])
    }
}
