//! The names of entries: hashes of the issuer and of what is denied.

use crate::token::TokenHash;

/// The token with this `jti`.
pub(super) fn token(issuer: &str, token_id: &str) -> TokenHash {
    name("denied token", issuer, token_id)
}

/// All tokens with this `sid`.
pub(super) fn session(issuer: &str, session: &str) -> TokenHash {
    name("denied session", issuer, session)
}

/// All tokens with this `sub`.
pub(super) fn subject(issuer: &str, subject: &str) -> TokenHash {
    name("denied subject", issuer, subject)
}

/// The tokens with this `sub` that were issued before a time.
pub(super) fn issued_before(issuer: &str, subject: &str) -> TokenHash {
    name("denied tokens of a subject", issuer, subject)
}

/// The tokens with this `sub` and without `sid` that were issued before a time.
pub(super) fn without_session(issuer: &str, subject: &str) -> TokenHash {
    name("denied tokens without session", issuer, subject)
}

/// The logout token or event with this `jti`, which was received.
pub(super) fn received(issuer: &str, token_id: &str) -> TokenHash {
    name("received event", issuer, token_id)
}

fn name(usage: &str, issuer: &str, value: &str) -> TokenHash {
    TokenHash::of(usage, &[issuer.as_bytes(), value.as_bytes()])
}
