//! Servers of both frameworks on this machine. Each has its own thread and runtime, and stops when it is dropped.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;

/// A server that answers.
pub(crate) struct Running {
    address: SocketAddr,
    stop: Option<Stop>,
    thread: Option<JoinHandle<()>>,
}

enum Stop {
    Actix(ServerHandle),
    Axum(tokio::sync::oneshot::Sender<()>),
}

impl Running {
    pub(crate) fn axum(app: axum::Router) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (started, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                let server = axum::serve(listener, app).into_future();
                tokio::select! {
                    ended = server => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(Stop::Axum(stop)), thread: Some(thread) }
    }

    pub(crate) fn actix(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::actix_speaking(configure, false)
    }

    /// Actix also speaks HTTP/2 without TLS if `http2` is set. Axum always does.
    pub(crate) fn actix_speaking(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static, http2: bool) -> Self {
        let (started, running) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = actix_web::HttpServer::new(move || actix_web::App::new().configure(configure.clone()));
                let server = server.workers(1).disable_signals();
                let bound = if http2 { server.bind_auto_h2c("127.0.0.1:0") } else { server.bind("127.0.0.1:0") };
                let server = bound.unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                started.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = running.recv().unwrap();
        Self { address, stop: Some(Stop::Actix(handle)), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self.stop.take() {
            // The call sends the command. The future only waits for the end, as the join below does.
            Some(Stop::Actix(handle)) => drop(handle.stop(false)),
            Some(Stop::Axum(stop)) => drop(stop),
            None => {}
        }
        // A server that failed fails its test, unless the test already fails.
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server panicked");
        }
    }
}
