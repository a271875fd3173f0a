//! The stores: SQLite always, and the servers that variables name.

use std::io::Write;
use std::sync::Arc;

use portcullis_sessions::{RedisStore, SessionStore, SqlStore};

pub(crate) struct Stored {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

const SERVERS: [(&str, &str); 4] = [
    ("mysql", "PORTCULLIS_TEST_MYSQL_URL"),
    ("postgres", "PORTCULLIS_TEST_POSTGRES_URL"),
    ("redis", "PORTCULLIS_TEST_REDIS_URL"),
    ("redis cluster", "PORTCULLIS_TEST_REDIS_CLUSTER_URL"),
];

pub(crate) fn all() -> Vec<Stored> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
    let mut all = vec![Stored { name: "sqlite", url, _folder: Some(folder) }];
    for (name, variable) in SERVERS {
        match std::env::var(variable) {
            Ok(url) => all.push(Stored { name, url, _folder: None }),
            Err(_) => skipped(variable),
        }
    }
    all
}

/// Says that a variable is missing, also when the output of tests is captured.
pub(crate) fn skipped(variable: &str) {
    let line = format!("SKIPPED kills: {variable} is not set\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Opens a store with new connections.
pub(crate) async fn open(url: &str) -> Arc<dyn SessionStore> {
    if url.starts_with("redis") {
        return Arc::new(RedisStore::builder(url).key_prefix("kills:").connect().await.unwrap());
    }
    Arc::new(SqlStore::builder(url).table_prefix("kills_").max_connections(4).connect().await.unwrap())
}
