//! The middle level: a compact JWS checked against keys, whatever its payload is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::error::{AuthError, InvalidToken};
use crate::jose::compact::Compact;
use crate::jose::{Algorithm, AlgorithmSet, Header, VerifyingKey};
use crate::keys::{KeyProvider, KeyQuery};

/// The longest token that is read unless told otherwise, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 16 * 1024;

/// Checks the signature of a compact JWS (RFC 7515 §5.2) and returns its payload.
///
/// That is all it checks: not the type, the issuer, the audience or the time, which [`JwtVerifier`](crate::JwtVerifier)
/// does. For other uses of JWS, such as signed statements of one's own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::jose::{AlgorithmSet, jws};
/// use portcullis::keys::FixedKeys;
///
/// // RFC 8037, appendices A.2 and A.4.
/// let keys = FixedKeys::jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
/// let payload = jws::verify(token, &keys, AlgorithmSet::ASYMMETRIC).await?;
/// assert_eq!(payload, b"Example of Ed25519 signing");
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`AuthError::InvalidToken`], or [`AuthError::Unavailable`] when the key can't be had.
pub async fn verify<P: KeyProvider + ?Sized>(
    token: &str,
    keys: &P,
    algorithms: AlgorithmSet,
) -> Result<Vec<u8>, AuthError> {
    let token = Compact::parse(token, DEFAULT_MAX_BYTES)?;
    let header = token.header()?;
    let algorithm = allowed_algorithm(&header, algorithms)?;
    let key = find_key(keys, &header, algorithm, None).await?;
    token.verify(&key, algorithm)?;
    Ok(token.payload()?)
}

/// The header's algorithm, if the allow-list has it.
pub(crate) fn allowed_algorithm(header: &Header, allowed: AlgorithmSet) -> Result<Algorithm, InvalidToken> {
    header.algorithm().filter(|algorithm| allowed.contains(*algorithm)).ok_or(InvalidToken::AlgorithmNotAllowed)
}

/// Asks for the key, and checks that what came is what was asked for.
pub(crate) async fn find_key<P: KeyProvider + ?Sized>(
    keys: &P,
    header: &Header,
    algorithm: Algorithm,
    issuer: Option<&str>,
) -> Result<Arc<VerifyingKey>, AuthError> {
    let query = KeyQuery::new(algorithm).with_key_id(header.key_id()).with_issuer(issuer);
    let key = ask(keys, &query).await?;
    let other_id = matches!((key.id(), query.key_id()), (Some(found), Some(wanted)) if found != wanted);
    if other_id || !key.algorithms().contains(algorithm) {
        // Not the provider's `Debug`, which may show what opens a vault.
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

/// Asks for the key. A provider that panics must not take the connection along, on which other requests may be waiting:
/// what it was asked for is answered as any mistake of the service.
async fn ask<P: KeyProvider + ?Sized>(keys: &P, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, AuthError> {
    let mut answer = pin!(async { keys.key(query).await });
    std::future::poll_fn(|context| {
        // Nothing of it is looked at again after a panic.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(poll) => poll.map_err(AuthError::from),
            Err(_) => Poll::Ready(Err(AuthError::Server("the key provider panicked".into()))),
        }
    })
    .await
}
