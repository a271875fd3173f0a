//! Public keys in PEM (RFC 7468) and DER: SubjectPublicKeyInfo, PKCS #1 and X.509 certificates.

use base64_simd::{STANDARD, STANDARD_NO_PAD};
use pkcs1::RsaPublicKeyRef;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::material::{InvalidKey, Material};

// RFC 8017 appendix C, RFC 5480 §2.1.1, RFC 8410 §3. The identifiers of curves and of ML-DSA are those of the algorithms.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads the first public key or certificate of a PEM text. A text that is only base64, as some identity providers show
/// their key, is read like PEM without its first and last line.
pub(crate) fn read_pem(text: &str) -> Result<Material, InvalidKey> {
    if let Some(der) = bare_base64(text) {
        return match read_der(&der) {
            Err(InvalidKey::Der) => Err(InvalidKey::Pem),
            read => read,
        };
    }
    let sections = pem::parse_many(text).map_err(|_| InvalidKey::Pem)?;
    for section in &sections {
        return match section.tag() {
            "PUBLIC KEY" => read_spki(section.contents()),
            "RSA PUBLIC KEY" => read_pkcs1(section.contents()),
            "CERTIFICATE" => read_certificate(section.contents()),
            tag if tag.ends_with("PRIVATE KEY") => Err(InvalidKey::PrivateKey),
            _ => continue,
        };
    }
    Err(InvalidKey::Pem)
}

/// Reads a certificate from an element of `x5c` (RFC 7517 §4.7).
pub(crate) fn read_x5c(base64: &str) -> Result<Material, InvalidKey> {
    let invalid = InvalidKey::MalformedMember { member: "x5c" };
    read_certificate(&STANDARD.decode_to_vec(base64).map_err(|_| invalid)?)
}

/// Decodes a text that is base64 and nothing else, with line breaks and with or without padding.
fn bare_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    let unpadded = text.trim_end_matches('=');
    if unpadded.is_empty() { None } else { STANDARD_NO_PAD.decode_to_vec(unpadded).ok() }
}

/// Reads DER of any of the three forms. Their structures differ, so at most one fits.
pub(crate) fn read_der(der: &[u8]) -> Result<Material, InvalidKey> {
    if SubjectPublicKeyInfoRef::from_der(der).is_ok() {
        return read_spki(der);
    }
    if RsaPublicKeyRef::from_der(der).is_ok() {
        return read_pkcs1(der);
    }
    read_certificate(der)
}

fn read_certificate(der: &[u8]) -> Result<Material, InvalidKey> {
    use x509_cert::der::Encode;
    let certificate = Certificate::from_der(der).map_err(|_| InvalidKey::Der)?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().map_err(|_| InvalidKey::Der)?;
    read_spki(&spki)
}

fn read_pkcs1(der: &[u8]) -> Result<Material, InvalidKey> {
    let key = RsaPublicKeyRef::from_der(der).map_err(|_| InvalidKey::Der)?;
    Material::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

fn read_spki(der: &[u8]) -> Result<Material, InvalidKey> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| InvalidKey::Der)?;
    let bytes = spki.subject_public_key.as_bytes().ok_or(InvalidKey::Der)?;
    match spki.algorithm.oid {
        RSA => read_pkcs1(bytes),
        EC => {
            let oid = spki.algorithm.parameters_oid().map_err(|_| InvalidKey::Der)?;
            let algorithm = Algorithm::with_curve(|curve| curve.oid == oid).ok_or(InvalidKey::UnsupportedCurve)?;
            Material::ec_point(algorithm, bytes.to_vec())
        }
        ED25519 => Material::ed25519(bytes),
        oid => {
            let is_ml_dsa =
                |key_type: &KeyType| matches!(key_type, KeyType::MlDsa(parameters) if parameters.oid == oid);
            let algorithm = Algorithm::with_key_type(is_ml_dsa).ok_or(InvalidKey::UnsupportedType)?;
            Material::ml_dsa(algorithm, bytes.to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_public_key_is_refused() {
        assert_eq!(read_pem("").err(), Some(InvalidKey::Pem));
        // As environment variables often contain it.
        let written_out = r"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        let told = read_pem(written_out).err().unwrap().to_string();
        assert!(told.ends_with(r"or its line breaks are written as \n"), "{told}");
        assert_eq!(read_pem("ssh-rsa AAAA").err(), Some(InvalidKey::Pem));
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
        assert_eq!(read_pem(private).err(), Some(InvalidKey::PrivateKey));
        let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert_eq!(read_pem(broken).err(), Some(InvalidKey::Der));
    }

    #[test]
    fn bare_base64_is_read_as_pem() {
        // RFC 8037, appendix A.2, as a SubjectPublicKeyInfo.
        let bare = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let pem = read_pem(&format!("-----BEGIN PUBLIC KEY-----\n{bare}\n-----END PUBLIC KEY-----\n")).ok();
        let wrapped = format!("{}\r\n{}", &bare[..32], &bare[32..]);
        for text in [bare, &format!("\n {bare}\n"), bare.trim_end_matches('='), &wrapped] {
            assert!(read_pem(text).ok() == pem && pem.is_some(), "{text}");
        }
        // Base64 of something else, another alphabet, or more than base64.
        for text in ["Zm9v", "", "=", &bare.replace('/', "_"), &format!("{bare}!"), &format!("key: {bare}")] {
            assert_eq!(read_pem(text).err(), Some(InvalidKey::Pem), "{text}");
        }
    }

    #[test]
    fn garbage_is_not_der() {
        for der in [&b""[..], b"\x30", b"\x30\x80", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0; 300]] {
            assert_eq!(read_der(der).err(), Some(InvalidKey::Der));
        }
    }
}
