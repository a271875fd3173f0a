//! A service on Actix Web that ends TLS itself, with the feature `rustls-0_23` of actix-web.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use portcullis_actix::{Auth, Gate, keep_client_certificate};
use tokio_rustls::rustls::ServerConfig;

async fn private(auth: Auth) -> String {
    auth.subject().unwrap_or_default().to_owned()
}

fn serve(listener: TcpListener, tls: ServerConfig, gate: Gate) -> io::Result<Server> {
    let app = move || App::new().app_data(gate.clone()).route("/private", web::get().to(private));
    let server = HttpServer::new(app).on_connect(keep_client_certificate);
    Ok(server.workers(1).listen_rustls_0_23(listener, tls)?.run())
}

/// Starts the service on the current runtime.
pub(super) fn start(listener: TcpListener, tls: Arc<ServerConfig>, gate: Gate) {
    actix_web::rt::spawn(serve(listener, Arc::unwrap_or_clone(tls), gate).unwrap());
}

/// Starts a service that forgets to give its requests the certificate.
pub(super) fn start_without_certificates(listener: TcpListener, tls: Arc<ServerConfig>, gate: Gate) {
    let app = move || App::new().app_data(gate.clone()).route("/private", web::get().to(private));
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.listen_rustls_0_23(listener, Arc::unwrap_or_clone(tls)).unwrap();
    actix_web::rt::spawn(server.run());
}
