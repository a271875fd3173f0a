//! Refresh tokens, and the hashes that stores hold instead of them.

use std::fmt;

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::Unavailable;

/// A refresh token: opaque, 384 random or derived bits behind the prefix `pcr1_`.
///
/// Its first 128 bits name the family of tokens of one session, and only tokens of this session contain them. The other 256
/// bits are different in each token. It is not a JWT, so it never passes as an access token. `Debug` does not print it.
#[derive(Clone)]
pub struct RefreshToken {
    text: String,
    family: [u8; FAMILY_LENGTH],
    secret: [u8; SECRET_LENGTH],
}

const PREFIX: &str = "pcr1_";
const FAMILY_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 32;

impl RefreshToken {
    /// Returns the token's text, for a cookie or a response body. It is a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Makes the first token of a new family.
    pub(crate) fn generate() -> Result<Self, Unavailable> {
        Ok(Self::from_parts(random()?, random()?))
    }

    /// Reads a token. `None` means that it was never issued.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; FAMILY_LENGTH + SECRET_LENGTH];
        // Only the canonical encoding is accepted, and only the exact length.
        let length = URL_SAFE_NO_PAD.decode_slice(text.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        let (family, secret) = bytes.get(..length)?.split_at_checked(FAMILY_LENGTH)?;
        Some(Self { text: text.to_owned(), family: family.try_into().ok()?, secret: secret.try_into().ok()? })
    }

    /// Makes the token with another secret in the same family.
    pub(crate) fn with_secret(&self, secret: [u8; SECRET_LENGTH]) -> Self {
        Self::from_parts(self.family, secret)
    }

    pub(crate) fn family(&self) -> &[u8; FAMILY_LENGTH] {
        &self.family
    }

    pub(crate) fn secret(&self) -> &[u8; SECRET_LENGTH] {
        &self.secret
    }

    pub(crate) fn family_hash(&self) -> TokenHash {
        TokenHash::of("family", &[&self.family])
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::of("refresh token", &[&self.family, &self.secret])
    }

    fn from_parts(family: [u8; FAMILY_LENGTH], secret: [u8; SECRET_LENGTH]) -> Self {
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&family[..], &secret[..]].concat()));
        Self { text, family, secret }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// The SHA-256 of a token or of a part of it. Stores hold hashes only. `Debug` does not print it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Makes a hash from the bytes that a store read.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes `parts` for one use. Hashes of different uses never agree.
    pub(crate) fn of(usage: &str, parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"portcullis-sessions ");
        for part in [&[usage.as_bytes()], parts].concat() {
            // With the lengths, no two lists of parts give the same input.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// Whether both hashes are the same. The time does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// The hash as text, 43 characters of base64url.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
    pub(crate) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    #[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        (URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == 32).then_some(Self(bytes))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// Makes a public random name of 22 characters, for example for a session.
pub(crate) fn random_name() -> Result<String, Unavailable> {
    Ok(URL_SAFE_NO_PAD.encode(random::<16>()?))
}

/// Draws random bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Unavailable> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Unavailable::new().with_source("the system has no random numbers"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_written() {
        let token = RefreshToken::generate().unwrap();
        let read = RefreshToken::parse(token.as_str()).unwrap();
        assert_eq!(token.as_str().len(), 5 + 64);
        assert_eq!((read.as_str(), read.family(), read.secret()), (token.as_str(), token.family(), token.secret()));
        assert_eq!(read.hash(), token.hash());
        assert_eq!(read.family_hash(), token.family_hash());
        assert_ne!(read.hash(), read.family_hash());
    }

    #[test]
    fn other_texts_are_not_tokens() {
        let token = RefreshToken::generate().unwrap();
        let text = token.as_str();
        let others = [
            String::new(),
            "pcr1_".to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!(" {text}"),
            format!("{text}\n"),
            text.replace("pcr1_", "pcp1_"),
            text.replace("pcr1_", "PCR1_"),
            text[5..].to_owned(),
            format!("pcr1_{}", "!".repeat(64)),
            format!("pcr1_{}", "é".repeat(32)),
            format!("pcr1_{}", "A".repeat(100_000)),
            "eyJhbGciOiJFZERTQSJ9.e30.AA".to_owned(),
        ];
        for other in others {
            assert!(RefreshToken::parse(&other).is_none(), "{other:.80}");
        }
    }

    #[test]
    fn hashes_depend_on_use_and_parts() {
        let hashes = [
            TokenHash::of("a", &[b"bc"]),
            TokenHash::of("ab", &[b"c"]),
            TokenHash::of("a", &[b"b", b"c"]),
            TokenHash::of("a", &[b"bc", b""]),
        ];
        for (index, one) in hashes.iter().enumerate() {
            for (other_index, other) in hashes.iter().enumerate() {
                assert_eq!(one.matches(other), index == other_index);
            }
        }
    }

    #[test]
    fn debug_output_hides_tokens_and_hashes() {
        let token = RefreshToken::generate().unwrap();
        assert_eq!(format!("{token:?} {:?}", token.hash()), "RefreshToken(..) TokenHash(..)");
    }
}
