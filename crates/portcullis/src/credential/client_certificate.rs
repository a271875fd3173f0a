//! The client's certificate of a TLS connection.

use std::fmt;

use crate::hash::sha256;
use crate::jose::base64url;

/// What a server knows about the client's certificate of a TLS connection. A server makes one for each connection, and an
/// adapter finds it with the connection's requests.
///
/// It keeps only the thumbprint, so it is cheap to copy, and requests do not hash the certificate again.
///
/// ```
/// use portcullis::possession::ClientCertificate;
///
/// // With rustls: `ClientCertificate::from_tls(connection.peer_certificates())`.
/// let chain: Option<&[Vec<u8>]> = None;
/// assert_eq!(ClientCertificate::from_tls(chain), ClientCertificate::absent());
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ClientCertificate(Option<Thumbprint>);

/// The SHA-256 of a certificate's DER encoding (RFC 8705 §3.1).
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Thumbprint([u8; 32]);

impl ClientCertificate {
    /// The certificate of a client that sent `chain` in the TLS handshake: certificates in DER, and the client's own first.
    /// `None`, and an empty chain, mean that it sent no certificate.
    ///
    /// The TLS library must have checked that the client has the private key, as each does unless the check is taken out.
    /// Whether it also checks who issued the certificate makes no difference to bound tokens (RFC 8705 §3).
    #[must_use]
    pub fn from_tls<C: AsRef<[u8]>>(chain: Option<&[C]>) -> Self {
        Self(chain.and_then(<[C]>::first).map(|certificate| Thumbprint::of(certificate.as_ref())))
    }

    /// The connection has no client certificate, for example because it does not use TLS.
    #[must_use]
    pub const fn absent() -> Self {
        Self(None)
    }

    pub(crate) fn thumbprint(&self) -> Option<Thumbprint> {
        self.0
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ClientCertificate { .. }" } else { "ClientCertificate { absent }" })
    }
}

impl Thumbprint {
    /// The thumbprint of the certificate with this DER encoding.
    pub(crate) fn of(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }

    /// Whether it is the value of the member `x5t#S256` of `cnf`.
    pub(crate) fn is(&self, confirmed: &str) -> bool {
        base64url::encode(&self.0) == confirmed
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thumbprint { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc`, from FIPS 180-2, appendix B.1.
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const ENCODED: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

    #[test]
    fn thumbprint_is_the_sha_256_of_the_first_certificate() {
        let certificate = ClientCertificate::from_tls(Some(&[&b"abc"[..], b"issuer"]));
        let thumbprint = certificate.thumbprint().unwrap();
        assert_eq!(Some(thumbprint), Thumbprint::from_hex(OF_ABC.as_bytes()));
        assert!(thumbprint.is(ENCODED));
        for other in ["", OF_ABC, &ENCODED[..42], &format!("{ENCODED}="), &ENCODED.to_lowercase()] {
            assert!(!thumbprint.is(other), "{other}");
        }
        assert_eq!(ClientCertificate::from_tls::<Vec<u8>>(None), ClientCertificate::absent());
        assert_eq!(ClientCertificate::from_tls::<Vec<u8>>(Some(&[])), ClientCertificate::absent());
    }

    #[test]
    fn hexadecimal_digits_have_one_length() {
        assert_eq!(Thumbprint::from_hex(OF_ABC.to_uppercase().as_bytes()), Some(Thumbprint::of(b"abc")));
        for other in
            ["", &OF_ABC[..62], &OF_ABC[..63], &format!("{OF_ABC}0"), &format!("{OF_ABC}00"), &OF_ABC.replace('b', "g")]
        {
            assert_eq!(Thumbprint::from_hex(other.as_bytes()), None, "{other}");
        }
    }
}
