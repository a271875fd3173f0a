//! Reading a key from a JWK, from PEM, from DER, or from the bytes of a secret.

use crate::jose::jwk;
use crate::jose::key::VerifyingKey;
use crate::jose::key_set::KeySet;
use crate::jose::material::{InvalidKey, Material};
use crate::jose::pem_der;

impl VerifyingKey {
    /// Reads a public key from the text of a JWK (RFC 7517). Private members are ignored.
    ///
    /// # Errors
    /// Why the key cannot be used. A symmetric key is refused: see [`Self::from_secret`] and [`Self::from_secret_jwk`].
    pub fn from_jwk(json: &str) -> Result<Self, InvalidKey> {
        jwk::read_public(json)
    }

    /// Reads a shared secret from the text of an `oct` JWK (RFC 7518 §6.4).
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub fn from_secret_jwk(json: &str) -> Result<Self, InvalidKey> {
        jwk::read_secret(json)
    }

    /// Makes a key for the HMAC algorithms from a shared secret of at least 32 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    /// [`InvalidKey::SecretTooShort`], or [`InvalidKey::NotASecret`] for a public key or a certificate in PEM, DER, a JWK
    /// or a JWK Set: these are public, so anyone could sign with them.
    pub fn from_secret(secret: &[u8]) -> Result<Self, InvalidKey> {
        if is_public(secret) {
            return Err(InvalidKey::NotASecret);
        }
        Self::prepare(Material::secret(secret.to_vec())?)
    }

    /// Reads the first public key or certificate of a PEM text: `PUBLIC KEY` (RFC 5280 SubjectPublicKeyInfo),
    /// `RSA PUBLIC KEY` (RFC 8017) or `CERTIFICATE` (X.509, of which only the key is used). The base64 text of one of these,
    /// without the lines around it, is read as well.
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        Self::prepare(pem_der::read_pem(pem)?)
    }

    /// Reads DER: a SubjectPublicKeyInfo, a PKCS #1 RSAPublicKey or an X.509 certificate.
    ///
    /// # Errors
    /// Why the key cannot be used.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        Self::prepare(pem_der::read_der(der)?)
    }
}

/// Whether `bytes` are a public key in any form, usable or not. If it were accepted as a secret, anyone with the public
/// key could sign.
fn is_public(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN ")
        || pem_der::read_der(bytes).err() != Some(InvalidKey::Der)
        || std::str::from_utf8(bytes).is_ok_and(is_public_json)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;

    /// RFC 7515, appendix A.3.1.
    const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"a3","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","issuer":"https://i.example"}"#;

    #[test]
    fn public_keys_are_refused_as_secrets() {
        let spki = [
            &[0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3]
                [..],
            &[1, 7, 3, 0x42, 0, 4],
            &base64url::decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU").unwrap(),
            &base64url::decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0").unwrap(),
        ]
        .concat();
        let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", spki.as_slice()));
        assert!(VerifyingKey::from_der(&spki).is_ok() && VerifyingKey::from_pem(&pem).is_ok(), "the premise");
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
        let set = format!(r#"{{"keys":[{P256}]}}"#);
        let weak = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
        for public in [
            weak.into(),
            spki,
            pem.clone().into(),
            format!("\n {pem}").into(),
            certificate.into(),
            P256.into(),
            set.into(),
        ] {
            assert_eq!(VerifyingKey::from_secret(&public).unwrap_err(), InvalidKey::NotASecret);
        }
        let oct = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
        for secret in [
            oct,
            "{ a passphrase of at least 32 bytes }",
            "[1111111111111111111111111111111111]",
            "BEGIN with at least 32 bytes -----BEGIN ",
        ] {
            assert!(VerifyingKey::from_secret(secret.as_bytes()).is_ok(), "{secret}");
        }
    }
}
