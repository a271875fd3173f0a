//! Signature algorithms (RFC 7518, RFC 8037, RFC 9864, RFC 9964) and sets of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signature algorithm that this crate implements, named as in the IANA registry
/// "JSON Web Signature and Encryption Algorithms".
///
/// `none` is not a value of this type, so it can be neither allowed nor reached.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[non_exhaustive]
#[serde(try_from = "String", into = "&'static str")]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA with P-384 and SHA-384 (RFC 7518 §3.4).
    Es384,
    /// ECDSA with P-521 and SHA-512 (RFC 7518 §3.4).
    Es512,
    /// EdDSA with Ed25519 (RFC 8037 §3.1); the name `Ed25519` of RFC 9864 counts as the same.
    EdDsa,
    /// HMAC with SHA-256 (RFC 7518 §3.2). Needs a secret that was given on purpose.
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 §3.2). Needs a secret that was given on purpose.
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 §3.2). Needs a secret that was given on purpose.
    Hs512,
    /// ML-DSA-44 (FIPS 204, RFC 9964).
    MlDsa44,
    /// ML-DSA-65 (FIPS 204, RFC 9964).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204, RFC 9964).
    MlDsa87,
    /// RSASSA-PSS with SHA-256 (RFC 7518 §3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 (RFC 7518 §3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 (RFC 7518 §3.5).
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    Rs512,
}

impl Algorithm {
    /// Every algorithm, in the order of the variants.
    pub const ALL: [Self; 16] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The registered name, as it stands in a header's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The algorithm of a registered name; names are case-sensitive (RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether verifier and signer share one secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
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

/// A name that is no algorithm of this crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "unknown signature algorithm; write one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
     ES384, ES512, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87, HS256, HS384, HS512"
)]
pub struct UnknownAlgorithm;

/// A set of algorithms: an allow-list.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct AlgorithmSet(u32);

impl AlgorithmSet {
    /// The set without members: it allows nothing.
    pub const EMPTY: Self = Self(0);

    /// All implemented algorithms but the HMAC family: what a verifier allows unless told otherwise.
    pub const ASYMMETRIC: Self = {
        let mut set = Self::EMPTY;
        let mut index = 0;
        while index < Algorithm::ALL.len() {
            // A constant index into a constant array, checked by the compiler.
            #[allow(clippy::indexing_slicing)]
            let algorithm = Algorithm::ALL[index];
            if !algorithm.is_symmetric() {
                set = set.with(algorithm);
            }
            index += 1;
        }
        set
    };

    /// This set and `algorithm`.
    #[must_use]
    pub const fn with(self, algorithm: Algorithm) -> Self {
        Self(self.0 | 1 << algorithm as u32)
    }

    /// Whether `algorithm` is a member.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u32) != 0
    }

    /// Whether there are no members.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members, in the order of [`Algorithm::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| self.contains(*algorithm))
    }
}

impl fmt::Debug for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, algorithm) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(algorithm.name())?;
        }
        Ok(())
    }
}

impl From<Algorithm> for AlgorithmSet {
    fn from(algorithm: Algorithm) -> Self {
        Self::EMPTY.with(algorithm)
    }
}

impl<const N: usize> From<[Algorithm; N]> for AlgorithmSet {
    fn from(algorithms: [Algorithm; N]) -> Self {
        algorithms.into_iter().collect()
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        algorithms.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for name in ["none", "None", "NONE", "", "rs256", "RS1", "ES256K", "Ed448", "ES521"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_default_set_has_no_hmac() {
        assert_eq!(AlgorithmSet::ASYMMETRIC.iter().count(), 13);
        assert!(!AlgorithmSet::ASYMMETRIC.iter().any(Algorithm::is_symmetric));
    }
}
