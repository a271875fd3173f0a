//! Servers whose routes depend on their own URL, because it is the issuer of their tokens.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;

/// Serves on the current runtime until the task is aborted or the runtime ends.
pub(crate) async fn serve_axum(app: impl FnOnce(&str) -> axum::Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = app(&url);
    (url, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

/// A server on its own thread. It stops when it is dropped.
pub(crate) struct ActixServer {
    url: String,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl ActixServer {
    pub(crate) fn start<C>(routes: impl FnOnce(&str) -> C) -> Self
    where
        C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = routes(&url);
        let (started, running) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = actix_web::HttpServer::new(move || actix_web::App::new().configure(routes.clone()));
                let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { url, handle: running.recv().unwrap(), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for ActixServer {
    fn drop(&mut self) {
        // The call sends the command. The future only waits for the end, as the join below does.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server panicked");
        }
    }
}
