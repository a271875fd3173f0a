//! A check for the ID tokens of every identity provider.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;

/// Checks that an ID token has one audience. A client in a second audience could present the token to this service
/// (OpenID Connect Core 1.0 §3.1.3.7, point 3).
pub(crate) struct SingleAudience;

impl ClaimCheck for SingleAudience {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if token.claims().audiences().nth(1).is_none() { Ok(()) } else { Err(InvalidToken::WrongAudience) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("aud").expecting("one audience")
    }
}
