//! Keys of this crate as the signers of client assertions (RFC 7523).

use portcullis::async_trait;
use portcullis::introspection::{AssertionError, AssertionSigner};
use portcullis::jose::Algorithm;

use crate::signer::Signer;
use crate::signing_key::SigningKey;

/// The key signs client assertions. Its `kid` is its thumbprint (RFC 7638).
///
/// ```
/// use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
/// use portcullis::jose::Algorithm;
/// use portcullis_issuer::SigningKey;
///
/// // Register `key.public_key_pem()` at the issuer.
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let client = ClientAuthentication::private_key_jwt("orders-api", key);
/// let verifier = IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
impl AssertionSigner for SigningKey {
    fn algorithm(&self) -> Algorithm {
        Signer::algorithm(self)
    }

    fn key_id(&self) -> Option<String> {
        Some(self.id().to_owned())
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AssertionError> {
        Ok(Signer::sign(self, message).await?)
    }
}

/// A key in a KMS signs client assertions: give an `Arc<dyn Signer>`.
#[async_trait]
impl AssertionSigner for dyn Signer {
    fn algorithm(&self) -> Algorithm {
        Signer::algorithm(self)
    }

    fn key_id(&self) -> Option<String> {
        self.public_key().id().map(str::to_owned)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AssertionError> {
        Ok(Signer::sign(self, message).await?)
    }
}
