//! Signed payloads that are not JWTs: checks a compact JWS with any payload against keys.

use crate::error::AuthError;
use crate::jose::AlgorithmSet;
use crate::jose::compact::Compact;
pub use crate::jose::compact::DEFAULT_MAX_BYTES;
use crate::keys::KeyProvider;
use crate::verifier::key_lookup::{KeySearch, Tries, allowed_algorithm};

/// Checks the signature of a compact JWS (RFC 7515 §5.2) and returns its payload.
///
/// It checks the form, the algorithm, the key and the signature. It does not check the type, the issuer, the audience or
/// the time: for access tokens, use [`JwtVerifier`](crate::JwtVerifier). A token of more than [`DEFAULT_MAX_BYTES`] is
/// refused.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::jose::AlgorithmSet;
/// use portcullis::keys::FixedKeys;
/// use portcullis::verifier::jws;
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
/// [`AuthError::InvalidToken`] when the token does not verify, [`AuthError::Unavailable`] when its key is unavailable,
/// [`AuthError::Server`] when the key provider panics.
pub async fn verify<P: KeyProvider + ?Sized>(
    token: &str,
    keys: &P,
    algorithms: AlgorithmSet,
) -> Result<Vec<u8>, AuthError> {
    let token = Compact::parse(token, DEFAULT_MAX_BYTES)?;
    let header = token.header()?;
    let algorithm = allowed_algorithm(&header, algorithms)?;
    let search = KeySearch { keys, header: &header, algorithm, issuer: None, unnamed_tries: 1 };
    let key = search.find(&Tries::default()).await?;
    search.verify(|key, algorithm| token.verify(key, algorithm), key).await?;
    Ok(token.payload()?)
}
