//! The signing keys of `portcullis-issuer` in the same database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::async_trait;
use portcullis_issuer::{RingStore, StoreError, StoredRing};

use super::SqlStore;
use super::database::{Row, Value};

#[async_trait]
impl RingStore for SqlStore {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        let rows = self.database.fetch(&self.statements.key_ring, &[]).await.map_err(StoreError::new)?;
        rows.first().map(read).transpose()
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        let sealed = URL_SAFE_NO_PAD.encode(&ring.sealed);
        let (version, sealed) = (Value::Int(number(ring.version)?), Value::Text(&sealed));
        let changed = match expected {
            Some(expected) => {
                let values = [version, sealed, Value::Int(number(expected)?)];
                self.database.execute(&self.statements.replace_key_ring, &values).await
            }
            // The row of another machine is not an error.
            None => match self.database.execute(&self.statements.insert_key_ring, &[version, sealed]).await {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
                inserted => inserted,
            },
        };
        Ok(changed.map_err(StoreError::new)? > 0)
    }
}

fn read(row: &Row) -> Result<StoredRing, StoreError> {
    let version = u64::try_from(row.int("version").map_err(StoreError::new)?).map_err(StoreError::new)?;
    let sealed = URL_SAFE_NO_PAD.decode(row.text("sealed").map_err(StoreError::new)?);
    let sealed = sealed.map_err(|_| StoreError::new("the row of the key ring cannot be read"))?;
    Ok(StoredRing { version, sealed })
}

fn number(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(StoreError::new)
}
