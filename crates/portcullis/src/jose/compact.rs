//! The JWS Compact Serialization (RFC 7515 §3.1), parsed strictly.

use memchr::memchr_iter;

use crate::error::InvalidToken;
use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::header::Header;
use crate::jose::key::VerifyingKey;

/// The longest token that is read unless told otherwise, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 16 * 1024;

/// The three parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
    signing_input: &'t str,
}

impl<'t> Compact<'t> {
    /// Splits a token of at most `max_bytes`.
    pub(crate) fn parse(token: &'t str, max_bytes: usize) -> Result<Self, InvalidToken> {
        if token.len() > max_bytes {
            return Err(InvalidToken::TooLarge { limit: max_bytes });
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else { return Err(InvalidToken::NotCompactJws) };
        // Three more dots are enough to distinguish all cases.
        match dots.take(3).count() {
            0 => {}
            // RFC 7516 §9: five parts are a JWE.
            2 => return Err(InvalidToken::Encrypted),
            _ => return Err(InvalidToken::NotCompactJws),
        }
        let parts = (token.get(..first), token.get(first + 1..second), token.get(second + 1..), token.get(..second));
        let (Some(header), Some(payload), Some(signature), Some(signing_input)) = parts else {
            return Err(InvalidToken::NotCompactJws);
        };
        Ok(Self { header, payload, signature, signing_input })
    }

    /// The first part, still encoded.
    pub(crate) fn encoded_header(&self) -> &'t str {
        self.header
    }

    /// Decodes and parses the header.
    pub(crate) fn header(&self) -> Result<Header, InvalidToken> {
        Header::decode(self.header)
    }

    /// Checks the signature, and returns its bytes.
    pub(crate) fn verify(&self, key: &VerifyingKey, algorithm: Algorithm) -> Result<Vec<u8>, InvalidToken> {
        let malformed = InvalidToken::Malformed { part: "signature" };
        // A far too long text is not decoded: that takes longer than most refusals.
        if self.signature.len() > base64url::encoded_length(key.longest_signature()) + 4 {
            return Err(InvalidToken::BadSignature);
        }
        let signature = base64url::decode(self.signature).ok_or(malformed)?;
        key.verify(algorithm, self.signing_input.as_bytes(), &signature).map_err(|_| InvalidToken::BadSignature)?;
        Ok(signature)
    }

    /// Decodes up to `bytes` bytes of the payload, and returns whether that is all of it.
    pub(crate) fn start_of_payload(&self, bytes: usize) -> Result<(Vec<u8>, bool), InvalidToken> {
        // Four characters are three bytes, so the text can be cut there.
        let payload = self.payload.as_bytes();
        let start = payload.get(..bytes.div_ceil(3) * 4).unwrap_or(payload);
        let decoded = base64url::decode(start).ok_or(InvalidToken::Malformed { part: "payload" })?;
        Ok((decoded, start.len() == payload.len()))
    }

    /// Decodes the payload.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, InvalidToken> {
        base64url::decode(self.payload).ok_or(InvalidToken::Malformed { part: "payload" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(token: &str) -> Option<InvalidToken> {
        Compact::parse(token, 100).err()
    }

    #[test]
    fn the_number_of_parts_decides() {
        assert_eq!(reason("a.b.c"), None);
        assert_eq!(reason("a.b."), None);
        for token in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f", "a.b.c.d.e.f.g"] {
            assert_eq!(reason(token), Some(InvalidToken::NotCompactJws), "{token}");
        }
        assert_eq!(reason("a.b.c.d.e"), Some(InvalidToken::Encrypted));
        assert_eq!(reason("a...."), Some(InvalidToken::Encrypted));
    }

    #[test]
    fn size_comes_first() {
        assert_eq!(reason(&".".repeat(101)), Some(InvalidToken::TooLarge { limit: 100 }));
        assert_eq!(reason(&".".repeat(100)), Some(InvalidToken::NotCompactJws));
    }
}
