//! Recognizes opaque tokens by how their text starts.

use crate::error::InvalidToken;
use crate::jose::compact::Compact;

/// The texts with which opaque tokens of an issuer start. None of them starts with another one, and they are sorted, so the
/// number of comparisons hardly grows with their number.
#[derive(Clone, Debug, Default)]
pub(super) struct OpaquePrefixes(Vec<String>);

impl OpaquePrefixes {
    pub(super) fn new(prefixes: impl IntoIterator<Item = String>) -> Self {
        let mut sorted: Vec<String> = prefixes.into_iter().filter(|prefix| !prefix.is_empty()).collect();
        sorted.sort();
        sorted.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
        Self(sorted)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    /// Splits a token of at most `max_bytes`. A token that is not a JWT and starts with one of the prefixes is opaque.
    pub(super) fn parse<'t>(&self, token: &'t [u8], max_bytes: usize) -> Result<Compact<'t>, InvalidToken> {
        Compact::parse(token, max_bytes).map_err(|found| match found {
            InvalidToken::NotCompactJws if self.fit(token) => InvalidToken::OpaqueToken,
            found => found,
        })
    }

    /// Whether `token` starts with one of the prefixes.
    fn fit(&self, token: &[u8]) -> bool {
        let after = self.0.partition_point(|prefix| prefix.as_bytes() <= token);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|prefix| token.starts_with(prefix.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_that_starts_with_a_prefix_is_found() {
        let prefixes = OpaquePrefixes::new(["oat_", "ab", "ak_", "a", "mt_", ""].map(str::to_owned));
        assert_eq!(prefixes.iter().collect::<Vec<_>>(), ["a", "mt_", "oat_"]);
        for token in ["a", "ac", "ab", "mt_1", "oat_"] {
            assert!(prefixes.fit(token.as_bytes()), "{token}");
        }
        for token in ["", "b", "mt", "mt-1", "oat", "z"] {
            assert!(!prefixes.fit(token.as_bytes()), "{token}");
        }
        assert!(!OpaquePrefixes::default().fit(b"a"));
    }
}
