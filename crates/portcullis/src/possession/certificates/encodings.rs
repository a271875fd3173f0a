//! The encodings of a certificate in a header field. Each function returns the DER encoding, or `None` for another form.
//!
//! A certificate that is misread proves nothing, because its hash is another one.

use std::borrow::Cow;

use base64_simd::STANDARD;
use percent_encoding::percent_decode;

const FIRST_LINE: &str = "-----BEGIN CERTIFICATE-----";
const LAST_LINE: &str = "-----END CERTIFICATE-----";

/// Decodes base64 with padding (RFC 4648 §4).
pub(super) fn base64(value: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode_to_vec(value).ok()
}

/// Decodes an item of structured fields that is a byte sequence without parameters (RFC 8941 §3.3.5).
pub(super) fn byte_sequence(value: &[u8]) -> Option<Vec<u8>> {
    base64(value.strip_prefix(b":")?.strip_suffix(b":")?)
}

/// Decodes exactly one certificate in PEM, percent-encoded.
pub(super) fn escaped_pem(value: &[u8]) -> Option<Vec<u8>> {
    match <[_; 1]>::try_from(certificates(value)?) {
        Ok([certificate]) => Some(certificate),
        Err(_) => None,
    }
}

/// Decodes certificates in PEM, percent-encoded, and returns the first.
pub(super) fn first_of_escaped_pem(value: &[u8]) -> Option<Vec<u8>> {
    certificates(value)?.into_iter().next()
}

/// Percent-decoding leaves `+` as it is. It is a digit of base64, and AWS does not escape it.
fn certificates(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text: Cow<'_, str> = percent_decode(value).decode_utf8().ok()?;
    let (mut rest, mut certificates) = (text.trim_ascii(), Vec::new());
    while !rest.is_empty() {
        let (section, behind) = rest.split_at_checked(rest.find(LAST_LINE)? + LAST_LINE.len())?;
        // The PEM reader skips text in front of a certificate.
        if !section.starts_with(FIRST_LINE) {
            return None;
        }
        certificates.push(pem::parse(section).ok()?.into_contents());
        rest = behind.trim_ascii_start();
    }
    Some(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(base64: &str) -> String {
        format!("{FIRST_LINE}\n{base64}\n{LAST_LINE}\n")
    }

    fn escaped(pem: &str) -> String {
        pem.replace('%', "%25").replace(' ', "%20").replace('\n', "%0A")
    }

    #[test]
    fn byte_sequence_has_colons_and_canonical_base64() {
        assert_eq!(byte_sequence(b":Zm9v+/8=:").as_deref(), Some(&b"foo\xfb\xff"[..]));
        for other in [
            "",
            ":",
            "Zm9v",
            ":Zm9v",
            "Zm9v:",
            ": Zm9v:",
            ":Zm9v :",
            ":Zg:",
            ":Zh==:",
            ":Zm9v:;a",
            ":Zm9v:;a=1",
            ":Zm9v:, :Zm9v:",
            ":Zm9v::",
            "::Zm9v:",
            ":Zm-_:",
            ":Zm\n9v:",
            "\"Zm9v\"",
            ":Zm9v%3D:",
        ] {
            assert_eq!(byte_sequence(other.as_bytes()), None, "{other}");
        }
        assert_eq!(base64(b":Zm9v:"), None);
    }

    #[test]
    fn escaped_pem_is_one_certificate() {
        let plus = pem("Zm9v+/8=");
        for value in [escaped(&plus), escaped(&plus).replace('+', "%2b").replace('/', "%2F").replace('=', "%3d")] {
            assert_eq!(escaped_pem(value.as_bytes()).as_deref(), Some(&b"foo\xfb\xff"[..]), "{value}");
        }
        let (one, two) = (pem("Zm9v"), pem("YmFy"));
        for other in [
            String::new(),
            "Zm9v".to_owned(),
            one.replace("CERTIFICATE", "PUBLIC KEY"),
            one.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            one.replace("END CERTIFICATE", "END KEY"),
            format!("{one}{two}"),
            format!("before\n{one}"),
            format!("{one}behind"),
            format!("{one}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"),
            one.replace("Zm9v", "Zm9"),
            one.replace("Zm9v", "Zm 9v!"),
            one.replace('\n', "+"),
        ] {
            assert_eq!(escaped_pem(escaped(&other).as_bytes()), None, "{other}");
        }
        for other in ["%ff", "%2", "%", "%zz"] {
            assert_eq!(escaped_pem(escaped(&one).replace("Zm9v", other).as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn first_certificate_of_a_chain_is_that_of_the_client() {
        let (one, two) = (pem("Zm9v"), pem("YmFy"));
        assert_eq!(first_of_escaped_pem(escaped(&one).as_bytes()).as_deref(), Some(&b"foo"[..]));
        let chain = escaped(&format!("{one}{two}"));
        assert_eq!(first_of_escaped_pem(chain.as_bytes()).as_deref(), Some(&b"foo"[..]));
        let bad_issuer = escaped(&format!("{one}{}", two.replace("YmFy", "!")));
        assert_eq!(first_of_escaped_pem(bad_issuer.as_bytes()), None);
        let key_in_front = escaped(&format!("{}{one}", two.replace("CERTIFICATE", "PUBLIC KEY")));
        assert_eq!(first_of_escaped_pem(key_in_front.as_bytes()), None);
    }
}
