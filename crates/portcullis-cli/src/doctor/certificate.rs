//! What the certificates of a server or of a signing key say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::claims::NumericDate;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// A certificate, as far as it is shown.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// The names that it is for: host names and addresses.
    pub(super) names: Vec<String>,
    pub(super) not_before: NumericDate,
    pub(super) not_after: NumericDate,
}

impl Facts {
    pub(super) fn of_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let of = certificate.tbs_certificate();
        let date = |time: &Time| {
            NumericDate::from_unix(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX), 0)
        };
        let names = of
            .get_extension::<SubjectAltName>()
            .ok()
            .flatten()
            .map_or_else(Vec::new, |(_, names)| names.0.iter().filter_map(shown_name).collect());
        Some(Self {
            subject: of.subject().to_string(),
            issuer: of.issuer().to_string(),
            names,
            not_before: date(&of.validity().not_before),
            not_after: date(&of.validity().not_after),
        })
    }

    /// Reads the certificates of a PEM text.
    pub(super) fn of_pem(text: &str) -> Vec<Self> {
        let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let bodies = blocks.filter_map(|block| block.split("-----END").next());
        bodies.filter_map(Self::of_base64).collect()
    }

    /// Reads a certificate of the member `x5c` of a key (RFC 7517 §4.7).
    pub(super) fn of_base64(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        Self::of_der(&STANDARD.decode(text).ok()?)
    }

    /// Whether it is for this host.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            let wildcard = name.strip_prefix("*.").zip(host.split_once('.'));
            name == host || wildcard.is_some_and(|(domain, (_, parent))| domain == parent)
        })
    }
}

fn shown_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            [a, b, c, d] => Some(format!("{a}.{b}.{c}.{d}")),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_is_for_one_label() {
        let facts = |name: &str| Facts {
            subject: String::new(),
            issuer: String::new(),
            names: vec![name.to_owned()],
            not_before: NumericDate::from_unix(0, 0),
            not_after: NumericDate::from_unix(0, 0),
        };
        assert!(facts("a.example").is_for("A.example") && facts("*.example").is_for("a.example"));
        assert!(facts("127.0.0.1").is_for("127.0.0.1") && facts("::1").is_for("[::1]"));
        for (name, host) in [("*.example", "a.b.example"), ("*.example", "example"), ("a.example", "b.example")] {
            assert!(!facts(name).is_for(host), "{name} {host}");
        }
    }
}
