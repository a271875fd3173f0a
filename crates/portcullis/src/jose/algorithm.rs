//! The signature algorithms (RFC 7518, RFC 8037, RFC 9864, RFC 9964): one table of names, keys and parameters.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{self, RsaParameters, VerificationAlgorithm};
use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Serialize};
use x509_cert::der::oid::ObjectIdentifier;

use crate::jose::algorithm_set::AlgorithmSet;
use crate::sentence::debug_as_sentence;

/// Makes [`Algorithm`] from a table with a row `Variant = "name" ("other name"), key type` for each algorithm.
macro_rules! algorithm_table {
    (
        $(#[$attribute:meta])*
        pub enum Algorithm;

        $(
            $(#[doc = $doc:literal])+
            $variant:ident = $name:literal $(($other_name:literal))?, $key:expr;
        )+
    ) => {
        $(#[$attribute])*
        pub enum Algorithm {
            $(
                $(#[doc = $doc])+
                $variant,
            )+
        }

        impl Algorithm {
            /// Every algorithm, in the order of the variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the registered name, which is the value of a header's `alg`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the algorithm with a registered name. Names are case-sensitive (RFC 7515 §4.1.1).
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $other_name)? => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The keys that serve the algorithm.
            pub(crate) const fn key_type(self) -> &'static KeyType {
                match self {
                    $(Self::$variant => const { &$key },)+
                }
            }
        }
    };
}

algorithm_table! {
    /// A signature algorithm that this crate implements, named as in the IANA registry
    /// "JSON Web Signature and Encryption Algorithms".
    ///
    /// There is no variant for `none`, so no configuration can allow unsigned tokens.
    #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
    #[non_exhaustive]
    #[serde(try_from = "String", into = "&'static str")]
    pub enum Algorithm;

    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256 = "ES256", KeyType::Ec(Curve {
        name: "P-256",
        coordinate_bytes: 32,
        oid: oid("1.2.840.10045.3.1.7"),
        parameters: &signature::ECDSA_P256_SHA256_FIXED,
        hash: &digest::SHA256,
    });
    /// ECDSA with P-384 and SHA-384 (RFC 7518 §3.4).
    Es384 = "ES384", KeyType::Ec(Curve {
        name: "P-384",
        coordinate_bytes: 48,
        oid: oid("1.3.132.0.34"),
        parameters: &signature::ECDSA_P384_SHA384_FIXED,
        hash: &digest::SHA384,
    });
    /// ECDSA with P-521 and SHA-512 (RFC 7518 §3.4).
    Es512 = "ES512", KeyType::Ec(Curve {
        name: "P-521",
        coordinate_bytes: 66,
        oid: oid("1.3.132.0.35"),
        parameters: &signature::ECDSA_P521_SHA512_FIXED,
        hash: &digest::SHA512,
    });
    /// EdDSA with Ed25519 (RFC 8037 §3.1). The name `Ed25519` of RFC 9864 means the same.
    EdDsa = "EdDSA" ("Ed25519"), KeyType::Ed25519;
    /// HMAC with SHA-256 (RFC 7518 §3.2). Needs a secret that was configured as one.
    Hs256 = "HS256", KeyType::Secret(hmac::HMAC_SHA256);
    /// HMAC with SHA-384 (RFC 7518 §3.2). Needs a secret that was configured as one.
    Hs384 = "HS384", KeyType::Secret(hmac::HMAC_SHA384);
    /// HMAC with SHA-512 (RFC 7518 §3.2). Needs a secret that was configured as one.
    Hs512 = "HS512", KeyType::Secret(hmac::HMAC_SHA512);
    /// ML-DSA-44 (FIPS 204, RFC 9964).
    MlDsa44 = "ML-DSA-44", KeyType::MlDsa(ParameterSet {
        public_key_bytes: 1312,
        oid: oid("2.16.840.1.101.3.4.3.17"),
        parameters: &signature::ML_DSA_44,
    });
    /// ML-DSA-65 (FIPS 204, RFC 9964).
    MlDsa65 = "ML-DSA-65", KeyType::MlDsa(ParameterSet {
        public_key_bytes: 1952,
        oid: oid("2.16.840.1.101.3.4.3.18"),
        parameters: &signature::ML_DSA_65,
    });
    /// ML-DSA-87 (FIPS 204, RFC 9964).
    MlDsa87 = "ML-DSA-87", KeyType::MlDsa(ParameterSet {
        public_key_bytes: 2592,
        oid: oid("2.16.840.1.101.3.4.3.19"),
        parameters: &signature::ML_DSA_87,
    });
    /// RSASSA-PSS with SHA-256 (RFC 7518 §3.5).
    Ps256 = "PS256", KeyType::Rsa(&signature::RSA_PSS_2048_8192_SHA256, &digest::SHA256);
    /// RSASSA-PSS with SHA-384 (RFC 7518 §3.5).
    Ps384 = "PS384", KeyType::Rsa(&signature::RSA_PSS_2048_8192_SHA384, &digest::SHA384);
    /// RSASSA-PSS with SHA-512 (RFC 7518 §3.5).
    Ps512 = "PS512", KeyType::Rsa(&signature::RSA_PSS_2048_8192_SHA512, &digest::SHA512);
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256 = "RS256", KeyType::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256, &digest::SHA256);
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    Rs384 = "RS384", KeyType::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384, &digest::SHA384);
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    Rs512 = "RS512", KeyType::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512, &digest::SHA512);
}

/// The keys that serve an algorithm, with the parameters that their signatures are checked with.
pub(crate) enum KeyType {
    /// `kty` is `EC`. Each algorithm has its own curve.
    Ec(Curve),
    /// `kty` is `OKP` and `crv` is `Ed25519`.
    Ed25519,
    /// `kty` is `AKP` (RFC 9964). Each algorithm has its own parameter set.
    MlDsa(ParameterSet),
    /// `kty` is `RSA`. Each key serves all algorithms of this type. With the hash of the parameters.
    Rsa(&'static RsaParameters, &'static digest::Algorithm),
    /// `kty` is `oct`. A secret serves the algorithms whose hash is not longer than the secret.
    Secret(hmac::Algorithm),
}

/// An elliptic curve.
pub(crate) struct Curve {
    /// The value of `crv`.
    pub(crate) name: &'static str,
    /// The length of each coordinate.
    pub(crate) coordinate_bytes: usize,
    /// RFC 5480 §2.1.1.
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: &'static dyn VerificationAlgorithm,
    /// The hash of `parameters`.
    pub(crate) hash: &'static digest::Algorithm,
}

/// A parameter set of ML-DSA.
pub(crate) struct ParameterSet {
    /// FIPS 204, table 2.
    pub(crate) public_key_bytes: usize,
    /// RFC 9881 §2.
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: &'static dyn VerificationAlgorithm,
}

impl Curve {
    /// The length of an uncompressed point (SEC 1 §2.3.3): a tag and two coordinates.
    pub(crate) const fn point_bytes(&self) -> usize {
        1 + 2 * self.coordinate_bytes
    }
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

impl Algorithm {
    /// Whether verifier and signer share one secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self.key_type(), KeyType::Secret(_))
    }

    /// The algorithm whose keys are on the first curve that `fits`.
    pub(crate) fn with_curve(fits: impl Fn(&Curve) -> bool) -> Option<Self> {
        Self::with_key_type(|key_type| matches!(key_type, KeyType::Ec(curve) if fits(curve)))
    }

    /// The first algorithm whose key type `fits`.
    pub(crate) fn with_key_type(fits: impl Fn(&KeyType) -> bool) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| fits(algorithm.key_type()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algorithm> for &'static str {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.name()
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::from_name(name).ok_or(UnknownAlgorithm)
    }
}

impl TryFrom<String> for Algorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        name.parse()
    }
}

/// The error for a name that is not one of an [`Algorithm`]. Its text lists the names.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error("unknown signature algorithm; write one of {}, {}", AlgorithmSet::ASYMMETRIC, AlgorithmSet::SYMMETRIC)]
pub struct UnknownAlgorithm;

debug_as_sentence!(UnknownAlgorithm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(*algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for name in ["none", "None", "NONE", "", "rs256", "RS1", "ES256K", "Ed448", "ES521"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_all_names() {
        let names = "ES256, ES384, ES512, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87, PS256, PS384, PS512, RS256, RS384, \
                     RS512, HS256, HS384, HS512";
        let expected = format!("unknown signature algorithm; write one of {names}");
        assert_eq!("rs256".parse::<Algorithm>().unwrap_err().to_string(), expected);
        assert_eq!(Algorithm::ALL.len(), names.split(", ").count());
    }
}
