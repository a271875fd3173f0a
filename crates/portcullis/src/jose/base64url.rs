//! base64url (RFC 7515 §2): no padding, no white space, canonical trailing bits.

use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

/// The largest number of bytes that are decoded without an allocation: a signature of RSA with 4096 bits.
const ON_STACK: usize = 512;

/// Decodes `text`. Returns `None` unless it is canonical base64url.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Decodes `text` into a vector that has room for `room` more bytes. Returns `None` unless it is canonical base64url.
pub(crate) fn decode_with_room(text: &[u8], room: usize) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decoded_length(text).ok()?;
    let mut decoded = Vec::with_capacity(bytes.saturating_add(room));
    URL_SAFE_NO_PAD.decode_append(text, &mut decoded).ok()?;
    Some(decoded)
}

/// Decodes `text`, and calls `read` with its bytes. It allocates no memory for the bytes of a signature of a usual size. Returns
/// `None` unless `text` is canonical base64url.
pub(crate) fn with_decoded<T>(text: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    with_decoded_on_stack::<ON_STACK, T>(text, read)
}

/// Like [`with_decoded`], and allocates no memory for up to `N` bytes.
pub(crate) fn with_decoded_on_stack<const N: usize, T>(text: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if URL_SAFE_NO_PAD.decoded_length(text).ok()? > N {
        return decode(text).map(|bytes| read(&bytes));
    }
    // Zeros would be overwritten.
    let mut buffer = [const { MaybeUninit::uninit() }; N];
    let bytes = URL_SAFE_NO_PAD.decode(text, buffer.as_mut_slice().as_out()).ok()?;
    Some(read(bytes))
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
            assert_eq!(decode_with_room(text.as_bytes(), 1), None, "{text:?}");
            assert_eq!(with_decoded(text.as_bytes(), <[u8]>::len), None, "{text:?}");
        }
    }

    #[test]
    fn every_way_to_decode_gives_the_same_bytes() {
        for length in [0, 1, 2, 3, 64, ON_STACK - 1, ON_STACK, ON_STACK + 1, 4_000] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let text = encode(&bytes);
            assert_eq!(decode(&text).as_ref(), Some(&bytes));
            let with_room = decode_with_room(text.as_bytes(), 100).unwrap();
            assert!(with_room == bytes && with_room.capacity() >= length + 100, "{length}");
            assert_eq!(with_decoded(text.as_bytes(), <[u8]>::to_vec), Some(bytes));
        }
    }
}
