//! A private authority, its certificates, and clients that present them.

#![allow(dead_code, reason = "a test target uses a part of it")]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

pub(crate) const BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The certificate and the key of one side.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
}

/// A private authority that certifies both sides.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate whose issuer has the same name for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn certify(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), key: PrivatePkcs8KeyDer::from(key.serialize_der()) }
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    /// A server with this name, which asks clients for a certificate, and also serves clients without one.
    pub(crate) fn server(&self, name: &str) -> Arc<ServerConfig> {
        let Identity { certificate, key } = self.certify(name);
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
        Arc::new(config)
    }

    /// A client that presents this certificate, or none, and that knows servers of this authority.
    pub(crate) fn client(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match identity {
            Some(Identity { certificate, key }) => {
                let key = PrivateKeyDer::from(key.clone_key());
                config.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
            None => config.with_no_client_auth(),
        })
    }
}

/// Returns the PEM of a certificate or a key.
pub(crate) fn pem(tag: &str, der: &[u8]) -> String {
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
}
