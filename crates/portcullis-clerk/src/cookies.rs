//! The cookies in which browsers have the session token.

use portcullis::TokenSource;
use portcullis::verifier::UnverifiedToken;

use crate::frontend_api;

/// The session cookie, under its plain name and under the instance's own.
const NAME: &str = "__session";

/// The cookies of the instance whose cookies end with `suffix`, where that is known, and whose issuer is `issuer`.
pub(crate) fn session(suffix: Option<String>, issuer: Option<String>) -> TokenSource {
    let own = suffix.map(|suffix| format!("{NAME}_{suffix}"));
    let names = own.into_iter().chain([NAME.to_owned()]);
    TokenSource::cookies(names, move |tokens| {
        let rank = |token: &str| {
            let claims = UnverifiedToken::new(token).unverified_claims();
            let of_instance = claims.as_ref().and_then(|claims| claims.issuer()).is_some_and(|named| match &issuer {
                Some(issuer) => named == issuer,
                None => frontend_api::is_instance_issuer(named),
            });
            (of_instance, claims.and_then(|claims| claims.issued_at()))
        };
        // Among equals the first: the one under the instance's own name.
        let best = tokens.iter().enumerate().rev().max_by_key(|(_, token)| rank(token));
        best.map_or(0, |(at, _)| at)
    })
}
