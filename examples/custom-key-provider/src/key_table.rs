//! Keys in a table of an SQL database.

use std::path::Path;
use std::sync::Arc;

use portcullis_axum::error::Unavailable;
use portcullis_axum::keys::{KeyError, KeyQuery, VerifyingKey};
use portcullis_axum::{KeyProvider, async_trait};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

/// The keys in the table `verifying_keys`: one JWK per `kid`. A row can be disabled.
///
/// It queries the database for each token, so a change takes effect at once. In `CachedKeys` it queries once per lifetime,
/// and a change takes effect after the lifetime.
#[derive(Debug)]
pub struct KeyTable(SqlitePool);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS verifying_keys (
    kid TEXT PRIMARY KEY,
    jwk TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1
)";

impl KeyTable {
    /// Opens the database. Creates it and its table if they are missing.
    ///
    /// # Errors
    /// [`sqlx::Error`] when the database can't be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        Ok(Self(pool))
    }
}

#[async_trait]
impl KeyProvider for KeyTable {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let kid = query.key_id().ok_or(KeyError::NotFound)?;
        let jwk: Option<String> = sqlx::query_scalar("SELECT jwk FROM verifying_keys WHERE kid = ? AND enabled")
            .bind(kid)
            .fetch_optional(&self.0)
            .await
            .map_err(|error| Unavailable::new().with_source(error))?;
        // An unreadable row is an error of the service, so the token is not refused for it.
        let key = VerifyingKey::from_jwk(&jwk.ok_or(KeyError::NotFound)?)
            .map_err(|error| Unavailable::new().with_source(error))?;
        Ok(Arc::new(key.with_id(kid)))
    }
}
