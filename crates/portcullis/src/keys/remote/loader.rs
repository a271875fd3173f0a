//! Keys that code of the user loads.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::jose::{AlgorithmSet, KeySet};

/// Why a [`KeyLoader`] has no keys. `?` makes one of any error. Its text goes to the log, so it must not hold secrets.
///
/// An [`Unavailable`](crate::error::Unavailable) with a time for another attempt delays the next load until then, for at
/// most 5 minutes.
pub type LoadError = Box<dyn Error + Send + Sync>;

/// Loads a key set: the trait to implement for keys that one request gives, for example from a vault, or from a URL in
/// another format than a JWK Set.
///
/// ```
/// use portcullis::keys::{KeyLoader, KeySet, LoadError, RemoteKeys};
/// use portcullis::{JwtVerifier, async_trait};
///
/// #[derive(Debug)]
/// struct Vault(reqwest::Client);
///
/// #[async_trait]
/// impl KeyLoader for Vault {
///     async fn load(&self) -> Result<KeySet, LoadError> {
///         let response = self.0.get("https://vault.example/v1/keys").send().await?;
///         Ok(KeySet::from_json(&response.error_for_status()?.text().await?)?)
///     }
/// }
///
/// # fn verifier(client: reqwest::Client) -> Result<(), portcullis::ConfigError> {
/// let keys = RemoteKeys::loaded_by(Vault(client))?;
/// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys).build()?;
/// # Ok(()) }
/// ```
///
/// [`RemoteKeys`](crate::keys::RemoteKeys) decides when to load. It gives the loader all that it does for keys from a URL:
/// one load at a time for all callers, a refresh in the background before the keys expire, stale keys in an outage, a pause
/// after a failure, few loads for made-up `kid`s, a time limit, a status, and logs. A panic is a failed load.
///
/// A key set without usable keys is a failed load, so it does not replace the keys before.
///
/// To answer for one key at a time, for example from a table with many keys, implement
/// [`KeyProvider`](crate::KeyProvider) and cache it with [`CachedKeys`](crate::keys::CachedKeys).
#[async_trait]
pub trait KeyLoader: fmt::Debug + Send + Sync {
    /// Loads all keys. It runs as a separate task, and is dropped at the time limit.
    ///
    /// # Errors
    /// When there are no keys at the moment. Cached keys stay in use.
    async fn load(&self) -> Result<KeySet, LoadError>;

    /// Returns the algorithms that the keys may serve. A verifier without its own list of algorithms allows these.
    ///
    /// Default: all asymmetric algorithms. A loader of shared secrets must return the HMAC algorithms.
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ASYMMETRIC
    }
}
