//! TLS: a server without a valid certificate gets no request, and nothing falls back to plain HTTP.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use portcullis::keys::RemoteKeysBuilder;
use portcullis_testing::{Fault, IssuerServer};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::child::run_in_child;
use crate::support::{Scene, es256};

/// A private certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn certify(&self, params: CertificateParams) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A TLS server in front of an issuer, on its own thread.
struct TlsFront {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TlsFront {
    fn before(server: &IssuerServer, (certificate, key): (Certificate, KeyPair)) -> Self {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        // The server prefers HTTP/2, which the issuer behind it does not understand.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), server.address());
        let (stop, mut stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let stream = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        _ = &mut stopped => return,
                    };
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        let mut outside = acceptor.accept(stream).await?;
                        let mut inside = TcpStream::connect(behind).await?;
                        tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                    });
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.stop = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/openid-configuration";

/// An issuer behind TLS, and a gate that fetches its keys.
fn behind_tls(
    certificate: (Certificate, KeyPair),
    options: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
) -> (Scene, TlsFront) {
    let server = es256().serve();
    let front = TlsFront::before(&server, certificate);
    let scene = Scene::over(server, |_, builder| options(builder).at(&front.url(JWKS)).unwrap());
    (scene, front)
}

async fn assert_not_trusted(scene: &Scene) {
    for _ in 0..3 {
        scene.is_unavailable(&scene.token()).await;
    }
    assert!(scene.keys.status().last_error.is_some());
    // No request arrived, over TLS or without.
    assert_eq!(scene.server.all_hits(), 0);
}

#[tokio::test]
async fn fault_06_certificate_of_a_trusted_root_is_accepted() {
    let authority = Authority::new();
    let certificate = || authority.certify(params("127.0.0.1"));
    let (scene, _front) = behind_tls(certificate(), |builder| builder.root_certificate(authority.pem.as_str()));
    scene.admits(&scene.token()).await;
    // Without its root certificate it is refused.
    let (scene, _front) = behind_tls(certificate(), |builder| builder);
    assert_not_trusted(&scene).await;
    let (scene, _front) = behind_tls(certificate(), |builder| builder.root_certificate(Authority::new().pem));
    assert_not_trusted(&scene).await;
}

/// The certificates of the system come from `SSL_CERT_FILE`, so the test sets it in another process, which runs the same
/// test.
#[test]
fn fault_06_roots_of_the_system_stay_trusted() {
    let path = std::env::temp_dir().join(format!("portcullis-roots-{}", std::process::id()));
    let variables = [("SSL_CERT_FILE", &path)];
    if run_in_child("tls::fault_06_roots_of_the_system_stay_trusted", &variables).is_some() {
        std::fs::remove_file(path).unwrap();
        return;
    }
    let path = std::env::var_os("SSL_CERT_FILE").unwrap();
    let (system, added) = (Authority::new(), Authority::new());
    std::fs::write(path, &system.pem).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for authority in [&system, &added] {
            let certificate = authority.certify(params("127.0.0.1"));
            let (scene, _front) = behind_tls(certificate, |builder| builder.root_certificate(added.pem.as_str()));
            scene.admits(&scene.token()).await;
        }
    });
}

#[tokio::test]
async fn fault_06_invalid_certificates_fail() {
    let authority = Authority::new();
    let trusted = |builder: RemoteKeysBuilder| builder.root_certificate(authority.pem.as_str());

    let mut expired = params("127.0.0.1");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = params("127.0.0.1");
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    for certificate in [expired, early, params("127.0.0.2"), params("issuer.example")] {
        let (scene, _front) = behind_tls(authority.certify(certificate), trusted);
        assert_not_trusted(&scene).await;
    }
    let key = KeyPair::generate().unwrap();
    let (scene, _front) = behind_tls((params("127.0.0.1").self_signed(&key).unwrap(), key), trusted);
    assert_not_trusted(&scene).await;
}

#[tokio::test]
async fn fault_06_old_protocol_and_plain_http_fail() {
    // A ServerHello of TLS 1.0 that chooses TLS_RSA_WITH_AES_128_CBC_SHA.
    let hello = [&[0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    for answer in [hello, b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}".to_vec()] {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("https://{}{JWKS}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 2_048];
            let read = stream.read(&mut hello).unwrap();
            assert!(read > 0 && hello[0] == 0x16, "TLS was spoken");
            stream.write_all(&answer).unwrap();
            // Reads until the client closes the connection.
            while stream.read(&mut hello).is_ok_and(|read| read > 0) {}
        });
        let scene = Scene::over(es256().serve(), |_, builder| builder.at(&url).unwrap());
        scene.is_unavailable(&scene.token()).await;
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn fault_17_redirect_from_https_to_http_is_not_followed() {
    let authority = Authority::new();
    let (scene, front) =
        behind_tls(authority.certify(params("127.0.0.1")), |builder| builder.root_certificate(authority.pem.as_str()));
    scene.server.serve_at("/plain.json", scene.server.issuer().jwks());
    for location in [scene.server.url_of("/plain.json"), front.url("/plain.json")] {
        scene.server.misbehave(Fault::redirect(302, &location));
        scene.clock.advance(crate::support::ANY_PAUSE);
        scene.is_unavailable(&scene.token()).await;
    }
    assert_eq!(scene.server.hits("/plain.json"), 0);
    scene.server.behave();
    scene.recovers().await;
}

#[tokio::test]
async fn fault_56_metadata_over_https_never_leads_to_http() {
    let authority = Authority::new();
    let server = es256().serve();
    let front = TlsFront::before(&server, authority.certify(params("127.0.0.1")));
    let issuer = front.url("/");
    let document = |uri: String| json!({"issuer": issuer, "jwks_uri": uri}).to_string();
    let scene =
        Scene::over(server, |_, builder| builder.root_certificate(authority.pem.as_str()).discover(&issuer).unwrap());
    scene.server.set_metadata_body(document(scene.server.jwks_url()));
    scene.is_unavailable(&scene.token()).await;
    assert!(scene.keys.status().last_error.unwrap().contains("https"));
    assert_eq!((scene.server.hits(METADATA), scene.server.jwks_hits()), (1, 0));
    // Metadata that names its own https address is accepted.
    scene.server.set_metadata_body(document(front.url(JWKS)));
    scene.clock.advance(crate::support::ANY_PAUSE);
    scene.keys.warm_up().await.unwrap();
    assert_eq!(scene.server.jwks_hits(), 1);
}
