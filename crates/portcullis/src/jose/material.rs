//! The parts of a key, checked before the key is used.

use crate::jose::algorithm::{Algorithm, Curve, KeyType, ParameterSet};
use crate::jose::algorithm_set::AlgorithmSet;
use crate::jose::base64url;
use crate::sentence::debug_as_sentence;

/// The smallest RSA modulus, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus, in bits: the time to verify grows with its square.
const MAX_RSA_BITS: usize = 8192;
/// The largest RSA exponent, in bits: the limit of the cryptographic library. The usual 65,537 has 17.
const MAX_RSA_EXPONENT_BITS: usize = 33;

/// The checked parts of a key, by type.
#[derive(Eq, PartialEq)]
pub(crate) enum Material {
    /// The algorithm determines the curve.
    Ec {
        algorithm: Algorithm,
        point: Vec<u8>,
    },
    Ed25519([u8; 32]),
    /// The algorithm determines the parameter set.
    MlDsa {
        algorithm: Algorithm,
        public_key: Vec<u8>,
    },
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Secret(Vec<u8>),
}

/// Why a key cannot be used. No text repeats a part of the key.
#[derive(Clone, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// This crate does not implement `alg`.
    #[error("its alg is not a supported signature algorithm")]
    AlgorithmUnknown,
    /// `alg` does not fit the key's type or curve.
    #[error("its alg does not fit its type or curve")]
    AlgorithmUnfit,
    /// The bytes are not DER of a public key or a certificate.
    #[error("not DER of a SubjectPublicKeyInfo, an RSAPublicKey or an X.509 certificate")]
    Der,
    /// A JSON member appears twice (RFC 7517 §4).
    #[error("a member appears twice")]
    DuplicateMember,
    /// The elliptic-curve point is not on its curve.
    #[error("the point is not on its curve")]
    NotOnCurve,
    /// A member has the wrong type, the wrong length, or is not canonical base64url.
    #[error("member {member} has a wrong type, encoding or length")]
    MalformedMember {
        /// The name of the member.
        member: &'static str,
    },
    /// A required member is absent.
    #[error("member {member} is missing")]
    MissingMember {
        /// The name of the member.
        member: &'static str,
    },
    /// `use` or `key_ops` do not include verifying signatures (RFC 7517 §4.2, §4.3).
    #[error("its use or key_ops do not include verifying signatures")]
    NotForVerifying,
    /// The text is not a JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// PEM, a certificate or a public key was given as a shared secret (RFC 8725 §2.1).
    #[error(
        "a public key, a certificate or PEM was given as the secret, so that anyone could sign; configure it as a public \
         key"
    )]
    NotASecret,
    /// The text has no PEM section with a public key or a certificate.
    #[error("no PEM section PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE, or its line breaks are written as \\n")]
    Pem,
    /// The PEM section is a private key instead of a public key.
    #[error("a private key was given; give the public key (openssl pkey -pubout)")]
    PrivateKey,
    /// The RSA exponent is even, below 3, or has more than 33 bits.
    #[error("the RSA exponent is even, below 3 or larger than 33 bits")]
    RsaExponent,
    /// The RSA modulus is even, or has fewer than 2048 or more than 8192 bits.
    #[error("the RSA modulus has {bits} bits or is even; it must be odd and have 2048 to 8192")]
    RsaModulus {
        /// The length in bits.
        bits: usize,
    },
    /// The secret is shorter than the hash of its algorithm (RFC 7518 §3.2).
    #[error("the secret has {bytes} bytes; it needs at least 32 for HS256, 48 for HS384, 64 for HS512")]
    SecretTooShort {
        /// The length in bytes.
        bytes: usize,
    },
    /// The key is symmetric, and only public keys are read, for example in a key set.
    #[error("a symmetric key (oct) is not accepted in a key set")]
    SymmetricInSet,
    /// The Ed25519 point has small order or is not canonical, so forged signatures could verify.
    #[error("the Ed25519 point has small order or is not canonical")]
    WeakPoint,
    /// This crate does not implement the curve.
    #[error("unsupported curve")]
    UnsupportedCurve,
    /// This crate does not implement the key type.
    #[error("unsupported key type")]
    UnsupportedType,
}

debug_as_sentence!(InvalidKey);

impl Material {
    /// An RSA public key from big-endian integers.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, InvalidKey> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = bit_length(modulus);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || !is_odd(modulus) {
            return Err(InvalidKey::RsaModulus { bits });
        }
        if !is_odd(exponent) || exponent == [1] || bit_length(exponent) > MAX_RSA_EXPONENT_BITS {
            return Err(InvalidKey::RsaExponent);
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// An elliptic-curve public key for `algorithm` from its coordinates, each of the curve's exact length.
    pub(crate) fn ec(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Result<Self, InvalidKey> {
        let curve = curve_of(algorithm)?;
        for (member, coordinate) in [("x", x), ("y", y)] {
            if coordinate.len() != curve.coordinate_bytes {
                return Err(InvalidKey::MalformedMember { member });
            }
        }
        Self::ec_point(algorithm, [&[4], x, y].concat())
    }

    /// An elliptic-curve public key for `algorithm` from an uncompressed point (SEC 1 §2.3.3).
    pub(crate) fn ec_point(algorithm: Algorithm, point: Vec<u8>) -> Result<Self, InvalidKey> {
        if point.first() != Some(&4) || point.len() != curve_of(algorithm)?.point_bytes() {
            return Err(InvalidKey::NotOnCurve);
        }
        Ok(Self::Ec { algorithm, point })
    }

    /// An Ed25519 public key: canonical, and not of small order.
    pub(crate) fn ed25519(point: &[u8]) -> Result<Self, InvalidKey> {
        let point: [u8; 32] = point.try_into().map_err(|_| InvalidKey::MalformedMember { member: "x" })?;
        if is_weak_ed25519_point(&point) {
            return Err(InvalidKey::WeakPoint);
        }
        Ok(Self::Ed25519(point))
    }

    /// An ML-DSA public key for `algorithm`, of its parameter set's exact length.
    pub(crate) fn ml_dsa(algorithm: Algorithm, public_key: Vec<u8>) -> Result<Self, InvalidKey> {
        if public_key.len() != parameter_set_of(algorithm)?.public_key_bytes {
            return Err(InvalidKey::MalformedMember { member: "pub" });
        }
        Ok(Self::MlDsa { algorithm, public_key })
    }

    /// A shared secret, at least as long as the shortest hash.
    pub(crate) fn secret(bytes: Vec<u8>) -> Result<Self, InvalidKey> {
        if bytes.len() < 32 {
            return Err(InvalidKey::SecretTooShort { bytes: bytes.len() });
        }
        Ok(Self::Secret(bytes))
    }

    /// The length of the longest signature that the key can have made, in bytes.
    pub(crate) fn longest_signature(&self) -> usize {
        match self {
            Self::Ec { point, .. } => point.len().saturating_sub(1),
            // HMAC with SHA-512.
            Self::Ed25519(_) | Self::Secret(_) => 64,
            // ML-DSA-87 (FIPS 204, table 2).
            Self::MlDsa { .. } => 4_627,
            Self::Rsa { modulus, .. } => modulus.len(),
        }
    }

    /// The length of the shortest signature that a key of it can have made, in bytes, where that is known.
    pub(crate) fn shortest_signature(&self) -> usize {
        match self {
            Self::Ec { .. } | Self::Ed25519(_) => self.longest_signature(),
            // RFC 8017 §8.2.1: as long as the modulus, which may start with a zero byte.
            Self::Rsa { modulus, .. } => modulus.iter().skip_while(|byte| **byte == 0).count(),
            Self::MlDsa { .. } | Self::Secret(_) => 0,
        }
    }

    /// The algorithms that fit the type, curve and length.
    pub(crate) fn algorithms(&self) -> AlgorithmSet {
        let serves = |key_type: &KeyType| match (self, key_type) {
            (Self::Rsa { .. }, KeyType::Rsa(..)) => true,
            (Self::Secret(bytes), KeyType::Secret(hash)) => bytes.len() >= hash.tag_len(),
            _ => false,
        };
        match self {
            Self::Ec { algorithm, .. } | Self::MlDsa { algorithm, .. } => (*algorithm).into(),
            Self::Ed25519(_) => Algorithm::EdDsa.into(),
            Self::Rsa { .. } | Self::Secret(_) => {
                Algorithm::ALL.iter().copied().filter(|algorithm| serves(algorithm.key_type())).collect()
            }
        }
    }

    /// The required members of the public JWK in lexical order, which are the input of the thumbprint (RFC 7638 §3,
    /// RFC 8037 §2, RFC 9964). A secret has no public JWK.
    pub(crate) fn public_jwk(&self) -> Option<String> {
        let b64 = base64url::encode;
        Some(match self {
            Self::Rsa { modulus, exponent } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(exponent), b64(modulus))
            }
            Self::Ec { algorithm, point } => {
                let curve = curve_of(*algorithm).ok()?;
                let (x, y) = point.get(1..)?.split_at_checked(curve.coordinate_bytes)?;
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name, b64(x), b64(y))
            }
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
            Self::MlDsa { algorithm, public_key } => {
                format!(r#"{{"alg":"{algorithm}","kty":"AKP","pub":"{}"}}"#, b64(public_key))
            }
            Self::Secret(_) => return None,
        })
    }
}

fn curve_of(algorithm: Algorithm) -> Result<&'static Curve, InvalidKey> {
    match algorithm.key_type() {
        KeyType::Ec(curve) => Ok(curve),
        _ => Err(InvalidKey::AlgorithmUnfit),
    }
}

fn parameter_set_of(algorithm: Algorithm) -> Result<&'static ParameterSet, InvalidKey> {
    match algorithm.key_type() {
        KeyType::MlDsa(parameter_set) => Ok(parameter_set),
        _ => Err(InvalidKey::AlgorithmUnfit),
    }
}

fn without_leading_zeros(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

fn bit_length(integer: &[u8]) -> usize {
    integer.first().map_or(0, |first| integer.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(integer: &[u8]) -> bool {
    integer.last().is_some_and(|last| last & 1 == 1)
}

/// Whether y is at least the prime of the field, 2^255 - 19, which RFC 8032 §5.1.3 rejects, or belongs to one of the
/// eight points whose order divides 8. With such a key, one signature could verify for any message.
fn is_weak_ed25519_point(point: &[u8; 32]) -> bool {
    /// The y-coordinates, little-endian, of the points of order 1, 2, 4 and 8, without the sign of x.
    const SMALL_ORDER: [[u8; 32]; 5] = [
        // y = 0: two points of order 4.
        [0; 32],
        // y = 1: order 1.
        little_endian(1),
        // y = -1: order 2.
        [
            0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ],
        // The two values of y of the four points of order 8.
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    const fn little_endian(value: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = value;
        bytes
    }
    let mut y = *point;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let (lowest, highest) = (y.first().copied().unwrap_or(0), y.last().copied().unwrap_or(0));
    let beyond_prime = lowest >= 0xed && highest == 0x7f && y.iter().skip(1).take(30).all(|byte| *byte == 0xff);
    beyond_prime || SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_moduli_and_exponents_are_bounded() {
        let modulus = |bytes: usize| [vec![0x80], vec![0; bytes - 2], vec![1]].concat();
        let e = [1, 0, 1];
        assert!(Material::rsa(&modulus(256), &e).is_ok());
        assert!(Material::rsa(&modulus(1024), &e).is_ok());
        assert!(matches!(Material::rsa(&modulus(255), &e), Err(InvalidKey::RsaModulus { bits: 2040 })));
        assert!(matches!(Material::rsa(&modulus(1025), &e), Err(InvalidKey::RsaModulus { .. })));
        // The number of bytes is right, but one bit is missing.
        let short = [vec![0x7f], vec![0xff; 255]].concat();
        assert!(matches!(Material::rsa(&short, &e), Err(InvalidKey::RsaModulus { bits: 2047 })));
        let even = [vec![0x80], vec![0; 255]].concat();
        assert!(matches!(Material::rsa(&even, &e), Err(InvalidKey::RsaModulus { .. })));
        for exponent in [&[][..], &[0], &[1], &[0, 1], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[0xff; 9]] {
            assert!(matches!(Material::rsa(&modulus(256), exponent), Err(InvalidKey::RsaExponent)), "{exponent:?}");
        }
        assert!(Material::rsa(&modulus(256), &[3]).is_ok());
    }

    #[test]
    fn weak_ed25519_points_are_refused() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        for point in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert!(matches!(Material::ed25519(&hex(point)), Err(InvalidKey::WeakPoint)), "{point}");
        }
        // RFC 8032 §7.1, test 1.
        let good = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert!(Material::ed25519(&good).is_ok());
        assert!(matches!(Material::ed25519(&good[..31]), Err(InvalidKey::MalformedMember { member: "x" })));
    }

    #[test]
    fn a_secret_serves_hashes_up_to_its_length() {
        let algorithms = |bytes| Material::secret(vec![7; bytes]).map(|m| m.algorithms().to_string());
        assert!(matches!(algorithms(31), Err(InvalidKey::SecretTooShort { bytes: 31 })));
        assert!(matches!(algorithms(0), Err(InvalidKey::SecretTooShort { bytes: 0 })));
        assert_eq!(algorithms(32).as_deref(), Ok("HS256"));
        assert_eq!(algorithms(48).as_deref(), Ok("HS256, HS384"));
        assert_eq!(algorithms(64).as_deref(), Ok("HS256, HS384, HS512"));
    }
}
