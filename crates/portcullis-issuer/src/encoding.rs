//! base64 and base64url.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

/// Encodes as base64url without padding (RFC 7515 §2).
pub(crate) fn url(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends base64url without padding.
pub(crate) fn append_url(text: &mut String, bytes: &[u8]) {
    general_purpose::URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Encodes as base64 with padding (RFC 4648 §4).
pub(crate) fn standard(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Decodes base64 as people paste it: with or without padding, without white space.
pub(crate) fn decode_standard(text: &str) -> Option<Vec<u8>> {
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    EITHER.decode(text).ok()
}
