//! Starts the service in this process, on a free port, with files in a temporary folder.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use example_sessions::{Server, Settings};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::browser::Browser;

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Service {
    /// Where it listens.
    pub(crate) address: String,
    /// Its public URL.
    pub(crate) url: String,
    pub(crate) password_hashes: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Settings whose files are in `folder`.
pub(crate) fn settings(folder: &TempDir) -> Settings {
    Settings {
        port: 0,
        database_url: format!("sqlite:{}", folder.path().join("sessions.db").display()),
        keys_folder: folder.path().join("keys"),
        attempts_per_minute: 10_000.try_into().unwrap(),
        ..Settings::default()
    }
}

impl Service {
    pub(crate) async fn start(settings: Settings) -> Self {
        let server = Server::start(settings).await.unwrap();
        let address = format!("http://{}", server.address().unwrap());
        let (url, password_hashes) = (server.url().to_owned(), server.password_hashes());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.run(stopped).await.unwrap();
        });
        Self { address, url, password_hashes, stop, running }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.address, &self.url)
    }

    /// A browser whose user has an account and is logged in.
    pub(crate) async fn logged_in(&self) -> Browser {
        let mut browser = self.browser();
        browser.post("/api/auth/register", registration()).await.expect(201);
        browser.post("/api/auth/login", credentials()).await.expect(200);
        browser
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

pub(crate) fn registration() -> serde_json::Value {
    json!({"name": "Ada", "email": EMAIL, "photo": "ada.png", "password": PASSWORD, "passwordConfirm": PASSWORD})
}

pub(crate) fn credentials() -> serde_json::Value {
    json!({"email": EMAIL, "password": PASSWORD})
}
