//! Starts the service in this process, on a free port, with files in a temporary folder.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use example_sessions::{KeySettings, Server, Settings};
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
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
    database_url: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Settings whose files are in `folder`.
pub(crate) fn settings(folder: &TempDir) -> Settings {
    Settings {
        port: 0,
        database_url: format!("sqlite:{}", folder.path().join("sessions.db").display()),
        keys: KeySettings { folder: folder.path().join("keys"), ..KeySettings::default() },
        attempts_per_minute: 10_000.try_into().unwrap(),
        ..Settings::default()
    }
}

impl Service {
    pub(crate) async fn start(settings: Settings) -> Self {
        let database_url = settings.database_url.clone();
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
        Self { address, url, password_hashes, database_url, stop, running }
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

    /// Another session of that user.
    pub(crate) async fn logged_in_again(&self) -> Browser {
        let mut browser = self.browser();
        browser.post("/api/auth/login", credentials()).await.expect(200);
        browser
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Runs a statement in the database of the service.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let mut database = SqliteConnection::connect(&self.database_url).await.unwrap();
        sqlx::query(statement).execute(&mut database).await.unwrap();
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

/// The claims of an access token.
pub(crate) fn claims(token: &str) -> serde_json::Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}
