//! What the log says about a refused token, in addition to the reason.

use portcullis::error::InvalidToken;
use portcullis::verifier::UnverifiedToken;

/// Says which kind of token was refused. Nothing in it is verified, so this never changes the reason.
pub(crate) fn explain(issuers: &[String], token: &UnverifiedToken<'_>, found: &InvalidToken) -> Option<&'static str> {
    match found {
        InvalidToken::NotCompactJws => {
            return Some("an opaque token: of a client that asked for no audience, or a refresh token");
        }
        InvalidToken::Encrypted => return Some("an encrypted token: of a client that asked for no audience"),
        _ => {}
    }
    let claims = token.unverified_claims()?;
    if claims.audiences().any(|audience| audience.ends_with("/api/v2/")) {
        return Some("a token for the Management API");
    }
    let is_foreign = claims.issuer().is_some_and(|named| !issuers.iter().any(|issuer| issuer == named));
    if is_foreign {
        let says_so = matches!(found, InvalidToken::WrongIssuer);
        return (!says_so).then_some("iss names another issuer than the configured one");
    }
    let is_id_token = !["azp", "client_id", "scope", "permissions"].iter().any(|claim| claims.contains(claim));
    is_id_token.then_some("an ID token: have the client send the access token")
}
