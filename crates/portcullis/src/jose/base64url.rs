//! base64url (RFC 7515 §2): no padding, no white space, canonical trailing bits.

use base64_simd::URL_SAFE_NO_PAD;

/// Decodes `text`. Returns `None` unless it is canonical base64url.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Whether `text` is canonical base64url.
pub(crate) fn is_valid(text: &[u8]) -> bool {
    URL_SAFE_NO_PAD.check(text).is_ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The length of `bytes` bytes in base64url.
pub(crate) fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_decodes() {
        assert_eq!(decode("Zm9v").as_deref(), Some(&b"foo"[..]));
        assert_eq!(decode("Zg").as_deref(), Some(&b"f"[..]));
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        // Padding, non-zero trailing bits, white space, the other alphabet, a lone sextet.
        for text in ["Zg==", "Zh", "Zm9 v", "Zm9v\n", "+/+/", "Z", "Zm9vZ", "Zm?v", "Zm9\u{e9}"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
