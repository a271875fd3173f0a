//! Runs `portcullis doctor` as a process: ten misconfigurations, from the symptom to the line that names the fix.
//!
//! All servers are on this machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

mod support;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_testing::TestIssuer;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use support::{Folder, Outcome, PORTCULLIS};

const AUDIENCE: &str = "https://api.test";

/// Runs `portcullis doctor` with these variables and no others of a service.
fn doctor(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Outcome {
    let mut command = Command::new(PORTCULLIS);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.arg("doctor").args(arguments).envs(variables.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The command may end before it reads the input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs it, checks that it finds a fault, and returns the line of the only fault.
#[track_caller]
fn fault(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> String {
    let outcome = doctor(variables, arguments, input);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""), "{outcome:?}");
    let faults: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("FAULT ")).collect();
    let [line] = faults[..] else { panic!("{}", outcome.stdout) };
    line.to_owned()
}

#[track_caller]
fn has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn healthy_service_has_a_line_for_each_step() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let variables = [("PORTCULLIS_ISSUER", url.as_str()), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let token = server.issuer().token().sign();
    let outcome = doctor(&variables, &["-"], &format!("Bearer {token}\n"));
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    let steps: Vec<_> = outcome.stdout.lines().map(|line| line.split(':').next().unwrap().trim()).collect();
    let expected = ["configuration", "DNS", "TCP", "TLS", "metadata", "key set", "key", "clock", "token"];
    assert_eq!(steps, expected.map(|step| format!("ok    {step}")), "{}", outcome.stdout);
    has(
        &outcome.stdout,
        &[
            "the environment (PORTCULLIS_ISSUER, PORTCULLIS_AUDIENCE)",
            "its issuer is the configured one",
            "kid \"RS256-1\"",
        ],
    );

    // The same by flags, by a file, and as JSON.
    assert_eq!(doctor(&[], &["--oidc-issuer", &url, "--audience", AUDIENCE], "").status, 0);
    let folder = Folder::new("doctor-file");
    let file = folder.file("config.json", json!({"issuer": url, "audience": AUDIENCE}).to_string());
    let outcome = doctor(&[], &["--json", "--config", &file], "");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    for step in outcome.verdicts() {
        let members: Vec<_> = step.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members.len(), 5, "{members:?}");
        assert_eq!(step["status"], "ok", "{step}");
    }
    // Keys in a file need no network.
    let jwks = folder.file("jwks.json", server.issuer().jwks());
    let hits = server.all_hits();
    let outcome = doctor(&[("PORTCULLIS_JWKS_FILE", &jwks), variables[0], variables[1]], &[], "");
    assert_eq!((outcome.status, server.all_hits()), (0, hits), "{outcome:?}");
}

#[test]
fn bad_usage_has_status_2() {
    for arguments in [&["--audience", "a"][..], &["--json", "--nothing"], &["--config", "/nonexistent.json"]] {
        assert_eq!(doctor(&[], arguments, "").status, 2, "{arguments:?}");
    }
    let nothing = doctor(&[], &[], "");
    assert!(nothing.fails().contains("no variable of the service is set"), "{nothing:?}");
    let two = [("AUTH0_DOMAIN", "t.eu.auth0.com"), ("AZURE_TENANT_ID", "t")];
    has(
        &fault(&two, &[], ""),
        &["AUTH0_DOMAIN: set together with AZURE_TENANT_ID", "-> set the variables of one identity provider"],
    );
    let missing = doctor(&[("AUTH0_DOMAIN", "t.eu.auth0.com")], &[], "");
    assert_eq!(missing.status, 1, "{missing:?}");
    has(&missing.stdout, &["FAULT configuration: AUTH0_AUDIENCE: not set"]);
}

#[test]
fn misconfiguration_typing_error_in_the_domain() {
    let line = fault(&[("AUTH0_DOMAIN", "tenant.eu.auth0.invalid"), ("AUTH0_AUDIENCE", AUDIENCE)], &[], "");
    has(
        &line,
        &[
            "FAULT DNS: tenant.eu.auth0.invalid: ",
            "-> check AUTH0_DOMAIN for a typing error in tenant.eu.auth0.invalid",
        ],
    );
}

#[test]
fn misconfiguration_missing_slash() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let line = fault(&[("PORTCULLIS_ISSUER", url.trim_end_matches('/')), ("PORTCULLIS_AUDIENCE", AUDIENCE)], &[], "");
    has(
        &line,
        &[
            "FAULT metadata: ",
            "they differ in the slash at the end",
            &format!("-> write PORTCULLIS_ISSUER={url} (the slash"),
        ],
    );
}

#[test]
fn misconfiguration_http() {
    let line = fault(&[("PORTCULLIS_ISSUER", "http://issuer.example/"), ("PORTCULLIS_AUDIENCE", AUDIENCE)], &[], "");
    has(&line, &["FAULT configuration: PORTCULLIS_ISSUER: it is http, where https is required -> write an https URL"]);
}

#[test]
fn misconfiguration_proxy() {
    // Nothing listens on port 1.
    let issuer = [("PORTCULLIS_ISSUER", "https://issuer.example/"), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let line = fault(&[issuer[0], issuer[1], ("PORTCULLIS_PROXY", "http://user:secret@127.0.0.1:1")], &[], "");
    has(&line, &["FAULT TCP: 127.0.0.1:1: ", "-> check PORTCULLIS_PROXY, and that the proxy runs"]);
    assert!(!line.contains("secret"), "{line}");
    // A proxy that wants a credential.
    let proxy = Canned::answering("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let line = fault(&[issuer[0], issuer[1], ("PORTCULLIS_PROXY", &url)], &[], "");
    has(&line, &["FAULT proxy: ", "status 407", "-> check PORTCULLIS_PROXY: the URL with user and password"]);
    // A variable that other programs use, and the service does not.
    let server = TestIssuer::new().serve();
    let url = server.url();
    let variables =
        [("PORTCULLIS_ISSUER", url.as_str()), issuer[1], ("HTTPS_PROXY", "http://user:secret@proxy.example:3128")];
    let outcome = doctor(&variables, &[], "");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    has(
        &outcome.stdout,
        &[
            "note  proxy: HTTPS_PROXY is set: the service does not use it -> if requests must go through the proxy, write PORTCULLIS_PROXY",
        ],
    );
    assert!(!outcome.stdout.contains("secret"), "{outcome:?}");
}

#[test]
fn misconfiguration_private_authority() {
    let authority = Authority::new();
    let server = authority.serve(certificate("127.0.0.1"), SystemTime::now());
    let (url, folder) = (server.url(), Folder::new("doctor-private-ca"));
    let variables = [
        ("PORTCULLIS_ISSUER", url.as_str()),
        ("PORTCULLIS_AUDIENCE", AUDIENCE),
        ("SSL_CERT_FILE", &folder.file("other.pem", &Authority::new().pem)),
    ];
    let line = fault(&variables, &[], "");
    has(
        &line,
        &[
            "FAULT TLS: 127.0.0.1: ",
            "does not trust the authority CN=Private CA of the test",
            "-> if it is your private CA, write the path of its certificate (PEM) to PORTCULLIS_ROOT_CERTIFICATES_FILE",
        ],
    );
    let pem = folder.file("ca.pem", &authority.pem);
    let outcome =
        doctor(&[variables[0], variables[1], variables[2], ("PORTCULLIS_ROOT_CERTIFICATES_FILE", &pem)], &[], "");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    has(&outcome.stdout, &["ok    TLS: 127.0.0.1: ", "for 127.0.0.1"]);
}

#[test]
fn misconfiguration_certificate_of_the_server() {
    let authority = Authority::new();
    let folder = Folder::new("doctor-server-certificate");
    let pem = folder.file("ca.pem", &authority.pem);
    let (mut expired, mut early) = (certificate("127.0.0.1"), certificate("127.0.0.1"));
    expired.not_after = date_time_ymd(2024, 2, 1);
    early.not_before = date_time_ymd(2090, 2, 1);
    for (params, parts) in [
        (expired, ["the certificate expired ", "-> renew the certificate on that server"]),
        (early, ["the certificate is valid only from 2090-02-01", "-> set the clock of this machine (NTP)"]),
        (
            certificate("other.example"),
            [
                "the certificate is not for 127.0.0.1",
                "-> write a name that the certificate has (other.example) to PORTCULLIS_ISSUER",
            ],
        ),
    ] {
        let server = authority.serve(params, SystemTime::now());
        let url = server.url();
        let line = fault(
            &[
                ("PORTCULLIS_ISSUER", &url),
                ("PORTCULLIS_AUDIENCE", AUDIENCE),
                ("PORTCULLIS_ROOT_CERTIFICATES_FILE", &pem),
            ],
            &[],
            "",
        );
        has(&line, &["FAULT TLS: "]);
        has(&line, &parts);
    }
}

#[test]
fn only_what_the_requests_refuse_is_a_fault_of_certificates() {
    let authority = Authority::new();
    let folder = Folder::new("doctor-chain");
    let pem = folder.file("ca.pem", &authority.pem);
    let mut old = CertificateParams::new(Vec::new()).unwrap();
    (old.not_before, old.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2021, 9, 30));
    let old = old.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let mut of_authority = certificate("127.0.0.1");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut for_clients = certificate("127.0.0.1");
    for_clients.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    for (params, others, parts) in [
        // An old authority that is shown as well, and not needed.
        (certificate("127.0.0.1"), &[old][..], [""; 2]),
        // Its authority is trusted, so its path would not help.
        (of_authority, &[], ["the certificate of an authority as its own -> issue one for 127.0.0.1", "CA:FALSE"]),
        (for_clients, &[], ["the certificate is refused: ", "-> replace the certificate on that server"]),
    ] {
        // A response of a cache does not tell the time.
        let server = authority.serve_with(params, others, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nage: 4000");
        let url = server.url();
        let variables = [
            ("PORTCULLIS_ISSUER", url.as_str()),
            ("PORTCULLIS_AUDIENCE", AUDIENCE),
            ("PORTCULLIS_ROOT_CERTIFICATES_FILE", &pem),
        ];
        if parts == [""; 2] {
            let outcome = doctor(&variables, &[], "");
            assert_eq!(outcome.status, 0, "{outcome:?}");
            has(&outcome.stdout, &["ok    TLS: 127.0.0.1: 2 certificate(s)", "ok    clock: not compared"]);
        } else {
            let line = fault(&variables, &[], "");
            has(&line, &["FAULT TLS: "]);
            has(&line, &parts);
        }
    }
}

#[test]
fn server_that_gives_no_answer_is_named() {
    let silent = Canned::answering("");
    let url = format!("http://127.0.0.1:{}/", silent.port);
    let line = fault(&[("PORTCULLIS_ISSUER", &url), ("PORTCULLIS_AUDIENCE", AUDIENCE)], &[], "");
    has(&line, &["FAULT metadata: ", "-> the server takes connections, but gives no answer: check that port "]);
}

#[test]
fn credential_of_a_proxy_is_sent_as_the_service_sends_it() {
    let issuer = [("PORTCULLIS_ISSUER", "https://issuer.example/"), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let heads_at = |scheme: &str| {
        let (send, heads) = std::sync::mpsc::channel();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut first = [0; 8];
                let _ = stream.peek(&mut first);
                // A handshake of TLS has no end that `read_head` would find.
                let head = if first.starts_with(b"CONNECT") { read_head(&mut stream) } else { Some(String::new()) };
                let _ = send.send(head.unwrap_or_default());
                let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
            }
        });
        let proxy = format!("{scheme}us%40er:p%40ss%3A@127.0.0.1:{port}");
        let outcome = doctor(&[issuer[0], issuer[1], ("PORTCULLIS_PROXY", &proxy)], &[], "");
        assert_eq!(outcome.status, 1, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("p%40ss") && !format!("{outcome:?}").contains("p@ss"), "{outcome:?}");
        heads.try_iter().collect::<Vec<_>>()
    };
    // That of the request, and that of the look at the certificates.
    let field = format!("basic {}\r\n", STANDARD.encode("us@er:p@ss:")).to_ascii_lowercase();
    for scheme in ["http://", ""] {
        let heads = heads_at(scheme);
        assert!(heads.len() >= 2 && heads.iter().all(|head| head.to_ascii_lowercase().contains(&field)), "{heads:?}");
    }
    // To a proxy that speaks TLS, nothing is sent without TLS.
    let heads = heads_at("https://");
    assert!(!heads.is_empty() && heads.iter().all(String::is_empty), "{heads:?}");
}

#[test]
fn token_that_is_too_long_is_not_cut() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let variables = [("PORTCULLIS_ISSUER", url.as_str()), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let outcome = doctor(&variables, &["-"], &"x".repeat(300 * 1024));
    assert!(outcome.fails().starts_with("error: TOKEN: standard input is longer than 256 KiB"), "{outcome:?}");
}

#[test]
fn misconfiguration_wrong_key_set_url() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let with = |jwks: &str| {
        fault(&[("PORTCULLIS_ISSUER", &url), ("PORTCULLIS_AUDIENCE", AUDIENCE), ("PORTCULLIS_JWKS_URL", jwks)], &[], "")
    };
    let fix = "-> write the jwks_uri of the issuer's metadata to PORTCULLIS_JWKS_URL";
    has(&with(&server.url_of("/nothing")), &["FAULT key set: ", "status 404", fix]);
    // The metadata is not a key set.
    has(&with(&format!("{url}.well-known/openid-configuration")), &["FAULT key set: ", "not a key set", fix]);
}

#[test]
fn misconfiguration_secret_instead_of_public_key() {
    let folder = Folder::new("doctor-secret");
    let secret = folder.file("secret", "c0ffee-secret-of-more-than-thirty-two-bytes");
    let issuer = [("PORTCULLIS_ISSUER", "https://issuer.example/"), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let line = fault(&[issuer[0], issuer[1], ("PORTCULLIS_PUBLIC_KEY_FILE", &secret)], &[], "");
    has(&line, &["FAULT configuration: PORTCULLIS_PUBLIC_KEY_FILE: ", "PORTCULLIS_SECRET_FILE"]);
    assert!(!line.contains("c0ffee"), "{line}");
}

#[test]
fn misconfiguration_audience_of_another_api() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let token = server.issuer().token().audience("https://other-api.test").sign();
    let line = fault(&[("PORTCULLIS_ISSUER", &url), ("PORTCULLIS_AUDIENCE", AUDIENCE)], &["-"], &token);
    has(
        &line,
        &[
            "FAULT token: refused as wrong_audience (failed: aud)",
            r#"-> the token is for "https://other-api.test": have the client ask for a token for "https://api.test""#,
            "PORTCULLIS_AUDIENCE",
        ],
    );
}

#[test]
fn misconfiguration_tenant_common() {
    let server = TestIssuer::new().serve();
    let common = server.url_of("/common/v2.0");
    let template = server.url_of("/{tenantid}/v2.0");
    let metadata = json!({"issuer": template, "jwks_uri": server.jwks_url()});
    server.serve_at("/common/v2.0/.well-known/openid-configuration", metadata.to_string());
    let line = fault(&[("PORTCULLIS_ISSUER", &common), ("PORTCULLIS_AUDIENCE", AUDIENCE)], &[], "");
    has(
        &line,
        &[
            "FAULT metadata: ",
            "-> common and organizations are no issuers: write the ID of your tenant instead",
            "AZURE_TENANT_ID with AZURE_CLIENT_ID",
        ],
    );
}

#[test]
fn misconfiguration_expired_signing_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut params = certificate("signing.example");
    params.not_after = date_time_ymd(2024, 2, 1);
    let expired = params.self_signed(&key).unwrap();
    let folder = Folder::new("doctor-signing-certificate");
    // The uncompressed point: 4, x, y.
    let point = key.public_key_raw();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "old", "x": part(&point[1..33]), "y": part(&point[33..65]), "x5c": [STANDARD.encode(expired.der())]});
    let jwks = folder.file("jwks.json", json!({"keys": [jwk]}).to_string());
    let issuer = [("PORTCULLIS_ISSUER", "https://issuer.example/"), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    let fix = "-> have the issuer publish the key that it signs with now";
    has(
        &fault(&[issuer[0], issuer[1], ("PORTCULLIS_JWKS_FILE", &jwks)], &[], ""),
        &["FAULT key: key 0: usable: kid \"old\"", "its certificate expired ", "(2024-02-01T00:00:00Z)", fix],
    );
    let pem = folder.file("certificate.pem", expired.pem());
    has(
        &fault(&[issuer[0], issuer[1], ("PORTCULLIS_PUBLIC_KEY_FILE", &pem)], &[], ""),
        &["FAULT key: ", "its certificate expired ", fix],
    );
    // Next to a key that is good, it is only a note.
    let good: Value = serde_json::from_str(&TestIssuer::new().jwks()).unwrap();
    let both = folder.file("both.json", json!({"keys": [good["keys"][0], jwk]}).to_string());
    let outcome = doctor(&[issuer[0], issuer[1], ("PORTCULLIS_JWKS_FILE", &both)], &[], "");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    has(&outcome.stdout, &["note  key: key 1: ", "ok    key: key 0: "]);
}

#[test]
fn wrong_clock_is_found_without_a_token() {
    let authority = Authority::new();
    let folder = Folder::new("doctor-clock");
    let pem = folder.file("ca.pem", &authority.pem);
    let later = SystemTime::now() + Duration::from_secs(95);
    let server = authority.serve(certificate("127.0.0.1"), later);
    let url = server.url();
    let line = fault(
        &[("PORTCULLIS_ISSUER", &url), ("PORTCULLIS_AUDIENCE", AUDIENCE), ("PORTCULLIS_ROOT_CERTIFICATES_FILE", &pem)],
        &[],
        "",
    );
    has(
        &line,
        &[
            "FAULT clock: 9",
            "seconds behind that of 127.0.0.1: more than the leeway of 5 seconds",
            "-> synchronize the clock of this machine (NTP)",
            "PORTCULLIS_LEEWAY_SECONDS",
        ],
    );
}

#[test]
fn unusable_keys_and_a_silent_server_are_faults() {
    let server = TestIssuer::new().serve();
    let url = server.url();
    let variables = [("PORTCULLIS_ISSUER", url.as_str()), ("PORTCULLIS_AUDIENCE", AUDIENCE)];
    server.set_jwks_body(r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#);
    let outcome = doctor(&variables, &[], "");
    assert_eq!(outcome.status, 1, "{outcome:?}");
    has(&outcome.stdout, &["ok    key: key 0: not usable: kid \"s\"", "0 of 1 keys can be used"]);
    server.go_down();
    has(&fault(&variables, &[], ""), &["FAULT TCP: 127.0.0.1:", "-> check that port "]);
}

/// The certificate of a server for `name`, valid for long.
fn certificate(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2099, 1, 1));
    params
}

/// A private authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Private CA of the test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Serves the metadata and the keys of an issuer over TLS, with this field `Date`.
    fn serve(&self, params: CertificateParams, date: SystemTime) -> TlsServer {
        self.serve_with(params, &[], &format!("date: {}", httpdate::fmt_http_date(date)))
    }

    /// Serves them with these certificates after the server's own, and with this field.
    fn serve_with(&self, params: CertificateParams, others: &[rcgen::Certificate], field: &str) -> TlsServer {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = std::iter::once(&certificate).chain(others).map(|each| each.der().clone()).collect();
        let field = field.to_owned();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let (listener, config) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), Arc::new(config));
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://127.0.0.1:{port}/");
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}keys")}).to_string();
        let keys = TestIssuer::new().jwks();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                // A client that does not trust the certificate ends the connection.
                let Some(head) = read_head(&mut stream) else { continue };
                let body = if head.contains("/keys ") { &keys } else { &metadata };
                let response = format!(
                    "HTTP/1.1 200 OK\r\n{field}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(response.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        TlsServer { port }
    }
}

/// A server of one test. Its thread ends with the process.
struct TlsServer {
    port: u16,
}

impl TlsServer {
    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }
}

/// A server that answers each connection with the same bytes.
struct Canned {
    port: u16,
}

impl Canned {
    fn answering(response: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                if read_head(&mut stream).is_some() {
                    let _ = stream.write_all(response.as_bytes());
                }
            }
        });
        Self { port }
    }
}

/// Reads a request up to the empty line.
fn read_head(stream: &mut impl std::io::Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

#[test]
fn variables_of_the_example_servers_are_known() {
    let read = |path: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
    };
    let known = read("src/doctor/configuration.rs");
    let examples =
        ["lib.rs", "machines.rs"].map(|file| read(&format!("../../examples/environment/src/{file}"))).join("");
    let tables = examples.split("const ").filter(|text| text.contains("PresetBuilder); "));
    let tables: String = tables.map(|text| text.split("\n];").next().unwrap_or_default()).collect();
    let is_variable = |text: &&str| {
        text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let variables: Vec<_> = tables.split('"').filter(is_variable).collect();
    assert!(variables.len() > 20, "{variables:?}");
    let missing: Vec<_> = variables.iter().filter(|name| !known.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "doctor does not read {missing:?}");
}
