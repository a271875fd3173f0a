//! Private keys: generating, preparing and using them. One table says which algorithm signs with what.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair, PqdsaSigningAlgorithm,
    RsaEncoding, RsaKeyPair,
};
use portcullis::jose::Algorithm;
use zeroize::Zeroizing;

/// A private key, prepared once. The cryptographic library clears its memory.
pub(crate) enum KeyPair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(&'static dyn RsaEncoding, Box<RsaKeyPair>),
}

/// The way to generate and use the keys of an algorithm.
pub(crate) enum Scheme {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    MlDsa(&'static PqdsaSigningAlgorithm),
    Rsa(&'static dyn RsaEncoding),
}

impl Scheme {
    /// Returns the scheme of `algorithm`. `None` for HMAC.
    pub(crate) const fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Es256 => Self::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Self::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => Self::Ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Self::Ed25519,
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

impl KeyPair {
    /// Generates a key. RSA keys get 2048 bits.
    pub(crate) fn generate(scheme: Scheme) -> Result<Self, Unspecified> {
        Ok(match scheme {
            Scheme::Ecdsa(parameters) => Self::Ecdsa(EcdsaKeyPair::generate(parameters)?),
            Scheme::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate()?),
            Scheme::MlDsa(parameters) => Self::MlDsa(PqdsaKeyPair::generate(parameters)?),
            Scheme::Rsa(encoding) => Self::Rsa(encoding, Box::new(RsaKeyPair::generate(KeySize::Rsa2048)?)),
        })
    }

    /// Signs `message`. The signature has the form of RFC 7518 §3.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
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
        }
    }

    /// Returns the same key for another algorithm. Only the padding and the hash of RSA can change.
    pub(crate) fn with_scheme(self, scheme: Scheme) -> Option<Self> {
        match (self, scheme) {
            (Self::Rsa(_, pair), Scheme::Rsa(encoding)) => Some(Self::Rsa(encoding, pair)),
            _ => None,
        }
    }

    /// Returns the public key as DER (SubjectPublicKeyInfo).
    pub(crate) fn public_der(&self) -> Result<Vec<u8>, Unspecified> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der()?,
            Self::Ed25519(pair) => pair.public_key().as_der()?,
            Self::MlDsa(pair) => pair.public_key().as_der()?,
            Self::Rsa(_, pair) => pair.public_key().as_der()?,
        };
        Ok(der.as_ref().to_vec())
    }

    /// Returns the private key as DER (PKCS #8). Fails for an ML-DSA key without its seed.
    pub(crate) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let copy = |der: &[u8]| Zeroizing::new(der.to_vec());
        Ok(match self {
            Self::Ecdsa(pair) => copy(pair.to_pkcs8v1()?.as_ref()),
            Self::Ed25519(pair) => copy(pair.to_pkcs8v1()?.as_ref()),
            Self::MlDsa(pair) => copy(pair.to_pkcs8v1()?.as_ref()),
            Self::Rsa(_, pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der()?;
                copy(der.as_ref())
            }
        })
    }
}
