//! Keys that are fetched from a JWKS endpoint, whose URL is configured or named by the issuer's metadata, or that a loader of
//! the service loads.

mod asked_names;
mod builder;
mod cached_key_set;
mod coordinator;
mod fetch;
mod fetch_state;
mod freshness;
mod in_flight;
mod limits;
mod loader;
mod pem_keys;
mod schedule;
mod settings;
mod sync;
mod trace;
mod waiters;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;

pub use builder::RemoteKeysBuilder;
pub use loader::{KeyLoader, LoadError};
pub use pem_keys::PemKeys;

use crate::error::ConfigError;
use crate::jose::{AlgorithmSet, KeySet, VerifyingKey};
use crate::keys::remote::cached_key_set::CachedKeySet;
use crate::keys::{KeyDiagnosis, KeyError, KeyProvider, KeyQuery, KeyStatus};

/// An issuer's keys, fetched from its JWKS endpoint with the first token and refreshed in the background.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::keys::RemoteKeys;
/// use portcullis::{Audience, JwtVerifier};
///
/// // The issuer's metadata names the URL of the keys, or the URL is known.
/// let keys = RemoteKeys::discover("https://issuer.example/")?;
/// let keys = RemoteKeys::at("https://issuer.example/.well-known/jwks.json")?;
/// let verifier = JwtVerifier::builder("https://issuer.example/", Audience::any_of(["api"]), keys).build()?;
/// # Ok(()) }
/// ```
///
/// To fetch the keys before the first token, call [`Gate::warm_up`](crate::Gate::warm_up).
///
/// While usable keys are cached, callers never wait: refreshes run in the background before the keys expire. During an
/// outage of the identity provider, cached keys are used for 24 hours after their lifetime. Without usable keys, requests
/// are answered with 503, not with 401.
///
/// A fetch runs on the tokio runtime of the caller that needs it. It ends when the last clone of this value is dropped.
#[derive(Clone)]
pub struct RemoteKeys {
    key_set: Arc<CachedKeySet>,
}

impl RemoteKeys {
    /// Fetches keys from `url`, an https URL, or http on this machine.
    ///
    /// # Errors
    /// [`ConfigError`] when the URL can't be used.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().at(url)
    }

    /// Fetches keys from the URL in the metadata of `issuer` (OpenID Connect Discovery 1.0 §4). Write `issuer` exactly
    /// as its metadata does, with or without the slash at the end.
    ///
    /// # Errors
    /// [`ConfigError`] when the issuer is not a URL that can be used.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().discover(issuer)
    }

    /// Uses the keys that `loader` loads, for example from a vault. See [`KeyLoader`].
    ///
    /// # Errors
    /// [`ConfigError`] as in [`RemoteKeysBuilder::loaded_by`]; the default options cause none.
    pub fn loaded_by(loader: impl KeyLoader + 'static) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().loaded_by(loader)
    }

    /// Returns a builder with all options.
    pub fn builder() -> RemoteKeysBuilder {
        RemoteKeysBuilder::new()
    }

    /// Fetches the keys now, unless usable keys are cached. Makes one attempt.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the attempt failed.
    pub async fn warm_up(&self) -> Result<(), KeyError> {
        self.key_set.warm_up().await
    }

    /// Fetches the key set and returns it, even without usable keys, for diagnosis.
    ///
    /// The cached keys do not change, and the fetch does not count towards the cooldown. To verify tokens, use this value
    /// as a [`KeyProvider`].
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when no key set could be fetched.
    pub async fn inspect(&self) -> Result<KeySet, KeyError> {
        self.key_set.inspect().await.map_err(KeyError::from)
    }

    /// Returns the number and age of the cached keys, and the error of the last fetch.
    #[must_use]
    pub fn status(&self) -> KeyStatus {
        self.key_set.status()
    }

    /// Ends the fetch in flight, if there is one. Cached keys remain usable, and later tokens can start another fetch.
    pub fn stop(&self) {
        self.key_set.stop();
    }
}

#[async_trait]
impl KeyProvider for RemoteKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.key_set.key(query).await
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        self.key_set.key_at_hand(query)
    }

    fn algorithms(&self) -> AlgorithmSet {
        self.key_set.algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.key_set.warm_up().await
    }

    fn status(&self) -> KeyStatus {
        self.key_set.status()
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        vec![self.key_set.diagnose().await]
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// A bounded cache of key sets. [`RemoteKeys`] that are built with the same cache for the same URL share keys and fetches.
///
/// ```
/// use portcullis::keys::{KeySetCache, RemoteKeys};
///
/// let cache = KeySetCache::new(100);
/// let one = RemoteKeys::builder().cache(&cache).at("https://issuer.example/jwks.json")?;
/// let same = RemoteKeys::builder().cache(&cache).at("https://issuer.example/jwks.json")?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// They share nothing when their header fields, certificates, proxies or hosts over plain HTTP differ, because one URL may
/// return different keys for different credentials. With [`RemoteKeysBuilder::client`] they share nothing either. All
/// other options, for example the time limit, are those of the value that was built first.
///
/// A full cache drops key sets that are requested rarely. Values that were built with a dropped key set continue to use it.
#[derive(Clone)]
pub struct KeySetCache(Cache<String, Arc<CachedKeySet>>);

impl KeySetCache {
    /// Creates a cache of at most `key_sets` key sets.
    #[must_use]
    pub fn new(key_sets: u64) -> Self {
        Self(Cache::new(key_sets))
    }
}

impl fmt::Debug for KeySetCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetCache").field("key_sets", &self.0.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::jose::InvalidKey;

    #[test]
    fn full_cache_drops_key_sets() {
        let cache = KeySetCache::new(1);
        for name in ["a", "b", "c"] {
            RemoteKeys::builder().cache(&cache).at(&format!("https://issuer.example/{name}")).unwrap();
        }
        cache.0.run_pending_tasks();
        assert_eq!(cache.0.entry_count(), 1);
    }

    #[test]
    fn shared_key_set_has_the_options_of_the_first() {
        let cache = KeySetCache::new(1);
        let seconds = |seconds| {
            let builder = RemoteKeys::builder().timeout(std::time::Duration::from_secs(seconds)).cache(&cache);
            builder.at("https://issuer.example/").unwrap()
        };
        let (first, second) = (seconds(1), seconds(2));
        assert!(Arc::ptr_eq(&first.key_set, &second.key_set));
        assert!(format!("{:?}", second.key_set).contains("timeout: 1s"));
    }

    #[tokio::test]
    async fn key_set_without_usable_keys_is_inspected_not_cached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for body in [r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#, "no key set"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        let keys = RemoteKeys::at(&url).unwrap();
        let seen = keys.inspect().await.unwrap();
        assert!(seen.is_empty());
        let skipped = &seen.skipped()[0];
        assert_eq!((skipped.key_type.as_deref(), &skipped.why), (Some("oct"), &InvalidKey::SymmetricInSet));
        assert_eq!((keys.status().ready, keys.status().last_error), (false, None));
        let KeyError::Unavailable(error) = keys.inspect().await.unwrap_err() else { panic!("another error") };
        assert!(error.source.unwrap().to_string().starts_with("not a key set"));
        server.await.unwrap();
    }
}
