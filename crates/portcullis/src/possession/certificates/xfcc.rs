//! `X-Forwarded-Client-Cert` of Envoy.
//!
//! Elements are separated by commas, and the pairs of an element by semicolons. A value with one of these is in double
//! quotes, in which a backslash escapes the next character. Envoy writes some values, for example names from the
//! certificate, as they are. They can contain anything, so a pair that was smuggled in by them must not count: the field
//! must have one element, and `Hash`, which Envoy always writes, must appear once.

use crate::credential::Thumbprint;
use crate::possession::certificates::encodings;

/// How many pairs an element may have. A certificate can have many names.
const MAX_PAIRS: usize = 256;

/// Returns the thumbprint of the client's certificate; `None` unless the field has one element that names one certificate.
pub(super) fn thumbprint(field: &[u8]) -> Option<Thumbprint> {
    let (mut hash, mut certificate) = (None, None);
    let mut rest = Some(field);
    for _ in 0..MAX_PAIRS {
        let Some(text) = rest else { break };
        let (key, value, behind) = pair(text)?;
        let seen = match key {
            _ if key.eq_ignore_ascii_case(b"hash") => hash.replace(Thumbprint::from_hex(&value)?),
            _ if key.eq_ignore_ascii_case(b"cert") => {
                certificate.replace(Thumbprint::of(&encodings::escaped_pem(&value)?))
            }
            _ => None,
        };
        if seen.is_some() {
            return None;
        }
        rest = behind;
    }
    let hash = hash.filter(|_| rest.is_none())?;
    (certificate.is_none() || certificate == Some(hash)).then_some(hash)
}

/// The key and the value of a pair, and the text behind its semicolon, if there is one.
type Pair<'a> = (&'a [u8], Vec<u8>, Option<&'a [u8]>);

/// Reads the first pair of `text`. A comma outside of quotes begins another element, so it is an error.
fn pair(text: &[u8]) -> Option<Pair<'_>> {
    let end_of_key = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (text.get(..end_of_key)?, text.get(end_of_key + 1..)?);
    if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let (value, behind) =
        if let Some(quoted) = value.strip_prefix(b"\"") { until_quote(quoted)? } else { until_semicolon(value)? };
    match behind {
        [] => Some((key, value, None)),
        [b';', behind @ ..] => Some((key, value, Some(behind))),
        _ => None,
    }
}

fn until_quote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((value, text.get(at + 1..)?)),
            b'\\' => value.push(*bytes.next()?.1),
            byte => value.push(*byte),
        }
    }
    None
}

fn until_semicolon(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
    let (value, behind) = text.split_at_checked(end)?;
    let is_plain = !value.iter().any(|byte| matches!(byte, b',' | b'"'));
    is_plain.then(|| (value.to_vec(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    const OTHER: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";
    /// With the bytes `foo`, whose SHA-256 is above.
    const CERT: &str = "-----BEGIN%20CERTIFICATE-----%0AZm9v%0A-----END%20CERTIFICATE-----%0A";

    #[test]
    fn one_element_with_one_hash_is_read() {
        let expected = Some(Thumbprint::of(b"foo"));
        for field in [
            format!("Hash={HASH}"),
            format!("hash=\"{HASH}\""),
            format!("HASH={}", HASH.to_uppercase()),
            format!("By=spiffe://a/b;Hash={HASH};Subject=\"CN=a,O=\\\"b\\\";c\";URI=spiffe://c?x=y"),
            format!(
                "By=http://frontend.lyft.com;Hash={HASH};Subject=\"/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client\";URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com"
            ),
            format!("Hash={HASH};Subject=\"\";URI="),
            format!("Hash={HASH};Subject=\"CN=a\\\\\";URI=x"),
            format!("Hash={HASH};Cert=\"{CERT}\""),
            format!("Cert=\"{CERT}\";Hash={HASH};Chain=\"{CERT}{CERT}\""),
        ] {
            assert_eq!(thumbprint(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn second_certificate_is_refused() {
        for field in [
            // A proxy that appends, and what a client sent itself.
            format!("Hash={OTHER},Hash={HASH}"),
            format!("Hash={HASH};URI=a,By=b;Hash={HASH};URI=c"),
            format!("Hash={HASH},"),
            format!("Hash={HASH};URI=a,By=b"),
            format!("Hash={HASH};Subject=\"a\",By=b"),
            // Smuggled in by a name of the certificate.
            format!("Hash={HASH};URI=x;Hash={OTHER}"),
            format!("Hash={HASH};DNS=x;hash={HASH}"),
            format!("Hash={HASH};Cert=\"{CERT}\";Cert=\"{CERT}\""),
            format!("Hash={OTHER};Cert=\"{CERT}\""),
            format!("Hash={HASH};Subject=\"CN=a\\\\\",Hash={OTHER};Subject=\"\""),
        ] {
            assert_eq!(thumbprint(field.as_bytes()), None, "{field}");
        }
        // In quotes it is a part of the name.
        let named = format!("Hash={HASH};Subject=\"CN=x\\\";Hash={OTHER},Hash={OTHER}\"");
        assert_eq!(thumbprint(named.as_bytes()), Some(Thumbprint::of(b"foo")));
    }

    #[test]
    fn other_forms_are_refused() {
        for field in [
            String::new(),
            ";".to_owned(),
            "Hash".to_owned(),
            "Hash=".to_owned(),
            format!("Hash={HASH};"),
            format!(";Hash={HASH}"),
            format!("Hash={HASH};x"),
            format!("Hash={HASH};=x"),
            format!("Hash = {HASH}"),
            format!(" Hash={HASH}"),
            format!("Hash={HASH} "),
            format!("Hash={}", &HASH[..63]),
            format!("Hash=sha256:{HASH}"),
            format!("Hash=\"{HASH}"),
            format!("Hash=\"{HASH}\"x"),
            format!("Hash=\"{HASH}\\"),
            format!("Hash={HASH};Subject=\"CN=a"),
            format!("Hash={HASH};Subject=a\"b\""),
            format!("Cert=\"{CERT}\""),
            format!("Hash={HASH};Cert=\"\""),
            format!("Hash={HASH};Cert=\"x\""),
            format!("Hash={HASH}{}", ";DNS=x".repeat(MAX_PAIRS)),
        ] {
            assert_eq!(thumbprint(field.as_bytes()), None, "{field}");
        }
    }
}
