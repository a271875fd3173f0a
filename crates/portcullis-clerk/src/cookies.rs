//! The cookies with which browsers send the session token.

use portcullis::TokenSource;
use portcullis::verifier::UnverifiedToken;

use crate::frontend_api;

/// The name of the session cookie. The cookie of one instance adds an underscore and the instance's suffix.
const NAME: &str = "__session";

/// Returns the token source for the session cookies of one instance. `suffix` ends the names of its cookies, and
/// `issuer` issues its tokens. Each is `None` if it is unknown.
pub(crate) fn session(suffix: Option<String>, issuer: Option<String>) -> TokenSource {
    let own = suffix.map(|suffix| format!("{NAME}_{suffix}"));
    let names = own.into_iter().chain([NAME.to_owned()]);
    TokenSource::cookies(names, move |tokens| {
        let rank = |token: &str| {
            let origin = UnverifiedToken::new(token).unverified_origin();
            let of_instance = origin.issuer.is_some_and(|named| match &issuer {
                Some(issuer) => named == *issuer,
                None => frontend_api::is_instance_issuer(&named),
            });
            (of_instance, origin.issued_at)
        };
        // If two are equal, the first wins: the cookie with the instance's suffix.
        let best = tokens.iter().enumerate().rev().max_by_key(|(_, token)| rank(token));
        best.map_or(0, |(at, _)| at)
    })
}
