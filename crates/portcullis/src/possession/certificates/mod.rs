//! Where the client certificate of a request is found, for tokens that are bound to one (RFC 8705).

mod encodings;
mod proxies;
mod xfcc;

use std::borrow::Cow;

use crate::credential::{RequestView, Thumbprint, is_token, the_only_field, trim};
use crate::error::{AuthError, ConfigError, InvalidToken};
pub use proxies::TrustedProxies;

/// How long a field with a certificate may be, in bytes. A chain may be in it.
const MAX_FIELD_BYTES: usize = 32 * 1024;

/// Where the client certificate of a request is found, for tokens that are bound to one (RFC 8705 §3). Give it to
/// [`Gate::with_client_certificates`](crate::Gate::with_client_certificates).
///
/// There is exactly one place: the TLS connection, if the service itself ends TLS, or the header field of a proxy that does.
/// A field counts only if the request comes from a proxy that the configuration trusts ([`TrustedProxies`]). From any other
/// peer it is ignored, so the request has no certificate. A field that is not of the form, and one of two fields, prove
/// nothing either.
///
/// ```
/// use portcullis::possession::{ClientCertificates, TrustedProxies};
///
/// # fn gate(gate: portcullis::Gate) -> Result<portcullis::Gate, portcullis::ConfigError> {
/// // nginx: proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
/// let certificates = ClientCertificates::nginx("X-Client-Cert", TrustedProxies::at(["10.0.0.0/24"])?)?;
/// Ok(gate.with_client_certificates(certificates))
/// # }
/// ```
///
/// What to write in the configuration of each proxy:
/// [Proof of possession](crate::_docs::proof_of_possession).
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    source: Source,
    is_required: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Tls,
    Field { name: Cow<'static, str>, form: Form, proxies: TrustedProxies },
}

/// How a field contains a certificate.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Base64 of DER.
    Base64,
    /// A byte sequence of structured fields: base64 of DER between colons (RFC 9440 §2.1).
    ByteSequence,
    /// One certificate in PEM, percent-encoded.
    EscapedPem,
    /// One or more certificates in PEM, percent-encoded. The first is the client's.
    EscapedPemChain,
    /// An element of `X-Forwarded-Client-Cert`.
    Xfcc,
}

impl ClientCertificates {
    /// From the TLS connection, where the service itself ends TLS. The server gives each connection a
    /// [`ClientCertificate`](crate::possession::ClientCertificate), which the adapter finds: on Axum among the extensions of the request, on Actix in the
    /// connection's data (`on_connect`).
    ///
    /// Where the server gives none, a bound token is answered with 500, and the log says why.
    #[must_use]
    pub fn from_tls() -> Self {
        Self { source: Source::Tls, is_required: false }
    }

    /// From the field `Client-Cert` of RFC 9440, which Cloudflare, for example, writes by a rule of the service's zone.
    #[must_use]
    pub fn rfc9440(proxies: TrustedProxies) -> Self {
        Self::field("client-cert", Form::ByteSequence, proxies)
    }

    /// From the field `X-Forwarded-Client-Cert` of Envoy with `forward_client_cert_details: SANITIZE_SET`. It must have one
    /// element with one `Hash`, which Envoy always writes. A `Cert` is optional, and must agree with it.
    #[must_use]
    pub fn envoy(proxies: TrustedProxies) -> Self {
        Self::field("x-forwarded-client-cert", Form::Xfcc, proxies)
    }

    /// From the field `name`, to which nginx writes `$ssl_client_escaped_cert`: the certificate in PEM, percent-encoded.
    ///
    /// # Errors
    /// [`ConfigError`] when `name` is not the name of a field.
    pub fn nginx(name: &str, proxies: TrustedProxies) -> Result<Self, ConfigError> {
        if !is_token(name.as_bytes()) {
            let hint = "write the name that proxy_set_header has, for example X-Client-Cert";
            return Err(ConfigError::new("client_certificate_header", "not the name of a header field", hint));
        }
        Ok(Self::field(name.to_ascii_lowercase(), Form::EscapedPem, proxies))
    }

    /// From the field `X-Amzn-Mtls-Clientcert-Leaf` of an AWS Application Load Balancer that verifies client certificates.
    #[must_use]
    pub fn aws_alb(proxies: TrustedProxies) -> Self {
        Self::field("x-amzn-mtls-clientcert-leaf", Form::EscapedPem, proxies)
    }

    /// From the field `X-Amzn-Mtls-Clientcert` of an AWS Application Load Balancer in passthrough mode: the client's
    /// certificate and those of its issuers.
    #[must_use]
    pub fn aws_alb_passthrough(proxies: TrustedProxies) -> Self {
        Self::field("x-amzn-mtls-clientcert", Form::EscapedPemChain, proxies)
    }

    /// From the field `Cf-Client-Cert-Der-Base64`, which Cloudflare Access writes for hostnames with
    /// `client_certificate_forwarding`.
    ///
    /// Prefer [`Self::rfc9440`] with a rule of the zone: it is written for each request, only for verified certificates, and
    /// the rule removes a copy of the client.
    #[must_use]
    pub fn cloudflare_access(proxies: TrustedProxies) -> Self {
        Self::field("cf-client-cert-der-base64", Form::Base64, proxies)
    }

    /// Requires that each token is bound: to a client certificate or, on a gate with
    /// [`with_dpop`](crate::Gate::with_dpop), to a key. Other tokens are refused as `sender_constrained`. Without this, only
    /// tokens that are bound need a proof.
    #[must_use]
    pub fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn field(name: impl Into<Cow<'static, str>>, form: Form, proxies: TrustedProxies) -> Self {
        Self { source: Source::Field { name: name.into(), form, proxies }, is_required: false }
    }

    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Checks that `request` has the certificate whose thumbprint is `confirmed`: the member `x5t#S256` of `cnf`.
    pub(crate) fn prove(&self, confirmed: &str, request: &dyn RequestView) -> Result<(), AuthError> {
        let thumbprint = match &self.source {
            Source::Tls => of_connection(request)?,
            Source::Field { name, form, proxies } => {
                proxies.check_peer(request)?;
                form.read_field(name, request).map_err(unproven)?
            }
        };
        if thumbprint.is(confirmed) { Ok(()) } else { Err(unproven("the certificate is another one").into()) }
    }
}

fn of_connection(request: &dyn RequestView) -> Result<Thumbprint, AuthError> {
    let Some(certificate) = request.client_certificate() else {
        let problem =
            "client certificates are read from TLS, but the server gives no ClientCertificate to its requests";
        return Err(AuthError::Server(problem.into()));
    };
    Ok(certificate.thumbprint().ok_or_else(|| unproven("the connection has no client certificate"))?)
}

/// The error for a request that does not prove the certificate. `problem` is only for the log.
fn unproven(problem: &'static str) -> InvalidToken {
    InvalidToken::WrongCertificate { problem }
}

impl Form {
    fn read_field(self, name: &str, request: &dyn RequestView) -> Result<Thumbprint, &'static str> {
        let field = the_only_field(request, name).map_err(|_| "two fields have a certificate")?;
        let value = trim(field.unwrap_or_default());
        if value.is_empty() {
            return Err("the request has no client certificate");
        }
        if value.len() > MAX_FIELD_BYTES {
            return Err("the field with the certificate is too long");
        }
        let thumbprint = match self {
            Self::Base64 => encodings::base64(value).map(|der| Thumbprint::of(&der)),
            Self::ByteSequence => encodings::byte_sequence(value).map(|der| Thumbprint::of(&der)),
            Self::EscapedPem => encodings::escaped_pem(value).map(|der| Thumbprint::of(&der)),
            Self::EscapedPemChain => encodings::first_of_escaped_pem(value).map(|der| Thumbprint::of(&der)),
            Self::Xfcc => xfcc::thumbprint(value),
        };
        thumbprint.ok_or("the field with the certificate is not of the configured form")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::credential::{ClientCertificate, HeaderList};
    use crate::dangerous::every_peer_is_a_proxy;
    use crate::jose::base64url;

    const DER: &[u8] = b"0\x82 a certificate, as far as this module can tell >>>???";
    const PROXY: &str = "10.0.0.7";

    fn confirmed() -> String {
        base64url::encode(&crate::hash::sha256(DER))
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::at(["10.0.0.0/24"]).unwrap()
    }

    /// Each source that reads a field, with the field and a good value of it.
    fn sources() -> Vec<(ClientCertificates, &'static str, String)> {
        let base64 = base64_simd::STANDARD.encode_to_string(DER);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        let escaped = pem.replace(' ', "%20").replace('\n', "%0A");
        let fully_escaped = escaped.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let hash: String = crate::hash::sha256(DER).iter().map(|byte| format!("{byte:02x}")).collect();
        vec![
            (ClientCertificates::rfc9440(proxies()), "client-cert", format!(":{base64}:")),
            (
                ClientCertificates::envoy(proxies()),
                "x-forwarded-client-cert",
                format!("Hash={hash};Cert=\"{fully_escaped}\""),
            ),
            (ClientCertificates::nginx("X-Cert", proxies()).unwrap(), "x-cert", fully_escaped),
            (ClientCertificates::aws_alb(proxies()), "x-amzn-mtls-clientcert-leaf", escaped.clone()),
            (
                ClientCertificates::aws_alb_passthrough(proxies()),
                "x-amzn-mtls-clientcert",
                format!("{escaped}-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A"),
            ),
            (ClientCertificates::cloudflare_access(proxies()), "cf-client-cert-der-base64", base64),
        ]
    }

    fn request(fields: &[(&str, &str)], peer: Option<&str>) -> HeaderList {
        let request = HeaderList::new("GET", fields.iter().copied());
        match peer {
            Some(peer) => request.with_peer_address(peer.parse().unwrap()),
            None => request,
        }
    }

    /// `true`, or why the certificate is not proven.
    fn proof(certificates: &ClientCertificates, request: &HeaderList) -> Result<(), String> {
        certificates.prove(&confirmed(), request).map_err(|error| match error {
            AuthError::InvalidToken(InvalidToken::WrongCertificate { problem }) => problem.to_owned(),
            AuthError::Server(_) => "server".to_owned(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn field_of_a_trusted_proxy_proves_the_certificate() {
        for (certificates, name, value) in sources() {
            for value in [value.clone(), format!(" {value}\t")] {
                assert_eq!(proof(&certificates, &request(&[(name, &value)], Some(PROXY))), Ok(()), "{name}");
            }
            let other = certificates.prove("x", &request(&[(name, &value)], Some(PROXY))).unwrap_err();
            assert_eq!(other.reason().map(|reason| reason.as_str()), Some("wrong_certificate"), "{name}");
        }
    }

    #[test]
    fn field_of_another_peer_is_ignored() {
        for (certificates, name, value) in sources() {
            for peer in ["10.0.1.7", "127.0.0.1", "::1", "::ffff:10.0.1.7", "192.0.2.1"] {
                let told = proof(&certificates, &request(&[(name, &value)], Some(peer)));
                assert_eq!(told, Err("the request is not from a trusted proxy".to_owned()), "{name} {peer}");
            }
            // A server that does not tell its peers must not look like one whose peers are trusted.
            assert_eq!(proof(&certificates, &request(&[(name, &value)], None)), Err("server".to_owned()), "{name}");
        }
    }

    #[test]
    fn two_values_are_refused() {
        for (certificates, name, value) in sources() {
            let twice = request(&[(name, &value), (name, &value)], Some(PROXY));
            assert_eq!(proof(&certificates, &twice), Err("two fields have a certificate".to_owned()), "{name}");
            for joined in [format!("{value},{value}"), format!("{value}, {value}"), format!("{value};{value}")] {
                assert!(proof(&certificates, &request(&[(name, &joined)], Some(PROXY))).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn other_fields_and_values_prove_nothing() {
        for (certificates, name, value) in sources() {
            let absent = Err("the request has no client certificate".to_owned());
            assert_eq!(proof(&certificates, &request(&[], Some(PROXY))), absent, "{name}");
            assert_eq!(proof(&certificates, &request(&[(name, " ")], Some(PROXY))), absent, "{name}");
            let others = sources().into_iter().filter(|(_, other, _)| *other != name);
            for (_, other, value_of_other) in others {
                assert_eq!(proof(&certificates, &request(&[(other, &value_of_other)], Some(PROXY))), absent);
                // The forms of nginx and of both fields of AWS are alike.
                if !value_of_other.starts_with('-') || !value.starts_with('-') {
                    assert!(
                        proof(&certificates, &request(&[(name, &value_of_other)], Some(PROXY))).is_err(),
                        "{name} {other}"
                    );
                }
            }
            let long = format!("{value}{}", " ".repeat(MAX_FIELD_BYTES)) + "x";
            let too_long = Err("the field with the certificate is too long".to_owned());
            assert_eq!(proof(&certificates, &request(&[(name, &long)], Some(PROXY))), too_long, "{name}");
            // The certificate of a TLS connection is that of the proxy.
            let of_connection =
                request(&[], Some(PROXY)).with_client_certificate(ClientCertificate::from_tls(Some(&[DER])));
            assert_eq!(proof(&certificates, &of_connection), absent, "{name}");
        }
    }

    #[test]
    fn tls_needs_the_certificate_of_the_connection() {
        let certificates = ClientCertificates::from_tls();
        let with = |certificate| request(&[], None).with_client_certificate(certificate);
        assert_eq!(proof(&certificates, &with(ClientCertificate::from_tls(Some(&[DER, b"issuer"])))), Ok(()));
        let other = with(ClientCertificate::from_tls(Some(&[b"issuer", DER])));
        assert_eq!(proof(&certificates, &other), Err("the certificate is another one".to_owned()));
        let absent = with(ClientCertificate::absent());
        assert_eq!(proof(&certificates, &absent), Err("the connection has no client certificate".to_owned()));
        // No field counts, from no peer.
        for (_, name, value) in sources() {
            let request = request(&[(name, &value)], Some(PROXY));
            assert_eq!(proof(&certificates, &request), Err("server".to_owned()), "{name}");
            let request = request.with_client_certificate(ClientCertificate::absent());
            assert_eq!(proof(&certificates, &request), absent_of_tls(), "{name}");
        }
    }

    fn absent_of_tls() -> Result<(), String> {
        Err("the connection has no client certificate".to_owned())
    }

    #[test]
    fn every_peer_can_be_trusted_by_name() {
        let certificates = ClientCertificates::rfc9440(every_peer_is_a_proxy());
        let (_, name, value) = sources().remove(0);
        let anywhere: IpAddr = "192.0.2.1".parse().unwrap();
        let request = HeaderList::new("GET", [(name, value)]);
        assert_eq!(proof(&certificates, &request), Ok(()));
        assert_eq!(proof(&certificates, &request.with_peer_address(anywhere)), Ok(()));
    }

    #[test]
    fn header_name_must_be_one() {
        for name in ["", "X Cert", "X-Cert:", "X-\u{e9}", "X-Cert\r\nY"] {
            let error = ClientCertificates::nginx(name, proxies()).unwrap_err();
            assert_eq!(error.field(), "client_certificate_header", "{name:?}");
        }
    }
}
