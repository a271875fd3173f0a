//! The trait for keys that sign.

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;

/// A private key that signs tokens: the trait to implement for a key in a KMS or an HSM. [`SigningKey`](crate::SigningKey)
/// is one in memory.
///
/// ```
/// use std::sync::Arc;
/// use portcullis::async_trait;
/// use portcullis::jose::Algorithm;
/// use portcullis::keys::VerifyingKey;
/// use portcullis_issuer::{KeyRing, SignError, Signer};
/// # #[derive(Debug)]
/// # struct KmsClient(portcullis_issuer::SigningKey);
/// # impl KmsClient {
/// #     async fn sign(&self, _key_name: &str, message: &[u8]) -> Result<Vec<u8>, std::io::Error> {
/// #         self.0.sign(message).await.map_err(std::io::Error::other)
/// #     }
/// # }
///
/// #[derive(Debug)]
/// struct KmsKey {
///     client: KmsClient,
///     public_key: Arc<VerifyingKey>, // fetched once, when the service starts
/// }
///
/// #[async_trait]
/// impl Signer for KmsKey {
///     fn algorithm(&self) -> Algorithm {
///         Algorithm::Es256
///     }
///
///     fn public_key(&self) -> Arc<VerifyingKey> {
///         Arc::clone(&self.public_key)
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
///         self.client.sign("tokens-2026-01", message).await.map_err(SignError::new)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = portcullis_issuer::SigningKey::generate(Algorithm::Es256)?;
/// # let key = KmsKey { public_key: key.public_key(), client: KmsClient(key) };
/// let ring = KeyRing::builder().build_with(Arc::new(key)).await?;
/// # Ok(()) }
/// ```
///
/// The ring tries each key once before it uses it, so a signature in another form is an error at the start. When the future
/// that [`sign`](Self::sign) returned is dropped, no token is made.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the algorithm that [`Self::sign`] uses.
    fn algorithm(&self) -> Algorithm;

    /// Returns the public key. Its identifier does not matter: the ring uses its thumbprint.
    fn public_key(&self) -> Arc<VerifyingKey>;

    /// Signs `message`. The signature has the form of RFC 7518 §3: for ECDSA, the two numbers with leading zeros and not
    /// DER.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot sign at the moment.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// The error of a key that could not sign.
#[derive(Debug, thiserror::Error)]
#[error("the key could not sign")]
pub struct SignError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SignError {
    /// Makes the error with its cause. The cause may reach logs, so it must not contain secrets.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
