//! How a caller was verified, and the key that it has to prove.

use serde_json::value::RawValue;

use crate::claims::Claims;
use crate::jose::json::JsonObject;

/// How the claims of a caller were verified.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Evidence {
    /// A key that the service gave to a client.
    ApiKey,
    /// Nothing: [`dangerous::assume_verified`](crate::dangerous::assume_verified) made the caller.
    Assumed,
    /// The answer of an introspection endpoint (RFC 7662).
    Introspection,
    /// A session that the service keeps.
    Session,
    /// The signature of a token.
    Signature,
}

/// The key that a token is bound to. The sender of the token has to prove that it holds the key (`cnf`, RFC 7800).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SenderConstraint {
    /// A client certificate of mutual TLS (RFC 8705 §3.1).
    Certificate {
        /// Its SHA-256 thumbprint, base64url-encoded: `x5t#S256`.
        thumbprint: String,
    },
    /// A client certificate and the key of DPoP proofs. The sender has to prove both.
    CertificateAndDpop {
        /// The thumbprint of the certificate: `x5t#S256`.
        certificate: String,
        /// The thumbprint of the key of proofs: `jkt`.
        dpop: String,
    },
    /// The key of DPoP proofs (RFC 9449 §6.1).
    Dpop {
        /// Its SHA-256 JWK thumbprint, base64url-encoded: `jkt`.
        thumbprint: String,
    },
    /// A key that this crate cannot check, or a `cnf` that cannot be read.
    Other,
}

impl SenderConstraint {
    /// Reads `cnf`; `None` when it is absent or null. Other members next to `jkt` or `x5t#S256` do not matter (RFC 7800 §3.1).
    pub(crate) fn read(claims: &Claims) -> Option<Self> {
        let confirmation = match claims.get::<&RawValue>("cnf") {
            Ok(None) => return None,
            Ok(Some(confirmation)) => confirmation.get(),
            Err(_) => return Some(Self::Other),
        };
        Some(Self::read_members(confirmation).unwrap_or(Self::Other))
    }

    fn read_members(confirmation: &str) -> Option<Self> {
        let members = JsonObject::parse(confirmation.as_bytes().to_vec()).ok()?;
        let text = |name| {
            let text = members.optional_string(name).ok()?;
            Some(text.map(|text| text.of(members.text()).to_owned()))
        };
        match (text("x5t#S256")?, text("jkt")?) {
            (Some(certificate), Some(dpop)) => Some(Self::CertificateAndDpop { certificate, dpop }),
            (Some(thumbprint), None) => Some(Self::Certificate { thumbprint }),
            (None, Some(thumbprint)) => Some(Self::Dpop { thumbprint }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_member_of_cnf_is_a_constraint() {
        let read = |claims: &str| SenderConstraint::read(&Claims::parse(claims.as_bytes().to_vec()).unwrap());
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"cnf":null}"#), None);
        let thumbprint = || "0Zcf".to_owned();
        assert_eq!(read(r#"{"cnf":{"jkt":"0Z\u0063f"}}"#), Some(SenderConstraint::Dpop { thumbprint: thumbprint() }));
        let certificate = SenderConstraint::Certificate { thumbprint: thumbprint() };
        assert_eq!(read(r#"{"cnf":{"x5t#S256":"0Zcf"}}"#), Some(certificate));
        for more in [r#""kid":"b""#, r#""jwk":{"kty":"OKP"}"#, r#""https://issuer.example/key":[1]"#] {
            let claims = format!(r#"{{"cnf":{{{more},"jkt":"0Zcf"}}}}"#);
            assert_eq!(read(&claims), Some(SenderConstraint::Dpop { thumbprint: thumbprint() }), "{more}");
        }
        let both = SenderConstraint::CertificateAndDpop { certificate: "b".to_owned(), dpop: "a".to_owned() };
        assert_eq!(read(r#"{"cnf":{"jkt":"a","x5t#S256":"b"}}"#), Some(both));
        for other in [
            "{}",
            "[]",
            "7",
            r#""0Zcf""#,
            r#"{"jkt":7}"#,
            r#"{"jkt":null}"#,
            r#"{"kid":"0Zcf"}"#,
            r#"{"jwk":{"kty":"OKP"}}"#,
            r#"{"jkt":"a","x5t#S256":7}"#,
            r#"{"jkt":null,"x5t#S256":"b"}"#,
            r#"{"jkt":"a","jkt":"b"}"#,
        ] {
            assert_eq!(read(&format!(r#"{{"cnf":{other}}}"#)), Some(SenderConstraint::Other), "{other}");
        }
    }
}
