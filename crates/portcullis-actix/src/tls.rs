//! The client certificates of TLS connections.

use std::any::Any;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use portcullis::adapter::ClientCertificate;

/// Keeps the client certificate of each connection, for tokens that are bound to one
/// ([`ClientCertificates::from_tls`](portcullis::possession::ClientCertificates::from_tls)). Give it to
/// `HttpServer::on_connect`, and let the configuration of rustls ask for certificates of clients.
///
/// ```
/// use actix_web::rt::net::TcpStream;
/// use actix_web::{App, HttpServer};
/// use portcullis_actix::keep_client_certificate;
///
/// let server = HttpServer::new(App::new).on_connect(keep_client_certificate);
/// # drop(server);
/// ```
///
/// A connection without TLS, on another port of the same server, has no certificate.
pub fn keep_client_certificate(connection: &dyn Any, data: &mut Extensions) {
    if let Some(connection) = connection.downcast_ref::<TlsStream<TcpStream>>() {
        let (_, session) = connection.get_ref();
        data.insert(ClientCertificate::from_tls(session.peer_certificates()));
    } else if connection.is::<TcpStream>() {
        data.insert(ClientCertificate::absent());
    }
}
