//! The signing keys of `portcullis-issuer` in the same Redis. They never expire.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::async_trait;
use portcullis_issuer::{RingStore, StoreError, StoredRing};

use super::RedisStore;
use super::fields::Fields;

#[async_trait]
impl RingStore for RedisStore {
    async fn load(&self) -> Result<Option<StoredRing>, StoreError> {
        let fields = self.fields(&self.keys().key_ring()).await.map_err(StoreError::new)?;
        let read = |fields: &Fields| {
            let version = fields.get("version")?.parse().ok()?;
            let sealed = URL_SAFE_NO_PAD.decode(fields.get("sealed")?).ok()?;
            Some(StoredRing { version, sealed })
        };
        let unreadable = || StoreError::new("the key ring cannot be read");
        fields.map(|fields| read(&fields).ok_or_else(unreadable)).transpose()
    }

    async fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, StoreError> {
        let expected = expected.map(|version| version.to_string()).unwrap_or_default();
        let arguments = [expected, ring.version.to_string(), URL_SAFE_NO_PAD.encode(&ring.sealed)];
        let script = &self.scripts().replace_key_ring;
        let replaced = self.connection().call::<i64>(script, &[self.keys().key_ring()], &arguments[..]).await;
        Ok(replaced.map_err(StoreError::new)? == 1)
    }
}
