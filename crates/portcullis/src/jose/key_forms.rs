//! Reading a key from a JWK, from PEM, from DER, or from the bytes of a secret.

use crate::jose::jwk;
use crate::jose::key::VerifyingKey;
use crate::jose::material::InvalidKey;
use crate::jose::pem_der;
use crate::jose::public_material;

impl VerifyingKey {
    /// Reads a public key from the text of a JWK (RFC 7517). Private members are ignored.
    ///
    /// # Errors
    /// Why the key cannot be used. A symmetric key is refused: see [`Self::from_secret`] and [`Self::from_secret_jwk`].
    pub fn from_jwk(json: &str) -> Result<Self, InvalidKey> {
        jwk::read_public(json)
    }

    /// Reads a shared secret from the text of an `oct` JWK (RFC 7518 §6.4).
    ///
    /// # Errors
    /// Why the key cannot be used. [`InvalidKey::NotASecret`] when the secret is a public key, as for [`Self::from_secret`].
    pub fn from_secret_jwk(json: &str) -> Result<Self, InvalidKey> {
        jwk::read_secret(json)
    }

    /// Makes a key for the HMAC algorithms from a shared secret of at least 32 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    /// [`InvalidKey::SecretTooShort`], or [`InvalidKey::NotASecret`] for a public key or a certificate: in PEM, DER, a JWK, a
    /// JWK Set, OpenSSH's form, XML, or only as the modulus of an RSA key; also in base64, hexadecimal, quotes, JSON or UTF-16.
    /// These are public, so anyone could sign with them.
    ///
    /// About one in a hundred random secrets of exactly 256, 384, 512 or 1,024 bytes looks like a modulus. Use another length:
    /// 64 bytes are enough for every algorithm.
    pub fn from_secret(secret: &[u8]) -> Result<Self, InvalidKey> {
        Self::prepare(public_material::secret(secret.to_vec())?)
    }

    /// Reads the first public key or certificate of a PEM text: `PUBLIC KEY` (RFC 5280 SubjectPublicKeyInfo),
    /// `RSA PUBLIC KEY` (RFC 8017) or `CERTIFICATE` (X.509, of which only the key is used). The base64 text of one of these,
    /// without the lines around it, is read as well.
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        Self::prepare(pem_der::read_pem(pem)?)
    }

    /// Reads DER: a SubjectPublicKeyInfo, a PKCS #1 RSAPublicKey or an X.509 certificate.
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        Self::prepare(pem_der::read_der(der)?)
    }
}
