//! Starts the service in this process, on a free port. Its files are in a temporary folder, and its tables on the server that
//! a variable names.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Once};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use example_sessions::{KeySettings, Server, Settings};
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
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
    prefix: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// The variables for these tests that are `DATABASE_URL` and `REDIS_URL` for the service.
const DATABASE_URL: &str = "PORTCULLIS_TEST_APP_DATABASE_URL";
const REDIS_URL: &str = "PORTCULLIS_TEST_APP_REDIS_URL";

/// Settings whose files are in `folder`. On a server, the names of tables and keys begin with a prefix of this folder, so that
/// tests do not disturb each other.
pub(crate) fn settings(folder: &TempDir) -> Settings {
    let [database_url, redis_url] = [DATABASE_URL, REDIS_URL].map(|name| std::env::var(name).ok());
    let mut database_prefix = String::new();
    if database_url.is_some() || redis_url.is_some() {
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        database_prefix.push('t');
        // Names of folders differ by upper and lower case, and prefixes do not.
        for byte in name.trim_start_matches(".tmp").bytes() {
            write!(database_prefix, "{byte:02x}").unwrap();
        }
        database_prefix.push('_');
    } else {
        static TOLD: Once = Once::new();
        // Also when the output of tests is captured.
        TOLD.call_once(|| {
            let line = format!("SKIPPED app: neither {DATABASE_URL} nor {REDIS_URL} is set, so it runs on SQLite\n");
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        });
    }
    let file = || format!("sqlite:{}", folder.path().join("sessions.db").display());
    Settings {
        port: 0,
        database_url: database_url.unwrap_or_else(file),
        database_prefix,
        redis_url,
        keys: KeySettings { folder: folder.path().join("keys"), ..KeySettings::default() },
        attempts_per_minute: 10_000.try_into().unwrap(),
        ..Settings::default()
    }
}

impl Service {
    pub(crate) async fn start(settings: Settings) -> Self {
        let (database_url, prefix) = (settings.database_url.clone(), settings.database_prefix.clone());
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
        Self { address, url, password_hashes, database_url, prefix, stop, running }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(std::slice::from_ref(&self.address), &self.url)
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

    /// Runs a statement in the database of the service. Names of tables begin with `{}`.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let mut database = AnyConnection::connect(&self.database_url).await.unwrap();
        let statement = statement.replace("{}", &self.prefix);
        sqlx::query(AssertSqlSafe(statement)).execute(&mut database).await.unwrap();
    }

    /// The names of all tables in the database of the service.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let mut database = AnyConnection::connect(&self.database_url).await.unwrap();
        let query = match self.database_url.split(':').next().unwrap() {
            "sqlite" => "SELECT name FROM sqlite_schema WHERE type = 'table'",
            "postgres" => "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()",
            _ => {
                "SELECT CONVERT(table_name USING utf8mb4) FROM information_schema.tables WHERE table_schema = DATABASE()"
            }
        };
        sqlx::query_scalar(query).fetch_all(&mut database).await.unwrap()
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
