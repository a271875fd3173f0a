//! Keys that are fetched: JWKS endpoints, and discovery that leads to them.

mod absent;
mod builder;
pub(crate) mod endpoint;
mod entry;
mod fetch;
mod flight;
mod freshness;
mod metadata;
mod schedule;
mod settings;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;

pub use builder::RemoteKeysBuilder;

use crate::error::ConfigError;
use crate::jose::{KeySet, VerifyingKey};
use crate::keys::remote::entry::Entry;
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// An issuer's keys, fetched from its JWKS endpoint when they are first needed, and kept as the provider rotates them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::keys::RemoteKeys;
/// use portcullis::{Audience, JwtVerifier};
///
/// // Found by the issuer's metadata, or at a URL that is known.
/// let keys = RemoteKeys::discover("https://issuer.example/")?;
/// let keys = RemoteKeys::at("https://issuer.example/.well-known/jwks.json")?;
/// let verifier = JwtVerifier::builder("https://issuer.example/", Audience::any_of(["api"]), keys).build()?;
/// # Ok(()) }
/// ```
///
/// Nothing is fetched before the first token, unless [`Gate::warm_up`](crate::Gate::warm_up) asks for it. While usable
/// keys are held no caller ever waits: a refresh runs beside, ahead of time. When the provider is down, held keys serve
/// for a day; when none are held, callers are told to come back (503), never that their token is bad. Fetches run on the
/// tokio runtime of whoever needs them, and end when the last clone of this value is dropped.
#[derive(Clone)]
pub struct RemoteKeys {
    entry: Arc<Entry>,
}

impl RemoteKeys {
    /// The keys at `url`, an https URL (or http on this machine).
    ///
    /// # Errors
    /// [`ConfigError`] when the URL can't be used.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().at(url)
    }

    /// The keys that the metadata of `issuer` names (OpenID Connect Discovery 1.0 §4). `issuer` is written exactly as
    /// the provider writes it, with its slash at the end or without.
    ///
    /// # Errors
    /// [`ConfigError`] when the issuer is no URL that can be used.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().discover(issuer)
    }

    /// Every option.
    pub fn builder() -> RemoteKeysBuilder {
        RemoteKeysBuilder::new()
    }

    /// Fetches the keys now, unless they are held: one attempt.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the attempt failed.
    pub async fn warm_up(&self) -> Result<(), KeyError> {
        self.entry.warm_up().await
    }

    /// Fetches the key set and shows it, be it one without a usable key: for diagnosis. What is held does not change, and
    /// no cooldown counts; to verify tokens, use this value as the [`KeyProvider`] that it is.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when no key set came.
    pub async fn inspect(&self) -> Result<KeySet, KeyError> {
        self.entry.inspect().await.map_err(KeyError::from)
    }

    /// What is held, and how the last fetch went.
    #[must_use]
    pub fn status(&self) -> KeyStatus {
        self.entry.status()
    }

    /// Ends the fetch that is under way, if any. Keys that are held go on serving; a later need fetches again.
    pub fn stop(&self) {
        self.entry.stop();
    }
}

#[async_trait]
impl KeyProvider for RemoteKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.entry.key(query).await
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.entry.warm_up().await
    }

    fn status(&self) -> KeyStatus {
        self.entry.status()
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Key sets by their URL: providers made with one cache share the keys, and the fetch, of a URL that they have in common.
///
/// Providers that ask it with other header fields, certificates or another proxy have key sets of their own, as has each
/// that uses its own client: one URL may give each customer their own keys. All else, such as the limits, is that of the
/// first provider.
///
/// Bounded: past its capacity the key set that was used least is forgotten, and fetched again when it is needed.
#[derive(Clone)]
pub struct KeySetCache(Cache<String, Arc<Entry>>);

impl KeySetCache {
    /// A cache of at most `key_sets` key sets.
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

    #[tokio::test]
    async fn a_set_without_a_usable_key_can_be_inspected_and_is_not_held() {
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
