//! A private key of this process.

use std::fmt;
use std::sync::Arc;

use portcullis::async_trait;
use portcullis::jose::Algorithm;
use portcullis::keys::{InvalidKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::key_pair::{KeyPair, Scheme};
use crate::private_pem;
use crate::signer::{SignError, Signer};

/// A private key that signs with one algorithm. It is read and prepared once.
///
/// Its identifier is the thumbprint of the public key (RFC 7638), so one key has the same `kid` on every machine.
///
/// ```
/// use portcullis::jose::Algorithm;
/// use portcullis_issuer::SigningKey;
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let file = key.to_pem()?;
/// assert_eq!(SigningKey::from_pem(file.as_str())?.id(), key.id());
/// assert!(SigningKey::from_pem(&key.public_key_pem()).is_err());
/// # Ok::<(), portcullis_issuer::InvalidSigningKey>(())
/// ```
///
/// The private key appears in no `Debug` output and no error.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: KeyPair,
    public_der: Vec<u8>,
    public_key: Arc<VerifyingKey>,
}

/// A private key in PEM (PKCS #8). Its memory is cleared when it is dropped, and `Debug` does not show it.
pub struct PrivatePem(Zeroizing<String>);

/// Why a key cannot sign, and what to use instead. No text repeats a part of the key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSigningKey {
    /// The key cannot sign with this algorithm.
    #[error("the key cannot sign with {algorithm}; use an algorithm of its type and curve, or make a key for it")]
    AlgorithmUnfit {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The key is not DER, or its parts do not belong together.
    #[error("the private key is damaged: it cannot be read, or its parts do not belong together; {}", MAKE_A_KEY)]
    Damaged,
    /// The private key is encrypted.
    #[error(
        "the private key is encrypted; decrypt it with `openssl pkey -in key.pem -out private.pem`, and protect the file"
    )]
    Encrypted,
    /// The private key can be used, but not written: an ML-DSA key was read without its seed.
    #[error("the ML-DSA key has only its expanded form, which cannot be written; make a key with its seed")]
    Expanded,
    /// The key could not be generated.
    #[error("the operating system gave no random bytes for a new key")]
    Generate,
    /// The key is in the form of OpenSSH.
    #[error("the key is in the form of OpenSSH; {}", MAKE_A_KEY)]
    OpenSsh,
    /// The text has no PEM section with a private key.
    #[error("no PEM section PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY; {}", MAKE_A_KEY)]
    Pem,
    /// The public key cannot verify, for example because the RSA exponent is too small.
    #[error("the public key cannot be used: {0}")]
    Public(InvalidKey),
    /// A public key or a certificate was given.
    #[error("a public key or a certificate was given; the issuer needs the private key")]
    PublicKey,
    /// The RSA key has fewer than 2048 or more than 8192 bits.
    #[error(
        "the RSA key has {bits} bits, and keys of fewer than 2048 bits can be broken; it must have 2048 to 8192 bits; make \
         one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem`"
    )]
    RsaModulus {
        /// The length in bits.
        bits: usize,
    },
    /// The text has several private keys.
    #[error("several private keys were given; give the one that signs")]
    SeveralKeys,
    /// An HMAC algorithm was asked for.
    #[error("HMAC is not supported, because each service that verifies could also sign; use ES256, EdDSA or RS256")]
    Symmetric,
    /// The curve is not supported, for example secp256k1.
    #[error(
        "the curve is not P-256, P-384 or P-521; make a key with `openssl genpkey -algorithm EC -pkeyopt \
         ec_paramgen_curve:P-256 -out private.pem`"
    )]
    UnsupportedCurve,
    /// The key type is not supported, for example DSA, X25519 or Ed448.
    #[error("the key type is not RSA (rsaEncryption), EC, Ed25519 or ML-DSA; {}", MAKE_A_KEY)]
    UnsupportedType,
}

const MAKE_A_KEY: &str = "make one with `openssl genpkey -algorithm ED25519 -out private.pem`";

impl SigningKey {
    /// Generates a key: the curve or parameter set of the algorithm, or RSA with 2048 bits. It signs with `algorithm`.
    ///
    /// # Errors
    /// [`InvalidSigningKey::Symmetric`] for HMAC, [`InvalidSigningKey::Generate`] without random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, InvalidSigningKey> {
        let scheme = Scheme::of(algorithm).ok_or(InvalidSigningKey::Symmetric)?;
        Self::prepare(algorithm, KeyPair::generate(scheme).map_err(|_| InvalidSigningKey::Generate)?)
    }

    /// Reads a private key from PEM: `PRIVATE KEY` (PKCS #8), `RSA PRIVATE KEY` (PKCS #1) or `EC PRIVATE KEY` (SEC 1).
    ///
    /// Its type and curve determine the algorithm. An RSA key signs with RS256; see [`Self::with_algorithm`].
    ///
    /// # Errors
    /// Why the key cannot be used, and what to use instead.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidSigningKey> {
        let (algorithm, pair) = private_pem::read(pem)?;
        Self::prepare(algorithm, pair)
    }

    /// Changes the algorithm of an RSA key, for example to PS256. Other keys have only one algorithm.
    ///
    /// # Errors
    /// [`InvalidSigningKey::AlgorithmUnfit`].
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, InvalidSigningKey> {
        if algorithm == self.algorithm {
            return Ok(self);
        }
        let unfit = InvalidSigningKey::AlgorithmUnfit { algorithm };
        match Scheme::of(algorithm).and_then(|scheme| self.pair.with_scheme(scheme)) {
            Some(pair) => Self::prepare(algorithm, pair),
            None => Err(unfit),
        }
    }

    /// Returns the identifier of the key, `kid`: the SHA-256 thumbprint of the public key (RFC 7638).
    #[must_use]
    pub fn id(&self) -> &str {
        self.public_key.id().unwrap_or_default()
    }

    /// Returns the private key in PEM (PKCS #8), to be kept in a file or in a vault.
    ///
    /// # Errors
    /// [`InvalidSigningKey::Expanded`].
    pub fn to_pem(&self) -> Result<PrivatePem, InvalidSigningKey> {
        let der = self.private_der()?;
        // `pem::encode` copies the DER into a section that is not cleared, so the text is written here.
        let encoded = Zeroizing::new(crate::encoding::standard(&der));
        let mut text = Zeroizing::new(String::with_capacity(encoded.len() + encoded.len() / 64 + 64));
        text.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = encoded.as_str();
        while let Some((line, more)) = rest.split_at_checked(64.min(rest.len())).filter(|(line, _)| !line.is_empty()) {
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        Ok(PrivatePem(text))
    }

    /// Returns the public key in PEM (SubjectPublicKeyInfo).
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        let options = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("PUBLIC KEY", self.public_der.as_slice()), options)
    }

    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, InvalidSigningKey> {
        let (own, pair) = private_pem::read_pkcs8(der)?;
        Self::prepare(own, pair)?.with_algorithm(algorithm)
    }

    pub(crate) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, InvalidSigningKey> {
        self.pair.private_der().map_err(|_| InvalidSigningKey::Expanded)
    }

    pub(crate) fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair.sign(message).map_err(SignError::new)
    }

    fn prepare(algorithm: Algorithm, pair: KeyPair) -> Result<Self, InvalidSigningKey> {
        let public_der = pair.public_der().map_err(|_| InvalidSigningKey::Damaged)?;
        let public_key = VerifyingKey::from_der(&public_der).map_err(InvalidSigningKey::Public)?;
        let public_key = identified(public_key, algorithm).map_err(InvalidSigningKey::Public)?;
        // A private key whose parts do not belong together would make tokens that no verifier accepts.
        let signature = pair.sign(PROBE).map_err(|_| InvalidSigningKey::Damaged)?;
        public_key.verify(algorithm, PROBE, &signature).map_err(|_| InvalidSigningKey::Damaged)?;
        Ok(Self { algorithm, pair, public_der, public_key: Arc::new(public_key) })
    }
}

/// The message of the signature with which a key is tried.
pub(crate) const PROBE: &[u8] = b"portcullis-issuer: does this key verify what it signs?";

/// Returns `key` for `algorithm` only, with its thumbprint as the identifier.
pub(crate) fn identified(key: VerifyingKey, algorithm: Algorithm) -> Result<VerifyingKey, InvalidKey> {
    let thumbprint = key.thumbprint().ok_or(InvalidKey::SymmetricInSet)?;
    Ok(key.with_algorithms(algorithm)?.with_id(thumbprint))
}

#[async_trait]
impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> Arc<VerifyingKey> {
        Arc::clone(&self.public_key)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_now(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id()).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl PrivatePem {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem(..)")
    }
}
