//! What holds of ID tokens, whoever issues them.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

/// There is one audience: an ID token that is for somebody else too may be presented by them
/// (OpenID Connect Core 1.0 §3.1.3.7, point 3).
pub(crate) struct SingleAudience;

impl ClaimCheck for SingleAudience {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if token.claims().audiences().nth(1).is_none() { Ok(()) } else { Err(InvalidToken::WrongAudience) }
    }
}
