//! Keys in an SQL table.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use example_custom_key_provider::KeyTable;
use portcullis_axum::keys::CachedKeys;
use portcullis_testing::SigningKey;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::support::{GOOD, Service, new_key, token};

/// A database file, and a connection to it that is separate from that of the key provider.
struct Database {
    _folder: TempDir,
    path: PathBuf,
    connection: SqliteConnection,
}

impl Database {
    async fn new() -> (Self, KeyTable) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keys.db");
        let table = KeyTable::open(&path).await.unwrap();
        let connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
        (Self { _folder: folder, path, connection }, table)
    }

    async fn insert(&mut self, key: &SigningKey) {
        self.insert_text(key.id(), &key.jwk().to_string()).await;
    }

    async fn insert_text(&mut self, kid: &str, jwk: &str) {
        let statement = sqlx::query("INSERT INTO verifying_keys (kid, jwk) VALUES (?, ?)").bind(kid).bind(jwk);
        statement.execute(&mut self.connection).await.unwrap();
    }

    async fn run(&mut self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.connection).await.unwrap();
    }
}

#[actix_web::test]
async fn key_is_accepted_while_its_row_is_enabled() {
    let (mut database, table) = Database::new().await;
    let service = Service::with(table);
    let (first, second) = (new_key("k1"), new_key("k2"));
    assert_eq!(service.answer(&token(&first)).await, "401 unknown_key");
    database.insert(&first).await;
    database.insert(&second).await;
    assert_eq!(service.answer(&token(&first)).await, GOOD);
    database.run("UPDATE verifying_keys SET enabled = 0 WHERE kid = 'k1'").await;
    assert_eq!(service.answer(&token(&first)).await, "401 unknown_key");
    database.run("UPDATE verifying_keys SET enabled = 1 WHERE kid = 'k1'").await;
    assert_eq!(service.answer(&token(&first)).await, GOOD);
    database.run("DELETE FROM verifying_keys WHERE kid = 'k1'").await;
    assert_eq!(service.answer(&token(&first)).await, "401 unknown_key");
    assert_eq!(service.answer(&token(&second)).await, GOOD);
}

#[actix_web::test]
async fn key_has_the_kid_of_its_row() {
    let (mut database, table) = Database::new().await;
    let service = Service::with(table);
    let key = new_key("k1");
    let mut jwk = key.jwk();
    jwk["kid"] = "another".into();
    database.insert_text("k1", &jwk.to_string()).await;
    assert_eq!(service.answer(&token(&key)).await, GOOD);
}

#[actix_web::test]
async fn replaced_row_takes_effect() {
    let (mut database, table) = Database::new().await;
    let service = Service::built(table, |builder| builder.cache_tokens(100));
    let (old, new) = (new_key("k"), new_key("k"));
    database.insert(&old).await;
    assert_eq!(service.answer(&token(&old)).await, GOOD);
    database.run("DELETE FROM verifying_keys").await;
    database.insert(&new).await;
    assert_eq!(service.answer(&token(&old)).await, "401 bad_signature");
    assert_eq!(service.answer(&token(&new)).await, GOOD);
}

#[actix_web::test]
async fn cached_rows_take_effect_after_the_lifetime() {
    let (mut database, table) = Database::new().await;
    let service = Service::with(CachedKeys::new(table, 10, Duration::from_millis(200)).unwrap());
    let key = new_key("k1");
    database.insert(&key).await;
    assert_eq!(service.answer(&token(&key)).await, GOOD);
    database.run("DELETE FROM verifying_keys").await;
    service.comes_to_answer(&token(&key), "401 unknown_key").await;
    // A new row is accepted after a token named its key too early.
    database.insert(&key).await;
    service.comes_to_answer(&token(&key), GOOD).await;
}

#[actix_web::test]
async fn unreadable_row_or_database_is_503() {
    let (mut database, table) = Database::new().await;
    let table = Arc::new(table);
    let service = Service::with(Arc::clone(&table));
    let (good, broken) = (new_key("k1"), new_key("k2"));
    database.insert(&good).await;
    database.insert_text("k2", "{\"kty\":").await;
    assert_eq!(service.answer(&token(&broken)).await, "503 temporarily_unavailable");
    assert_eq!(service.answer(&token(&good)).await, GOOD);
    database.run("ALTER TABLE verifying_keys RENAME TO elsewhere").await;
    assert_eq!(service.answer(&token(&good)).await, "503 temporarily_unavailable");
    database.run("ALTER TABLE elsewhere RENAME TO verifying_keys").await;
    assert_eq!(service.answer(&token(&good)).await, GOOD);
}

#[actix_web::test]
async fn kid_is_never_part_of_the_sql_statement() {
    let (mut database, table) = Database::new().await;
    let service = Service::with(table);
    database.insert(&new_key("k1")).await;
    for kid in ["' OR '1'='1", "k1' --", "%", "_1", "k1\u{0}", "K1", "k1 ", ""] {
        assert_eq!(service.answer(&token(&new_key(kid))).await, "401 unknown_key", "{kid:?}");
    }
    assert!(database.path.exists());
}
