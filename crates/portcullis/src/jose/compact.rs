//! The JWS Compact Serialization (RFC 7515 §3.1), parsed strictly.

use memchr::memchr_iter;

use crate::error::InvalidToken;
use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::header::{Header, HeaderText};
use crate::jose::key::VerifyingKey;

/// The longest token that is read unless told otherwise, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 16 * 1024;

/// The three parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    text: &'t [u8],
    /// The positions of the dots.
    first: usize,
    second: usize,
}

impl<'t> Compact<'t> {
    /// Splits a token of at most `max_bytes`.
    pub(crate) fn parse<T: AsRef<[u8]> + ?Sized>(token: &'t T, max_bytes: usize) -> Result<Self, InvalidToken> {
        let text = token.as_ref();
        check_size(text, max_bytes)?;
        let mut dots = memchr_iter(b'.', text);
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else { return Err(InvalidToken::NotCompactJws) };
        // Three more dots are enough to distinguish all cases.
        match dots.take(3).count() {
            0 => {}
            // RFC 7516 §9: five parts are a JWE.
            2 => return Err(InvalidToken::Encrypted),
            _ => return Err(InvalidToken::NotCompactJws),
        }
        Ok(Self { text, first, second })
    }

    /// Splits a token with this encoded header and a signature of so many characters. It does not look for more dots.
    #[inline]
    pub(crate) fn split_with(text: &'t [u8], header: &[u8], signature_bytes: usize) -> Option<Self> {
        let (first, second) = (header.len(), text.len().checked_sub(signature_bytes)?.checked_sub(1)?);
        let is_split = first < second && text.get(second) == Some(&b'.') && text.get(first) == Some(&b'.');
        (is_split && text.starts_with(header)).then_some(Self { text, first, second })
    }

    /// Checks that the token has at most `max_bytes`.
    pub(crate) fn check_size(&self, max_bytes: usize) -> Result<(), InvalidToken> {
        check_size(self.text, max_bytes)
    }

    /// The whole token.
    pub(crate) fn text(&self) -> &'t [u8] {
        self.text
    }

    /// The first part, still encoded.
    pub(crate) fn encoded_header(&self) -> &'t [u8] {
        self.text.get(..self.first).unwrap_or_default()
    }

    /// The second part, still encoded.
    fn encoded_payload(&self) -> &'t [u8] {
        self.text.get(self.first + 1..self.second).unwrap_or_default()
    }

    /// Decodes the header.
    pub(crate) fn decode_header(&self) -> Result<HeaderText, InvalidToken> {
        HeaderText::decode(self.encoded_header())
    }

    /// Decodes and parses the header.
    pub(crate) fn header(&self) -> Result<Header, InvalidToken> {
        self.decode_header()?.parse()
    }

    /// Decodes and parses a header of at most `bytes` bytes, encoded: more than a token may have.
    pub(crate) fn header_of_at_most(&self, bytes: usize) -> Result<Header, InvalidToken> {
        check_size(self.encoded_header(), bytes)?;
        HeaderText::decode_of_any_length(self.encoded_header())?.parse()
    }

    /// The third part, still encoded.
    pub(crate) fn encoded_signature(&self) -> &'t [u8] {
        self.text.get(self.second + 1..).unwrap_or_default()
    }

    /// What is signed: the first and the second part.
    fn signing_input(&self) -> &'t [u8] {
        self.text.get(..self.second).unwrap_or_default()
    }

    /// Checks the signature.
    pub(crate) fn verify(&self, key: &VerifyingKey, algorithm: Algorithm) -> Result<(), InvalidToken> {
        // A far too long text is not decoded: that takes longer than most refusals.
        let signature = self.encoded_signature();
        if signature.len() > base64url::encoded_length(key.longest_signature()) + 4 {
            return Err(InvalidToken::BadSignature);
        }
        let verified = base64url::with_decoded(signature, |signature| {
            // The library would prepare its numbers before it compares the lengths.
            signature.len() >= key.shortest_signature()
                && key.verify(algorithm, self.signing_input(), signature).is_ok()
        });
        match verified {
            Some(true) => Ok(()),
            Some(false) => Err(InvalidToken::BadSignature),
            None => Err(InvalidToken::Malformed { part: "signature" }),
        }
    }

    /// Decodes up to `N` bytes of the payload, a multiple of three, and calls `read` with them and whether that is all of it.
    pub(crate) fn with_start_of_payload<const N: usize, T>(
        &self,
        read: impl FnOnce(&[u8], bool) -> T,
    ) -> Result<T, InvalidToken> {
        // Four characters are three bytes, so the text can be cut there.
        let payload = self.encoded_payload();
        let start = payload.get(..N.div_ceil(3) * 4).unwrap_or(payload);
        let is_all = start.len() == payload.len();
        let read = base64url::with_decoded_on_stack::<N, T>(start, |bytes| read(bytes, is_all));
        read.ok_or(InvalidToken::Malformed { part: "payload" })
    }

    /// Decodes the payload.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, InvalidToken> {
        self.payload_with_room(0)
    }

    /// Decodes the payload into a vector that has room for `room` more bytes.
    pub(crate) fn payload_with_room(&self, room: usize) -> Result<Vec<u8>, InvalidToken> {
        base64url::decode_with_room(self.encoded_payload(), room).ok_or(InvalidToken::Malformed { part: "payload" })
    }
}

/// Whether `token` has three parts (RFC 7515 §3.1) or five (RFC 7516 §3.1).
pub(crate) fn has_form_of_jwt(token: &[u8]) -> bool {
    matches!(memchr_iter(b'.', token).take(5).count(), 2 | 4)
}

/// Checks that `text` has at most `max_bytes`.
pub(crate) fn check_size(text: &[u8], max_bytes: usize) -> Result<(), InvalidToken> {
    if text.len() > max_bytes { Err(InvalidToken::TooLarge { limit: max_bytes }) } else { Ok(()) }
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
