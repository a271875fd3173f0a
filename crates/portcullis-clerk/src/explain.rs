//! What the log says about a refused token, in addition to the reason.

use portcullis::error::InvalidToken;
use portcullis::verifier::UnverifiedToken;

use crate::token_class::TokenClass;

/// Says which kind of token was refused. Nothing in it is verified, so this never changes the reason. `issuer` and
/// `accepted` are those of the verifier.
pub(crate) fn explain(
    issuer: Option<&str>,
    accepted: &[TokenClass],
    token: &UnverifiedToken<'_>,
    found: &InvalidToken,
) -> Option<&'static str> {
    let forms = [
        ("ak_", "an API key, which only Clerk's API can verify"),
        ("mt_", "an opaque machine token, which only Clerk's API can verify"),
        ("oat_", "an opaque OAuth access token, which only Clerk's API can verify"),
        ("sk_", "a secret key of the instance, which must not leave the server: replace it"),
    ];
    if let Some((_, form)) = forms.iter().find(|(prefix, _)| token.text().starts_with(prefix)) {
        return Some(form);
    }
    let (header, claims) = (token.unverified_header()?, token.unverified_claims()?);
    if claims.contains("rotating_token") {
        return Some("the cookie __client, which is for Clerk's Frontend API");
    }
    if claims.issuer().zip(issuer).is_some_and(|(named, issuer)| named != issuer) {
        let says_so = matches!(found, InvalidToken::WrongIssuer);
        return (!says_so).then_some("iss names another instance than the configured one");
    }
    match TokenClass::marked(&header, claims.subject()) {
        Some(class) if accepted.contains(&class) => None,
        Some(TokenClass::MachineToMachine) => Some("a machine token: give it its own verifier, with token_classes()"),
        Some(TokenClass::OAuth) => Some("an OAuth access token: give it its own verifier, with token_classes()"),
        Some(TokenClass::Session) => Some("a session token: give it its own verifier, with token_classes()"),
        Some(TokenClass::Template) => Some("a token of a JWT template: give it its own verifier, with token_classes()"),
        None => None,
    }
}
