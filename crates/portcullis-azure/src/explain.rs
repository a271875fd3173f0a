//! What the log says about a refused token, in addition to the reason.

use portcullis::error::InvalidToken;
use portcullis::verifier::UnverifiedToken;

use crate::graph;

/// Says which kind of token was refused. Nothing in it is verified, so this never changes the reason. `issuers` are the
/// accepted ones, or empty if a rule decides.
pub(crate) fn explain(issuers: &[String], token: &UnverifiedToken<'_>, found: &InvalidToken) -> Option<&'static str> {
    if token.text().starts_with("0.") || token.text().starts_with("1.") {
        return Some("a refresh token: have the client send the access token");
    }
    match found {
        InvalidToken::NotCompactJws => return Some("an opaque token, for one of Microsoft's own APIs"),
        InvalidToken::Encrypted => {
            return Some("an encrypted token: a refresh token, or for one of Microsoft's own APIs");
        }
        _ => {}
    }
    let claims = token.unverified_claims()?;
    if claims.audiences().any(graph::is_graph) {
        return Some(
            "the token is for Microsoft Graph, and only Microsoft Graph can verify it: have the client ask for a token for \
             this API",
        );
    }
    let issuer = claims.issuer().unwrap_or_default();
    let names_other = !issuers.is_empty() && !issuers.iter().any(|accepted| accepted == issuer);
    let has = |name: &str| claims.contains(name);
    match found {
        InvalidToken::WrongIssuer => None,
        _ if names_other => Some("iss names another tenant or cloud than the configured one"),
        InvalidToken::WrongTokenClass if !has("scp") && !has("azp") && !has("appid") => {
            Some("an ID token: have the client send the access token")
        }
        InvalidToken::WrongTokenClass if !has("scp") && !has("roles") => {
            Some("the token has neither a scope nor a role: assign a role to the application")
        }
        _ => None,
    }
}
