//! A real nginx in front of both frameworks. It ends TLS and writes the client's certificate into a header field.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use portcullis::possession::{ClientCertificates, TrustedProxies};
use portcullis::{Gate, jose};
use portcullis_testing::TestIssuer;
use tokio::net::TcpSocket;

use crate::certificates::{Authority, BOTH_VERSIONS, Identity, pem};
use crate::debian::Packages;
use crate::http::{self, Answer};
use crate::process::{Port, Process, folder, guarded};
use crate::running::Running;
use crate::{assert_bad_token, process};

pub(crate) const TESTS: [(&str, fn()); 6] = named![
    self::client_with_its_certificate_is_let_in,
    self::client_with_another_certificate_is_refused,
    self::forged_field_is_replaced,
    self::field_of_a_direct_client_is_ignored,
    self::connections_to_the_service_are_shared,
    self::two_fields_are_refused,
];

const PACKAGES: Packages = Packages { names: &["nginx"], folder: concat!(env!("CARGO_TARGET_TMPDIR"), "/live/nginx") };

/// The name of nginx in its certificate.
const NAME: &str = "api.test";
const FIELD: &str = "X-Client-Cert";
/// The address from which nginx connects to the services, and the one that they trust.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// The address of a client that reaches the services without nginx.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Returns why the tests cannot run without an installation.
pub(crate) fn missing() -> Option<String> {
    // Other systems do not have the whole network 127.0.0.0/8.
    if cfg!(target_os = "linux") { PACKAGES.missing() } else { Some("needs Linux".to_owned()) }
}

fn client_with_its_certificate_is_let_in() {
    let scene = Scene::start();
    for service in Service::ALL {
        for _ in 0..2 {
            let answer = scene.ask(service, Some(&scene.alice), &scene.bound, &[]);
            assert_eq!((answer.status, answer.body.as_str()), (200, "alice"), "{service:?}");
        }
        // A token that is bound to no certificate needs none.
        assert_eq!(scene.ask(service, None, &scene.plain, &[]).status, 200, "{service:?}");
    }
}

fn client_with_another_certificate_is_refused() {
    let scene = Scene::start();
    for service in Service::ALL {
        for identity in [Some(&scene.mallory), None] {
            assert_bad_token(&scene.ask(service, identity, &scene.bound, &[]), "wrong_certificate");
        }
    }
}

fn forged_field_is_replaced() {
    let scene = Scene::start();
    let field = escaped(&scene.alice);
    for service in Service::ALL {
        for name in [FIELD, "x-client-cert", "X_Client_Cert", "Client-Cert", "X-Forwarded-Client-Cert"] {
            for identity in [Some(&scene.mallory), None] {
                let answer = scene.ask(service, identity, &scene.bound, &[(name, &field)]);
                assert_bad_token(&answer, "wrong_certificate");
            }
            // It does not hurt the client that has the certificate.
            let forged = [(name, "nonsense"), (name, field.as_str())];
            assert_eq!(scene.ask(service, Some(&scene.alice), &scene.bound, &forged).status, 200, "{service:?}");
        }
    }
}

fn field_of_a_direct_client_is_ignored() {
    let scene = Scene::start();
    let field = escaped(&scene.alice);
    for service in Service::ALL {
        for forwarded in ["", "127.0.0.3"] {
            let fields = [(FIELD, field.as_str()), ("X-Forwarded-For", forwarded), ("X-Real-IP", forwarded)];
            assert_bad_token(&scene.ask_directly(service, CLIENT, &fields), "wrong_certificate");
        }
        // From the address of the proxy it counts: the field itself is a good one.
        assert_eq!(scene.ask_directly(service, PROXY, &[(FIELD, &field)]).status, 200, "{service:?}");
    }
}

/// nginx keeps its connections, so requests of different clients come on the same one.
fn connections_to_the_service_are_shared() {
    let scene = Scene::start();
    for service in Service::ALL {
        for _ in 0..5 {
            assert_eq!(scene.ask(service, Some(&scene.alice), &scene.bound, &[]).status, 200, "{service:?}");
            assert_bad_token(&scene.ask(service, Some(&scene.mallory), &scene.bound, &[]), "wrong_certificate");
            assert_bad_token(&scene.ask(service, None, &scene.bound, &[]), "wrong_certificate");
        }
    }
}

fn two_fields_are_refused() {
    let scene = Scene::start();
    let (alice, mallory) = (escaped(&scene.alice), escaped(&scene.mallory));
    for service in Service::ALL {
        for fields in [[(FIELD, &*alice), (FIELD, &*alice)], [(FIELD, &*alice), (FIELD, &*mallory)]] {
            assert_bad_token(&scene.ask_directly(service, PROXY, &fields), "wrong_certificate");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Service {
    Axum,
    Actix,
}

impl Service {
    const ALL: [Self; 2] = [Self::Axum, Self::Actix];

    fn path(self) -> &'static str {
        match self {
            Self::Axum => "/axum/private",
            Self::Actix => "/actix/private",
        }
    }
}

/// Both services, nginx in front of them, and two clients with certificates.
struct Scene {
    authority: Authority,
    alice: Identity,
    mallory: Identity,
    /// A token that is bound to the certificate of `alice`, and one that is bound to none.
    bound: String,
    plain: String,
    nginx: Nginx,
    axum: Running,
    actix: Running,
}

impl Scene {
    fn start() -> Self {
        let issuer = TestIssuer::from_algorithms([jose::Algorithm::Es256]);
        let proxies = TrustedProxies::at([PROXY.to_string()]).unwrap();
        let gate = issuer.gate().with_client_certificates(ClientCertificates::nginx(FIELD, proxies).unwrap());
        let (axum, actix) = (on_axum::start(gate.clone()), on_actix::start(gate));
        let authority = Authority::new();
        let alice = with_every_digit(&authority, "alice");
        let nginx = Nginx::start(&authority.certify(NAME), &axum, &actix);
        let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
        let (plain, mallory) = (issuer.token().sign(), authority.certify("mallory"));
        Self { authority, alice, mallory, bound, plain, nginx, axum, actix }
    }

    /// Asks a service through nginx.
    fn ask(&self, service: Service, identity: Option<&Identity>, token: &str, fields: &[(&str, &str)]) -> Answer {
        let client = self.authority.client(identity, BOTH_VERSIONS);
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.nginx.port.number)).unwrap();
        exchange(http::tls(connection, NAME, client), service.path(), token, fields)
    }

    /// Asks a service without nginx, from this address.
    fn ask_directly(&self, service: Service, address: Ipv4Addr, fields: &[(&str, &str)]) -> Answer {
        let to = match service {
            Service::Axum => self.axum.address(),
            Service::Actix => self.actix.address(),
        };
        exchange(connect_from(address, to), "/private", &self.bound, fields)
    }
}

/// A running nginx.
struct Nginx {
    port: Port,
    _process: Process,
    folder: PathBuf,
}

impl Nginx {
    fn start(identity: &Identity, axum: &Running, actix: &Running) -> Self {
        PACKAGES.install();
        let port = Port::reserve();
        let folder = folder().join(format!("nginx-{}", port.number));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("server.pem"), pem("CERTIFICATE", &identity.certificate)).unwrap();
        fs::write(folder.join("server.key"), pem("PRIVATE KEY", identity.key.secret_pkcs8_der())).unwrap();
        let settings = settings(port.number, axum.address(), actix.address());
        fs::write(folder.join("nginx.conf"), settings).unwrap();
        let program = Path::new(PACKAGES.folder).join("usr/sbin/nginx");
        let mut command = process::with_libraries(guarded(program), Path::new(PACKAGES.folder));
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "stderr"]);
        let process = Process::start(&mut command, &format!("nginx-{}", port.number));
        process.wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port.number)).is_ok());
        Self { port, _process: process, folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The certificate of a client is not checked: a bound token needs only the same one (RFC 8705 §3).
fn settings(port: u16, axum: SocketAddr, actix: SocketAddr) -> String {
    format!(
        "daemon off;
        master_process off;
        pid nginx.pid;
        error_log stderr error;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path temporary; proxy_temp_path temporary;
            fastcgi_temp_path temporary; uwsgi_temp_path temporary; scgi_temp_path temporary;
            upstream axum {{ server {axum}; keepalive 1; }}
            upstream actix {{ server {actix}; keepalive 1; }}
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate server.pem;
                ssl_certificate_key server.key;
                ssl_verify_client optional_no_ca;
                proxy_bind {PROXY};
                proxy_http_version 1.1;
                proxy_set_header Connection \"\";
                proxy_set_header {FIELD} $ssl_client_escaped_cert;
                location /axum/ {{ proxy_pass http://axum/; }}
                location /actix/ {{ proxy_pass http://actix/; }}
            }}
        }}
        "
    )
}

fn connect_from(address: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

fn exchange(connection: impl Read + Write, path: &str, token: &str, fields: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let fields = [&[("authorization", bearer.as_str())], fields].concat();
    http::converse(connection, NAME, "GET", path, &fields, "").unwrap()
}

/// A certificate whose PEM has `+` and `/`, which have a meaning in URLs.
fn with_every_digit(authority: &Authority, name: &str) -> Identity {
    let mut certificates = std::iter::repeat_with(|| authority.certify(name));
    certificates
        .find(|identity| ['+', '/'].iter().all(|digit| pem("CERTIFICATE", &identity.certificate).contains(*digit)))
        .unwrap()
}

/// What nginx writes for this certificate.
fn escaped(identity: &Identity) -> String {
    http::encode(&pem("CERTIFICATE", &identity.certificate))
}

mod on_axum {
    use axum::Router;
    use axum::routing::get;
    use portcullis_axum::Auth;

    use super::{Gate, Running};

    pub(super) fn start(gate: Gate) -> Running {
        let private = |auth: Auth| async move { auth.subject().unwrap_or_default().to_owned() };
        Running::axum(Router::new().route("/private", get(private)).with_state(gate))
    }
}

mod on_actix {
    use actix_web::web;
    use portcullis_actix::Auth;

    use super::{Gate, Running};

    async fn private(auth: Auth) -> String {
        auth.subject().unwrap_or_default().to_owned()
    }

    pub(super) fn start(gate: Gate) -> Running {
        Running::actix(move |app| {
            app.app_data(gate.clone()).route("/private", web::get().to(private));
        })
    }
}
