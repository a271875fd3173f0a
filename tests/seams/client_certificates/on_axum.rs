//! A service on Axum that ends TLS itself, with hyper and tokio-rustls.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis_axum::adapter::ClientCertificate;
use portcullis_axum::{Auth, Gate};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt as _;

/// Serves `app` over TLS. Each request gets the client's certificate and address.
async fn serve(listener: tokio::net::TcpListener, tls: TlsAcceptor, app: Router) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(Ok(stream)) = timeout(Duration::from_secs(10), tls.accept(stream)).await else { return };
            let certificate = ClientCertificate::from_tls(stream.get_ref().1.peer_certificates());
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(certificate);
                request.extensions_mut().insert(ConnectInfo(peer));
                app.clone().oneshot(request)
            });
            let server = auto::Builder::new(TokioExecutor::new());
            // An error of a connection concerns only its client.
            let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

async fn private(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

fn app(gate: Gate) -> Router {
    Router::new().route("/private", get(private)).with_state(gate)
}

/// Starts the service on the current runtime.
pub(super) fn start(listener: TcpListener, tls: Arc<ServerConfig>, gate: Gate) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(serve(listener, TlsAcceptor::from(tls), app(gate)));
}

/// Starts a service that forgets to give its requests the certificate.
pub(super) fn start_without_certificates(listener: TcpListener, tls: Arc<ServerConfig>, gate: Gate) {
    struct Tls(tokio::net::TcpListener, TlsAcceptor);

    impl axum::serve::Listener for Tls {
        type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
        type Addr = std::net::SocketAddr;

        async fn accept(&mut self) -> (Self::Io, Self::Addr) {
            let (stream, peer) = self.0.accept().await.unwrap();
            (self.1.accept(stream).await.unwrap(), peer)
        }

        fn local_addr(&self) -> io::Result<Self::Addr> {
            self.0.local_addr()
        }
    }

    listener.set_nonblocking(true).unwrap();
    let listener = Tls(tokio::net::TcpListener::from_std(listener).unwrap(), TlsAcceptor::from(tls));
    tokio::spawn(axum::serve(listener, app(gate)).into_future());
}
