//! Tokens that are bound to the client certificate of a TLS connection, on both frameworks, with real handshakes.

mod both;
mod on_actix;
mod on_axum;
mod set_up;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use portcullis::Gate;
use portcullis::jose::Algorithm;
use portcullis::possession::ClientCertificates;
use portcullis_testing::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, ServerConfig};

use crate::certificates::{Authority, BOTH_VERSIONS};
use crate::page::{assert_in_sources, blocks};

const SERVER: &str = "api.test";

type Start = fn(TcpListener, Arc<ServerConfig>, Gate);

/// Starts a service on each framework.
fn start(on: [Start; 2], authority: &Authority, gate: &Gate) -> [SocketAddr; 2] {
    on.map(|start| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        start(listener, authority.server(SERVER), gate.clone());
        address
    })
}

fn start_both(authority: &Authority, gate: &Gate) -> [SocketAddr; 2] {
    start([on_axum::start, on_actix::start], authority, gate)
}

async fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::clone(client)).connect(ServerName::try_from(SERVER).unwrap(), stream).await.unwrap()
}

/// Sends one request, and returns the status and the body. The connection stays open.
async fn exchange(connection: &mut TlsStream<TcpStream>, token: &str, more: &str) -> (u16, String) {
    let request = format!("GET /private HTTP/1.1\r\nHost: {SERVER}\r\nAuthorization: Bearer {token}\r\n{more}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection.flush().await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned());
            }
        }
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "the server closed the connection");
    }
}

/// Asks both services, which answer alike.
async fn ask(addresses: [SocketAddr; 2], client: &Arc<ClientConfig>, token: &str, more: &str) -> (u16, String) {
    let [axum, actix] = addresses;
    let answer = exchange(&mut connect(axum, client).await, token, more).await;
    assert_eq!(exchange(&mut connect(actix, client).await, token, more).await, answer);
    answer
}

fn refused(reason: &str) -> (u16, String) {
    let sentence = portcullis::Reason::ALL.iter().find(|known| known.as_str() == reason).unwrap().description();
    (401, format!(r#"{{"error":"invalid_token","error_description":"{sentence}","reason":"{reason}"}}"#))
}

fn issuer() -> TestIssuer {
    TestIssuer::from_algorithms([Algorithm::Es256])
}

#[actix_web::test]
async fn token_needs_the_certificate_of_its_connection() {
    let (authority, issuer) = (Authority::new(), issuer());
    let [alice, mallory] = ["alice", "mallory"].map(|name| authority.certify(name));
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let services = start_both(&authority, &gate);
    let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    let plain = issuer.token().subject("bob").sign();
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let with = |identity| authority.client(identity, versions);
        assert_eq!(ask(services, &with(Some(&alice)), &bound, "").await, (200, "alice".to_owned()));
        assert_eq!(ask(services, &with(Some(&mallory)), &bound, "").await, refused("wrong_certificate"));
        assert_eq!(ask(services, &with(None), &bound, "").await, refused("wrong_certificate"));
        // A token that is bound to no certificate needs none.
        assert_eq!(ask(services, &with(None), &plain, "").await, (200, "bob".to_owned()));
        assert_eq!(ask(services, &with(Some(&mallory)), &plain, "").await, (200, "bob".to_owned()));
    }
}

#[actix_web::test]
async fn header_fields_prove_no_certificate() {
    let (authority, issuer) = (Authority::new(), issuer());
    let alice = authority.certify("alice");
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let services = start_both(&authority, &gate);
    let bound = issuer.token().bound_to_certificate(&alice.certificate).sign();
    let forged =
        format!("Client-Cert: :{}:\r\n", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &alice.certificate));
    let thief = authority.client(None, BOTH_VERSIONS);
    assert_eq!(ask(services, &thief, &bound, &forged).await, refused("wrong_certificate"));
}

#[actix_web::test]
async fn every_request_of_a_connection_has_its_certificate() {
    let (authority, issuer) = (Authority::new(), issuer());
    let [alice, mallory] = ["alice", "mallory"].map(|name| authority.certify(name));
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    for address in start_both(&authority, &gate) {
        let mut of_alice = connect(address, &authority.client(Some(&alice), BOTH_VERSIONS)).await;
        let mut of_mallory = connect(address, &authority.client(Some(&mallory), BOTH_VERSIONS)).await;
        for _ in 0..3 {
            assert_eq!(exchange(&mut of_alice, &bound, "").await, (200, "alice".to_owned()));
            assert_eq!(exchange(&mut of_mallory, &bound, "").await, refused("wrong_certificate"));
        }
    }
}

#[actix_web::test]
async fn resumed_session_keeps_the_certificate() {
    let (authority, issuer) = (Authority::new(), issuer());
    let [alice, mallory] = ["alice", "mallory"].map(|name| authority.certify(name));
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    for address in start_both(&authority, &gate) {
        for (identity, expected) in [(&alice, (200, "alice".to_owned())), (&mallory, refused("wrong_certificate"))] {
            let client = authority.client(Some(identity), BOTH_VERSIONS);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut connection = connect(address, &client).await;
                assert_eq!(exchange(&mut connection, &bound, "").await, expected);
                assert_eq!(connection.get_ref().1.handshake_kind(), Some(kind));
            }
        }
    }
}

#[actix_web::test]
async fn required_certificates_refuse_other_tokens() {
    let (authority, issuer) = (Authority::new(), issuer());
    let alice = authority.certify("alice");
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls().required());
    let services = start_both(&authority, &gate);
    let client = authority.client(Some(&alice), BOTH_VERSIONS);
    let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    assert_eq!(ask(services, &client, &bound, "").await, (200, "alice".to_owned()));
    assert_eq!(ask(services, &client, &issuer.token().sign(), "").await, refused("sender_constrained"));
}

/// Nothing tells such a service apart from one whose clients have no certificates, except that the information is missing.
#[actix_web::test]
async fn server_that_keeps_no_certificates_lets_no_bound_token_in() {
    let (authority, issuer) = (Authority::new(), issuer());
    let alice = authority.certify("alice");
    let gate = issuer.gate().with_client_certificates(ClientCertificates::from_tls());
    let services =
        start([on_axum::start_without_certificates, on_actix::start_without_certificates], &authority, &gate);
    let client = authority.client(Some(&alice), BOTH_VERSIONS);
    let bound = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    let (status, body) = ask(services, &client, &bound, "").await;
    assert_eq!((status, body.starts_with(r#"{"error":"server_error""#)), (500, true), "{body}");
    assert_eq!(ask(services, &client, &issuer.token().subject("bob").sign(), "").await, (200, "bob".to_owned()));
}

#[test]
fn page_has_the_code_of_the_tests() {
    const PAGE: &str = include_str!("../../../crates/portcullis/docs/proof_of_possession.md");
    let mut blocks = blocks(PAGE);
    blocks.retain(|block| block.contains("tls"));
    assert_eq!(blocks.len(), 2);
    assert_in_sources(&blocks, &[include_str!("on_actix.rs"), include_str!("on_axum.rs")]);
}
