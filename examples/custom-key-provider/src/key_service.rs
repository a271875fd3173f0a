//! Keys of a service that publishes them in another format than a JWK Set.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_axum::async_trait;
use portcullis_axum::keys::{InvalidKey, KeyLoader, KeySet, LoadError, VerifyingKey};
use reqwest::Client;

/// A service that answers with a JSON object: each `kid`, and its public key or certificate in PEM, as Google does.
///
/// In `RemoteKeys` it is asked when keys are missing or due, and its last keys serve during an outage.
#[derive(Debug)]
pub struct KeyService {
    client: Client,
    url: String,
}

impl KeyService {
    /// Loads keys from `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

#[async_trait]
impl KeyLoader for KeyService {
    async fn load(&self) -> Result<KeySet, LoadError> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        let keys: HashMap<String, String> = serde_json::from_str(&response.text().await?)?;
        let keys = keys.into_iter().map(|(id, pem)| Ok(Arc::new(VerifyingKey::from_pem(&pem)?.with_id(id))));
        Ok(KeySet::from_keys(keys.collect::<Result<Vec<_>, InvalidKey>>()?))
    }
}
