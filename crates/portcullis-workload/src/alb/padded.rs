//! The form of the tokens of AWS load balancers: a compact JWS whose parts have padding, which the signature covers.
//!
//! RFC 7515 §2 has no padding, and the parser of the core refuses it. This one serves only the preset.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::InvalidToken;
use portcullis::verifier::{DecodedToken, TokenDecoder};

/// Decodes such a token. Each part has its padding, or none: a load balancer always pads, so the signed bytes are known.
pub(super) struct Padded;

impl TokenDecoder for Padded {
    fn decode(&self, text: &[u8]) -> Result<DecodedToken, InvalidToken> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken::NotCompactJws);
        };
        let (header, padded_header) = decode(header).ok_or(InvalidToken::Malformed { part: "header" })?;
        let (payload, padded_payload) = decode(payload).ok_or(InvalidToken::Malformed { part: "payload" })?;
        let (signature, _) = decode(signature).ok_or(InvalidToken::Malformed { part: "signature" })?;
        let signing_input = [padded_header.as_slice(), padded_payload.as_slice()].join(&b'.');
        Ok(DecodedToken::new(header, payload, signature, signing_input))
    }
}

/// Returns the token without its padding, in the form that a request can present (RFC 6750 §2.1).
pub(super) fn without_padding(token: &str) -> String {
    let parts: Vec<_> = token.split('.').map(|part| part.trim_end_matches('=')).collect();
    parts.join(".")
}

/// Decodes one part, and returns it with its padding as well. `None` unless it is canonical base64url with all its padding, or
/// without any.
fn decode(part: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let bare = part.iter().position(|byte| *byte == b'=').map_or(part, |end| part.get(..end).unwrap_or_default());
    let padding = bare.len().next_multiple_of(4) - bare.len();
    let given = part.get(bare.len()..).unwrap_or_default();
    if given.iter().any(|byte| *byte != b'=') || !(given.is_empty() || given.len() == padding) {
        return None;
    }
    let decoded = URL_SAFE_NO_PAD.decode(bare).ok()?;
    let mut padded = bare.to_vec();
    padded.extend(std::iter::repeat_n(b'=', padding));
    Some((decoded, padded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_whole_or_absent() {
        for (text, decoded, padded) in
            [("Zg", "f", "Zg=="), ("Zg==", "f", "Zg=="), ("Zm9v", "foo", "Zm9v"), ("dG8=", "to", "dG8=")]
        {
            assert_eq!(decode(text.as_bytes()), Some((decoded.into(), padded.into())), "{text}");
        }
        for text in ["Zg=", "Zg===", "Zh==", "Zm9v=", "Zm9v====", "=", "Z===", "Z", "Zg==Zg==", "Zg=g", "+/+/", "Zm 9"]
        {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(without_padding("Zg==.Zm9v.Zm8="), "Zg.Zm9v.Zm8");
    }

    #[test]
    fn token_has_three_parts() {
        for text in ["", "Zg==", "Zg==.Zg==", "Zg==.Zg==.Zg==.Zg==", "Zg==.Zg==.Zg==."] {
            assert_eq!(Padded.decode(text.as_bytes()).err(), Some(InvalidToken::NotCompactJws), "{text}");
        }
    }
}
