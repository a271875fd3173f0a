//! Secrets that look as if something else was meant: a line break of an editor, quotes, base64 or hexadecimal text.

/// Returns what looks unintended about a shared secret, and how to say what is meant; `None` means nothing.
///
/// A secret is used byte by byte, so a line break at the end of its file, or base64 text where the issuer uses the decoded
/// bytes, makes every signature bad. The text never repeats a part of the secret.
///
/// ```
/// use portcullis::keys::doubt_about_secret;
///
/// assert_eq!(doubt_about_secret(b"a secret of at least 32 bytes, from a vault"), None);
/// let doubt = doubt_about_secret(b"a secret of at least 32 bytes, from a file\n").unwrap();
/// assert!(doubt.starts_with("the secret ends with a line break"));
/// ```
#[must_use]
pub fn doubt_about_secret(secret: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(secret).ok()?;
    let trimmed = text.trim();
    if text.ends_with(['\n', '\r']) {
        return Some(
            "the secret ends with a line break, which counts; if it does not belong to the secret, write the file without it \
             (printf %s), otherwise give the secret as an oct JWK",
        );
    }
    if text.starts_with('\u{feff}') {
        return Some(
            "the secret starts with a byte order mark, which counts; write the file without it, or give the secret as an oct JWK",
        );
    }
    if trimmed.len() < text.len() {
        return Some(
            "the secret starts or ends with white space, which counts; if it does not belong to the secret, remove it, \
             otherwise give the secret as an oct JWK",
        );
    }
    if is_quoted(text) {
        return Some(
            "the secret is in quotes, which count; if they do not belong to the secret, remove them, otherwise give the secret \
             as an oct JWK",
        );
    }
    if is_hexadecimal(text) {
        return Some(
            "the secret is hexadecimal text, and the text counts, not the bytes that it writes; if the bytes are the secret, \
             decode it (xxd -r -p), otherwise give the text as an oct JWK",
        );
    }
    if is_base64(text) {
        return Some(
            "the secret is base64 text, and the text counts, not the bytes that it encodes; if the bytes are the secret, \
             decode it (base64 -d), or give it as an oct JWK, whose k is base64url; otherwise give the text as an oct JWK",
        );
    }
    None
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// Whether `text` is hexadecimal text of at least 32 bytes.
fn is_hexadecimal(text: &str) -> bool {
    text.len() >= 64 && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `text` is base64 or base64url of at least 32 bytes. Without padding, a passphrase could look the same, so the text
/// must mix letters and digits and have the usual length of a key: 32, 48 or 64 bytes.
fn is_base64(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let is_padded = unpadded.len() < text.len();
    let in_alphabet = |more: &[u8]| unpadded.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
    let has = |of_kind: fn(&u8) -> bool| unpadded.bytes().any(|byte| of_kind(&byte));
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    let bytes = unpadded.len() / 4 * 3 + [0, 0, 1, 2].get(unpadded.len() % 4).copied().unwrap_or_default();
    let is_complete = unpadded.len() % 4 != 1 && (!is_padded || text.len().is_multiple_of(4));
    let has_usual_length = if is_padded { bytes >= 32 } else { [32, 48, 64].contains(&bytes) };
    (in_alphabet(b"+/") || in_alphabet(b"-_")) && is_complete && is_mixed && has_usual_length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unintended_text_is_named() {
        for (secret, expected) in [
            ("super-secret-jwt-token-with-at-least-32!!\n", "ends with a line break"),
            ("super-secret-jwt-token-with-at-least-32!!\r\n", "ends with a line break"),
            ("kq8BYuRCI5u5mjVIlwnPBjroG7H/df+8BAw4Thi5oAM=\n", "ends with a line break"),
            ("\u{feff}super-secret-jwt-token-with-at-least-32!!", "byte order mark"),
            (" super-secret-jwt-token-with-at-least-32!!", "white space"),
            ("super-secret-jwt-token-with-at-least-32!!\t", "white space"),
            ("\"super-secret-jwt-token-with-at-least-32!!\"", "quotes"),
            ("'super-secret-jwt-token-with-at-least-32!!'", "quotes"),
            ("kq8BYuRCI5u5mjVIlwnPBjroG7H/df+8BAw4Thi5oAM=", "base64"),
            ("kq8BYuRCI5u5mjVIlwnPBjroG7H_df-8BAw4Thi5oAM", "base64"),
            ("92af0162e442239bb99a35489709cf063ae81bb1ff75ffbc040c384e18b9a003", "hexadecimal"),
            ("92AF0162E442239BB99A35489709CF063AE81BB1FF75FFBC040C384E18B9A003", "hexadecimal"),
        ] {
            let doubt = doubt_about_secret(secret.as_bytes()).unwrap_or_default();
            assert!(doubt.contains(expected), "{secret:?}: {doubt}");
            assert!(!doubt.contains("super") && !doubt.contains("kq8B"), "{doubt}");
        }
    }

    #[test]
    fn intended_secret_has_no_doubt() {
        for secret in [
            &b"the-new-secret-of-at-least-32-octets!!"[..],
            b"alllowercaselettersofapassphrase",
            b"CorrectHorseBatteryStaple1CorrectHorse",
            b"6f1c2b0e-8f5a-4a6e-9d7f-2f1f0c3b7a11",
            &[7; 64],
            &[0xff; 32],
            b"",
            b"\"",
        ] {
            assert_eq!(doubt_about_secret(secret), None, "{secret:?}");
        }
    }
}
