//! Sets of algorithms.

use std::fmt;

use crate::jose::algorithm::Algorithm;

/// A set of algorithms, for example an allow-list.
///
/// ```
/// use portcullis::jose::{Algorithm, AlgorithmSet};
///
/// let set = AlgorithmSet::from([Algorithm::Rs256, Algorithm::Es256]);
/// assert!(set.contains(Algorithm::Es256));
/// assert_eq!(set.to_string(), "ES256, RS256");
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct AlgorithmSet(u32);

/// Each algorithm is one bit.
const _: () = assert!(Algorithm::ALL.len() <= u32::BITS as usize);

impl AlgorithmSet {
    /// The set without members: it allows no algorithm.
    pub const EMPTY: Self = Self(0);

    /// All algorithms with public keys. A verifier allows these unless it is configured otherwise.
    pub const ASYMMETRIC: Self = Self::all_symmetric_or_not(false);

    /// All algorithms with shared secrets: the HMAC family.
    pub(crate) const SYMMETRIC: Self = Self::all_symmetric_or_not(true);

    const fn all_symmetric_or_not(symmetric: bool) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = Algorithm::ALL;
        while let [algorithm, others @ ..] = rest {
            if algorithm.is_symmetric() == symmetric {
                set = set.with(*algorithm);
            }
            rest = others;
        }
        set
    }

    /// Returns this set with `algorithm` added.
    #[must_use]
    pub const fn with(self, algorithm: Algorithm) -> Self {
        Self(self.0 | 1 << algorithm as u32)
    }

    /// Whether `algorithm` is a member.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u32) != 0
    }

    /// Whether the set has no members.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the algorithms that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the algorithms that are in one of the sets or in both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the members, in the order of [`Algorithm::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.iter().copied().filter(move |algorithm| self.contains(*algorithm))
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

impl From<&[Algorithm]> for AlgorithmSet {
    fn from(algorithms: &[Algorithm]) -> Self {
        algorithms.iter().copied().collect()
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
    fn the_default_set_has_no_hmac() {
        assert_eq!(AlgorithmSet::ASYMMETRIC.iter().count() + 3, Algorithm::ALL.len());
        assert!(!AlgorithmSet::ASYMMETRIC.iter().any(Algorithm::is_symmetric));
        assert_eq!(AlgorithmSet::SYMMETRIC.to_string(), "HS256, HS384, HS512");
    }
}
