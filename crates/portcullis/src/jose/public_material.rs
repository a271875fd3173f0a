//! Recognizes public keys that were given as a shared secret. With a public key as the secret, anyone could sign.

use base64_simd::{Base64, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::jose::key_set::KeySet;
use crate::jose::material::{InvalidKey, Material};
use crate::jose::pem_der;

/// How often a text may hold another one: JSON in a string, base64 of PEM.
const MAX_DEPTH: usize = 4;

/// The texts that only public keys and certificates hold. The last three are the start of OpenSSH's keys in base64.
const MARKS: [&str; 9] = [
    "PUBLIC KEY-----",
    "PUBLIC KEY BLOCK-----",
    "CERTIFICATE-----",
    "CERTIFICATE REQUEST-----",
    "Modulus>",
    "X509Certificate>",
    "AAAAB3NzaC1yc2E",
    "AAAAC3NzaC1lZDI1NTE5",
    "AAAAE2VjZHNhLXNoYTIt",
];

/// The lengths of usual RSA moduli, in bytes.
const MODULUS_BYTES: [usize; 4] = [256, 384, 512, 1024];
/// A modulus has no factor below this number.
const SMALLEST_FACTOR: u64 = 1 << 16;

/// Takes `bytes` as a shared secret, unless they are a public key.
pub(crate) fn secret(bytes: Vec<u8>) -> Result<Material, InvalidKey> {
    if is_public(&bytes) { Err(InvalidKey::NotASecret) } else { Material::secret(bytes) }
}

/// Whether `bytes` are a public key or a certificate in any form, usable or not: PEM, DER, JWK, JWK Set, OpenSSH, XML, the
/// modulus of an RSA key, and each of these in base64, base64url, hexadecimal, JSON, quotes, UTF-16 or behind other text.
///
/// A random secret never looks like one of these, with one exception: about one in a hundred random secrets of exactly 256,
/// 384, 512 or 1,024 bytes can be the modulus of an RSA key.
pub(crate) fn is_public(bytes: &[u8]) -> bool {
    is_public_at(bytes, 0)
}

fn is_public_at(bytes: &[u8], depth: usize) -> bool {
    let known =
        |bytes: &[u8]| is_der(bytes) || is_modulus(bytes) || bytes.trim_ascii_start().starts_with(b"-----BEGIN ");
    if depth > MAX_DEPTH {
        return false;
    }
    known(bytes) || text_of(bytes).is_some_and(|text| is_public_text(&text, depth))
}

fn is_public_text(text: &str, depth: usize) -> bool {
    let text = text.trim_matches(|char: char| char.is_whitespace() || matches!(char, '\u{feff}' | ',' | ';'));
    if text.starts_with("-----BEGIN ") || MARKS.iter().any(|mark| text.contains(mark)) || is_public_json(text) {
        return true;
    }
    let inside = |text: &str| is_public_at(text.as_bytes(), depth + 1);
    if let Ok(json) = serde_json::from_str(text)
        && holds_public_text(&json, &inside)
    {
        return true;
    }
    let unquoted = text.trim_matches(['"', '\'', '`']);
    if unquoted.len() < text.len() && inside(unquoted) {
        return true;
    }
    // As environment variables often contain line breaks.
    let unescaped = unquoted.replace("\\r", "").replace("\\n", "\n");
    if unescaped.len() < unquoted.len() && inside(&unescaped) {
        return true;
    }
    let value = unquoted.rsplit_once("Modulus=").map_or(unquoted, |(_, value)| value);
    let compact: String = value.chars().filter(|char| !char.is_whitespace()).collect();
    decoded(&compact).any(|bytes| is_public_at(&bytes, depth + 1))
}

/// The bytes of a text: in UTF-8, or in UTF-16, which editors of Windows write.
fn text_of(bytes: &[u8]) -> Option<String> {
    let wide = |from_bytes: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(from_bytes);
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        [first, 0, _, 0, ..] if *first != 0 => wide(u16::from_le_bytes, bytes),
        [0, first, 0, ..] if *first != 0 => wide(u16::from_be_bytes, bytes),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    }
}

/// What a text without white space means in hexadecimal, base64 or base64url.
fn decoded(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let base64 = |encoding: Base64| encoding.decode_to_vec(text).ok();
    let all = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(base64);
    std::iter::once(hexadecimal(text)).chain(all).flatten()
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.trim_start_matches("0x").chars().filter(|char| *char != ':').collect();
    if digits.len() < 64 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |char: u8| char::from(char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(*pair.first()?)? * 16 + digit(*pair.last()?)?)).collect()
}

/// Whether the bytes start with DER of a public key or a certificate. Something may follow it, for example a line break.
fn is_der(bytes: &[u8]) -> bool {
    let length = match bytes {
        [0x30, length @ 0..=0x7f, ..] => 2 + usize::from(*length),
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(*high) * 256 + usize::from(*low),
        _ => return false,
    };
    bytes.get(..length).is_some_and(|der| pem_der::read_der(der).err() != Some(InvalidKey::Der))
}

/// Whether the bytes can be the modulus of an RSA key: of a usual length, without a zero bit at the start, and without a
/// small factor.
fn is_modulus(bytes: &[u8]) -> bool {
    let number = match bytes {
        [0, rest @ ..] => rest,
        _ => bytes,
    };
    let is_of_length = MODULUS_BYTES.contains(&number.len()) && number.first().is_some_and(|first| *first >= 0x80);
    let divides = |factor: u64| number.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % factor) == 0;
    // A text can be a number without small factors as well, but it is not the bytes of one.
    is_of_length && !number.is_ascii() && !divides(2) && !(3..SMALLEST_FACTOR).step_by(2).any(divides)
}

fn is_public_json(text: &str) -> bool {
    let set = KeySet::from_json(text).or_else(|_| KeySet::from_json(&format!(r#"{{"keys":[{text}]}}"#)));
    let is_no_public_key = |why: &InvalidKey| {
        matches!(
            why,
            InvalidKey::NotAnObject | InvalidKey::MissingMember { member: "kty" } | InvalidKey::SymmetricInSet
        )
    };
    set.is_ok_and(|set| !set.is_empty() || set.skipped().iter().any(|skipped| !is_no_public_key(&skipped.why)))
}

/// Whether a value of JSON holds a public key: a key in a list, a text, or a text in a list or an object, as in a map of
/// certificates. The values of a shared secret's JWK are not looked at: they may be any text.
fn holds_public_text(json: &serde_json::Value, inside: &dyn Fn(&str) -> bool) -> bool {
    match json {
        serde_json::Value::String(text) => inside(text),
        serde_json::Value::Array(values) => values.iter().any(|value| match value {
            serde_json::Value::Object(_) => inside(&value.to_string()),
            value => holds_public_text(value, inside),
        }),
        serde_json::Value::Object(members) if members.get("kty").is_some_and(|kty| kty == "oct") => false,
        serde_json::Value::Object(members) => members.values().any(|value| holds_public_text(value, inside)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::VerifyingKey;
    use crate::jose::base64url;

    /// RFC 7515, appendix A.2.1: the modulus of an RSA key.
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    /// RFC 7515, appendix A.3.1, as SubjectPublicKeyInfo.
    const EC_PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const OPENSSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea user@host";

    fn bytes(text: &str) -> Vec<u8> {
        base64url::decode(text).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn spki() -> Vec<u8> {
        [hexadecimal(&format!("{EC_PREFIX}0000000000")).unwrap()[..27].to_vec(), bytes(X), bytes(Y)].concat()
    }

    /// An RSAPublicKey (RFC 8017, appendix A.1.1).
    fn pkcs1() -> Vec<u8> {
        [&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00][..], &bytes(N), &[0x02, 0x03, 0x01, 0x00, 0x01]]
            .concat()
    }

    fn wrapped(text: &str) -> String {
        text.as_bytes().chunks(64).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect()
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2], mark: &[u8]) -> Vec<u8> {
        [mark, &text.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>()].concat()
    }

    fn public_forms() -> Vec<(&'static str, Vec<u8>)> {
        let spki = spki();
        assert!(VerifyingKey::from_der(&spki).is_ok() && VerifyingKey::from_der(&pkcs1()).is_ok(), "the premise");
        let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", spki.as_slice()));
        let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"}}"#);
        let rsa = format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB"}}"#);
        let (standard, url) = (STANDARD.encode_to_string(&spki), base64url::encode(&spki));
        let modulus = STANDARD.encode_to_string(bytes(N));
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let text = |text: &str| text.as_bytes().to_vec();
        let text_with = |text: String| text.into_bytes();
        vec![
            ("PEM", text(&pem)),
            ("PEM after white space", text_with(format!("\n {pem}"))),
            ("PEM with a byte order mark", text_with(format!("\u{feff}{pem}"))),
            ("PEM behind a comment", text_with(format!("# the key of the issuer\n{pem}"))),
            ("PEM in quotes", text_with(format!("\"{pem}\""))),
            ("PEM in single quotes", text_with(format!("'{}'", pem.trim()))),
            ("PEM with written line breaks", text_with(pem.replace('\n', "\\n"))),
            ("PEM as a JSON string", text_with(serde_json::to_string(&pem).unwrap())),
            ("PEM in a JSON object", text_with(serde_json::json!({"publicKey": pem}).to_string())),
            ("PEM in UTF-16", utf16(&pem, u16::to_le_bytes, &[0xff, 0xfe])),
            ("PEM in UTF-16, big-endian", utf16(&pem, u16::to_be_bytes, &[0xfe, 0xff])),
            ("PEM in UTF-16 without a byte order mark", utf16(&pem, u16::to_le_bytes, &[])),
            ("PEM in base64", text_with(STANDARD.encode_to_string(&pem))),
            ("PEM in hexadecimal", text_with(hex(pem.as_bytes()))),
            ("certificate", text(certificate)),
            ("certificate of OpenSSL", text(&certificate.replace("CERT", "TRUSTED CERT"))),
            ("map of certificates", text_with(serde_json::json!({"a1": certificate}).to_string())),
            (
                "PGP",
                text(
                    "Comment: mine\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBF\n-----END PGP PUBLIC KEY BLOCK-----",
                ),
            ),
            ("DER", spki.clone()),
            ("DER and a line break", [&spki[..], b"\n"].concat()),
            ("DER of PKCS #1", pkcs1()),
            ("DER of PKCS #1 in base64", text_with(STANDARD.encode_to_string(pkcs1()))),
            ("base64", text(&standard)),
            ("base64 without padding", text(standard.trim_end_matches('='))),
            ("base64 with line breaks", text_with(wrapped(&standard))),
            ("base64url", text(&url)),
            ("base64url in quotes", text_with(format!("\"{url}\""))),
            ("base64 twice", text_with(STANDARD.encode_to_string(&standard))),
            ("hexadecimal", text_with(hex(&spki))),
            ("hexadecimal, upper case", text_with(hex(&spki).to_uppercase())),
            (
                "hexadecimal with colons",
                text_with(spki.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")),
            ),
            ("OpenSSH", text(OPENSSH)),
            ("OpenSSH with options", text_with(format!("no-pty,command=\"x\" {OPENSSH}"))),
            ("OpenSSH, RSA", text("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ== user")),
            ("OpenSSH, ECDSA", text("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=")),
            (
                "SSH2",
                text(
                    "---- BEGIN SSH2 PUBLIC KEY ----\nComment: c\nAAAAC3NzaC1lZDI1NTE5AAAAINdam\n---- END SSH2 PUBLIC KEY ----",
                ),
            ),
            ("JWK", text(&jwk)),
            ("JWK of RSA", text(&rsa)),
            ("weak JWK", text(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#)),
            ("JWK in quotes", text_with(format!("'{jwk}'"))),
            ("JWK as a JSON string", text_with(serde_json::to_string(&jwk).unwrap())),
            ("JWK in a list", text_with(format!("[{jwk}]"))),
            ("JWK in base64url", text_with(base64url::encode(jwk.as_bytes()))),
            ("JWK Set", text_with(format!(r#"{{"keys":[{jwk}]}}"#))),
            ("JWK Set in UTF-16", utf16(&format!(r#"{{"keys":[{jwk}]}}"#), u16::to_le_bytes, &[0xff, 0xfe])),
            ("modulus", text(N)),
            ("modulus in base64", text(&modulus)),
            ("modulus in base64 with line breaks", text_with(wrapped(&modulus))),
            ("modulus in hexadecimal", text_with(hex(&bytes(N)))),
            ("modulus in hexadecimal with a zero byte", text_with(format!("00{}", hex(&bytes(N))))),
            ("modulus as OpenSSL prints it", text_with(format!("Modulus={}", hex(&bytes(N)).to_uppercase()))),
            ("modulus in quotes", text_with(format!("\"{N}\""))),
            ("modulus, bytes", bytes(N)),
            (
                "XML",
                text_with(format!("<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>")),
            ),
            (
                "XML with a certificate",
                text("<ds:X509Data><ds:X509Certificate>MIIB</ds:X509Certificate></ds:X509Data>"),
            ),
        ]
    }

    #[test]
    fn public_keys_of_every_form_are_no_secrets() {
        for (name, form) in public_forms() {
            assert_eq!(VerifyingKey::from_secret(&form).unwrap_err(), InvalidKey::NotASecret, "{name}");
            let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url::encode(&form));
            assert_eq!(VerifyingKey::from_secret_jwk(&jwk).unwrap_err(), InvalidKey::NotASecret, "{name} in a JWK");
        }
    }

    #[test]
    fn random_secrets_are_secrets() {
        let random = |length: usize| (0..length).map(|_| fastrand::u8(..)).collect::<Vec<_>>();
        for round in 0..3_000 {
            let bytes = random(32 + round % 200);
            let texts = [
                STANDARD.encode_to_string(&bytes),
                base64url::encode(&bytes),
                hex(&bytes),
                wrapped(&STANDARD.encode_to_string(&bytes)),
                format!("{}\n", STANDARD.encode_to_string(&bytes)),
                (0..40).map(|_| fastrand::char(' '..='~')).collect(),
            ];
            assert!(!is_public(&bytes), "{bytes:?}");
            for text in texts {
                assert!(!is_public(text.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn texts_that_only_look_similar_are_secrets() {
        let oct = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
        for secret in [
            oct,
            "{ a passphrase of at least 32 bytes }",
            "[1111111111111111111111111111111111]",
            "BEGIN with at least 32 bytes -----BEGIN ",
            r#"{"a":"passphrase","of":["at","least",32,"bytes"]}"#,
            "ssh-rsa is not a secret, but this is a passphrase",
            "modulus=the passphrase of at least 32 bytes",
        ] {
            assert!(VerifyingKey::from_secret(secret.as_bytes()).is_ok(), "{secret}");
        }
        // Neither a text of this length nor a number with a small factor is a modulus.
        assert!(!is_modulus(&[b'a'; 256]) && !is_modulus(&[0xff; 256]) && !is_modulus(&bytes(N)[..255]));
    }
}
