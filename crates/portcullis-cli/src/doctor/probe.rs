//! Looks at the way to a server: its name, its address, and its certificates. Nothing is requested.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use url::Url;

use crate::doctor::certificate::Facts;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the addresses of a host name.
///
/// # Errors
/// Why no address was found.
pub(super) fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    // The resolver of the system has its own time limit, which may be long.
    let (send, found) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // After the time limit, there is no receiver.
        let _ = send.send(addresses.map_err(|error| error.to_string()));
    });
    match found.recv_timeout(TIMEOUT * 2) {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(_)) => Err("the name has no address".to_owned()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("no answer of the resolver within 10 seconds".to_owned()),
    }
}

/// Connects to the first address that answers.
///
/// # Errors
/// Why none does: the error of the last one.
pub(super) fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(address, TIMEOUT) {
            Ok(stream) => {
                let timeouts =
                    stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.set_write_timeout(Some(TIMEOUT)));
                return timeouts.map(|()| stream).map_err(|error| error.to_string());
            }
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

/// Asks an HTTP proxy for a connection to a server (RFC 9110 §9.3.6).
///
/// # Errors
/// Why the proxy does not connect. It does not repeat the credential of the proxy.
pub(super) fn through_proxy(mut stream: TcpStream, proxy: &Url, host: &str, port: u16) -> Result<TcpStream, String> {
    let credential = match (proxy.username(), proxy.password()) {
        ("", None) => String::new(),
        (user, password) => {
            // In the URL, characters such as @ are escaped.
            let [user, password] = [user, password.unwrap_or_default()].map(percent_decode_str);
            let pair = format!("{}:{}", user.decode_utf8_lossy(), password.decode_utf8_lossy());
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(pair))
        }
    };
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{credential}\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 {
        match stream.read(&mut byte) {
            Ok(0) => return Err("the proxy closed the connection".to_owned()),
            Ok(_) => head.extend_from_slice(&byte),
            Err(error) => return Err(format!("the proxy does not answer: {error}")),
        }
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    match line.split(' ').nth(1) {
        Some("200") => Ok(stream),
        Some("407") => Err("the proxy needs a credential (status 407)".to_owned()),
        Some(status) => Err(format!("the proxy refuses the connection (status {status})")),
        None => Err("the proxy does not speak HTTP".to_owned()),
    }
}

/// Returns the certificates that a server shows, its own first. They are not verified: the requests of the service do that.
///
/// # Errors
/// Why no certificate was seen.
pub(super) fn certificates(mut stream: TcpStream, host: &str) -> Result<Vec<Facts>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let seen = Arc::new(Seen::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            let seen = seen.take();
            // The certificates come before the end of the handshake.
            return if seen.is_empty() { Err(error.to_string()) } else { Ok(seen) };
        }
    }
    connection.send_close_notify();
    // The server may have closed the connection already.
    let _ = connection.complete_io(&mut stream);
    Ok(seen.take())
}

/// Keeps the certificates of a handshake, and verifies nothing. No data is sent on such a connection.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Vec<u8>>>);

impl Seen {
    fn take(&self) -> Vec<Facts> {
        let chain = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chain.iter().filter_map(|der| Facts::of_der(der)).collect()
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
