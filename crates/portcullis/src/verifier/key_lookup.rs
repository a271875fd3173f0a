//! The key of a token: asks the key provider, and checks its answer.

use std::sync::Arc;

use crate::catch_panic::catch_panic;
use crate::error::{AuthError, InvalidToken};
use crate::jose::{Algorithm, AlgorithmSet, Header, VerifyingKey};
use crate::keys::{KeyProvider, KeyQuery};

/// Returns the header's algorithm if it is on the allow-list.
pub(super) fn allowed_algorithm(header: &Header, allowed: AlgorithmSet) -> Result<Algorithm, InvalidToken> {
    header.algorithm().filter(|algorithm| allowed.contains(*algorithm)).ok_or(InvalidToken::AlgorithmNotAllowed)
}

/// Asks for the key, and checks that the answer fits the question.
///
/// A key provider that panics gives an error of the service: the connection goes on, and so do the other requests that
/// wait on it.
pub(super) async fn find_key<P: KeyProvider + ?Sized>(
    keys: &P,
    header: &Header,
    algorithm: Algorithm,
    issuer: Option<&str>,
) -> Result<Arc<VerifyingKey>, AuthError> {
    let query = KeyQuery::new(algorithm)
        .with_key_id(header.key_id())
        .with_x5t(header.x5t())
        .with_x5t_s256(header.x5t_s256())
        .with_issuer(issuer);
    let answer = catch_panic(async { keys.key(&query).await }).await;
    let key = answer.map_err(|_| AuthError::Server("the key provider panicked".into()))??;
    let other_id = matches!((key.id(), query.key_id()), (Some(found), Some(wanted)) if found != wanted);
    if other_id || !key.algorithms().contains(algorithm) {
        // The provider's `Debug` stays out: it may show the address or the name of a vault.
        tracing::error!(
            issuer,
            wanted = %algorithm,
            other_id,
            returned_id = key.id(),
            returned_algorithms = %key.algorithms(),
            "the key provider returned another key than it was asked for"
        );
        return Err(InvalidToken::UnknownKey.into());
    }
    Ok(key)
}
