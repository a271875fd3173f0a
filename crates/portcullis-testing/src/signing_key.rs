//! Signing keys for every algorithm.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, PqdsaKeyPair, PqdsaSigningAlgorithm,
    RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{error::Unspecified, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use serde_json::{Value, json};

/// A key that signs with one algorithm. **For tests only**: it has no protection for the private key.
pub struct SigningKey {
    id: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(&'static dyn RsaEncoding, Box<RsaKeyPair>),
    Secret(hmac::Algorithm, Vec<u8>),
}

impl SigningKey {
    /// Generates a key: RSA with 2048 bits, the curve or parameter set of the algorithm, or a secret of 64 bytes.
    ///
    /// # Panics
    /// If the operating system provides no random bytes.
    #[allow(clippy::expect_used, reason = "a test cannot continue without keys")]
    pub fn generate(algorithm: Algorithm, id: impl Into<String>) -> Self {
        let pair = Pair::generate(algorithm).expect("keys can be generated");
        Self { id: id.into(), algorithm, pair }
    }

    /// Returns the key's `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the algorithm with which this key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `message`. The signature has the form of RFC 7518 §3.
    ///
    /// # Panics
    /// If the operating system provides no random bytes.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test cannot continue without signatures")]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).expect("messages can be signed")
    }

    /// Returns the public JWK with `kid`, `alg` and `use`. The JWK of a secret contains the secret.
    ///
    /// # Panics
    /// Never, for a key that this type generated.
    #[must_use]
    #[allow(clippy::expect_used, reason = "what we generate, we can read")]
    pub fn jwk(&self) -> Value {
        match self.secret() {
            Some(secret) => {
                let (id, algorithm) = (self.id(), self.algorithm.name());
                json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret), "kid": id, "alg": algorithm, "use": "sig"})
            }
            None => {
                let jwk = self.verifying_key().to_jwk().expect("a public key has a JWK");
                serde_json::from_str(&jwk).expect("a JWK is JSON")
            }
        }
    }

    /// Returns the key that verifies this key's signatures.
    ///
    /// # Panics
    /// Never, for a key that this type generated.
    #[must_use]
    #[allow(clippy::expect_used, reason = "what we generate, we can read")]
    pub fn verifying_key(&self) -> VerifyingKey {
        let key = match (self.secret(), self.public_key_der()) {
            (Some(secret), _) => VerifyingKey::from_secret(secret).expect("a generated secret is long enough"),
            (None, Some(der)) => VerifyingKey::from_der(&der).expect("a generated key is usable"),
            (None, None) => unreachable!("a key pair has a public key"),
        };
        key.with_algorithms(self.algorithm).expect("the key was generated for it").with_id(self.id())
    }

    /// Returns the public key as DER (SubjectPublicKeyInfo). `None` for a secret.
    #[must_use]
    pub fn public_key_der(&self) -> Option<Vec<u8>> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::MlDsa(pair) => pair.public_key().as_der(),
            Pair::Rsa(_, pair) => pair.public_key().as_der(),
            Pair::Secret(..) => return None,
        };
        der.ok().map(|der| der.as_ref().to_vec())
    }

    /// Returns the public key as PEM. `None` for a secret.
    #[must_use]
    pub fn public_key_pem(&self) -> Option<String> {
        Some(pem::encode(&pem::Pem::new("PUBLIC KEY", self.public_key_der()?)))
    }

    /// Returns the shared secret. `None` for a key pair.
    #[must_use]
    pub fn secret(&self) -> Option<&[u8]> {
        match &self.pair {
            Pair::Secret(_, secret) => Some(secret),
            _ => None,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Pair {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        Ok(match Scheme::of(algorithm).ok_or(Unspecified)? {
            Scheme::Ecdsa(scheme) => Self::Ecdsa(EcdsaKeyPair::generate(scheme)?),
            Scheme::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate()?),
            Scheme::MlDsa(scheme) => Self::MlDsa(PqdsaKeyPair::generate(scheme)?),
            Scheme::Rsa(encoding) => Self::Rsa(encoding, Box::new(RsaKeyPair::generate(KeySize::Rsa2048)?)),
            Scheme::Secret(hash) => {
                let mut secret = vec![0; 64];
                SystemRandom::new().fill(&mut secret)?;
                Self::Secret(hash, secret)
            }
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut signature)?;
                signature.truncate(length);
                Ok(signature)
            }
            Self::Rsa(encoding, pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Secret(hash, secret) => Ok(hmac::sign(&hmac::Key::new(*hash, secret), message).as_ref().to_vec()),
        }
    }
}

/// The way to generate and use the keys of an algorithm.
enum Scheme {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    MlDsa(&'static PqdsaSigningAlgorithm),
    Rsa(&'static dyn RsaEncoding),
    Secret(hmac::Algorithm),
}

impl Scheme {
    const fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Es256 => Self::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Self::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => Self::Ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Self::Ed25519,
            Algorithm::Hs256 => Self::Secret(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Self::Secret(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Self::Secret(hmac::HMAC_SHA512),
            Algorithm::MlDsa44 => Self::MlDsa(&signature::ML_DSA_44_SIGNING),
            Algorithm::MlDsa65 => Self::MlDsa(&signature::ML_DSA_65_SIGNING),
            Algorithm::MlDsa87 => Self::MlDsa(&signature::ML_DSA_87_SIGNING),
            Algorithm::Ps256 => Self::Rsa(&signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => Self::Rsa(&signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => Self::Rsa(&signature::RSA_PSS_SHA512),
            Algorithm::Rs256 => Self::Rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Self::Rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Self::Rsa(&signature::RSA_PKCS1_SHA512),
            _ => return None,
        })
    }
}

/// Fails the build if an algorithm has no scheme.
const _: () = {
    let mut rest = Algorithm::ALL;
    while let [algorithm, others @ ..] = rest {
        assert!(Scheme::of(*algorithm).is_some(), "an algorithm has no scheme");
        rest = others;
    }
};
