//! Key providers: fixed keys, fetched keys, caches and combinations, and the trait for your own.
//!
//! Design notes: [Keys that are fetched](crate::_docs::keys).

mod cached;
mod compose;
mod diagnosis;
mod fixed;
#[cfg(feature = "remote")]
mod remote;
mod secret_text;
#[cfg(test)]
mod test_support;
#[cfg(feature = "remote")]
mod time_limited;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::jose::key::VerifyingKey;
pub use crate::jose::key_set::{KeySet, KeySetError, SkippedKey};
pub use crate::jose::material::InvalidKey;
pub use cached::CachedKeys;
pub use compose::FirstOf;
pub use diagnosis::{KeyDiagnosis, KeyRequest};
pub use fixed::{FixedKeys, FixedKeysError};
#[cfg(feature = "remote")]
pub use remote::{KeyLoader, KeySetCache, LoadError, PemKeys, RemoteKeys, RemoteKeysBuilder};
pub use secret_text::doubt_about_secret;
#[cfg(feature = "remote")]
pub use time_limited::TimeLimited;

use crate::catch_panic::catch_panic_in;
use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::jose::key_set::{NotChosen, Wanted};
use crate::jose::{Algorithm, AlgorithmSet};
use crate::sentence::debug_as_sentence;

/// A key provider: the trait to implement for keys in a vault, a database or a file.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use portcullis::keys::{KeyError, KeyQuery, VerifyingKey};
/// use portcullis::{Audience, JwtVerifier, KeyProvider, async_trait};
///
/// #[derive(Debug)]
/// struct VaultKeys(HashMap<String, Arc<VerifyingKey>>);
///
/// #[async_trait]
/// impl KeyProvider for VaultKeys {
///     async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
///         query.key_id().and_then(|id| self.0.get(id)).cloned().ok_or(KeyError::NotFound)
///     }
/// }
///
/// # let keys = VaultKeys(HashMap::new());
/// let verifier = JwtVerifier::builder("https://issuer.example", Audience::any_of(["api"]), keys).build()?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
///
/// The verifier calls [`key`](Self::key) for every token, so an implementation keeps its keys in memory or is wrapped in
/// [`CachedKeys`]. It never lets a token in that its key did not sign:
///
/// | the key provider | the response |
/// |---|---|
/// | returns [`KeyError::NotFound`] | 401 `unknown_key` |
/// | returns [`KeyError::Unavailable`] | 503, with the cause in the log |
/// | is slow | the request waits. With `TimeLimited` the response is 503 after the time limit |
/// | panics | 500 for this request; later requests are served |
/// | returns a key with another identifier, or one that does not serve the algorithm | 401 `unknown_key`, and an error in the log |
/// | returns another key with the right identifier | 401 `bad_signature`, also for cached tokens |
///
/// If one request gives all keys, implement `KeyLoader` instead: `RemoteKeys` then decides when to load, and keeps keys in an
/// outage.
///
/// When the source of the keys can be down, implement [`warm_up`](Self::warm_up) and [`status`](Self::status) as well. A
/// key provider of shared secrets must implement [`algorithms`](Self::algorithms); otherwise their tokens are refused as
/// `algorithm_not_allowed`. The `Debug` output is part of that of the verifier and the gate, so it must not show secrets.
///
/// When a client disconnects, the future that [`key`](Self::key) returned is dropped at an await point. The key provider
/// must be usable after that.
///
/// Without `#[async_trait]` above the `impl`, the compiler reports that lifetimes do not match (E0195).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key provider",
    note = "constructors of keys return a result, so they need a `?`: `FixedKeys::pem(text)?`, `RemoteKeys::at(url)?`",
    note = "a custom key provider needs `#[async_trait] impl KeyProvider for ..`"
)]
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Returns the one key that `query` asks for.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] when there is certainly no such key, [`KeyError::Unavailable`] when this is not known at the
    /// moment, and [`KeyError::Ambiguous`] when several keys fit.
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError>;

    /// Returns what [`key`](Self::key) would return, if that is known without waiting. With `None`, `key` is asked next.
    /// Default: `None`.
    ///
    /// It saves the memory allocation of a future for each token. It must not block.
    fn key_at_hand(&self, _query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        None
    }

    /// Returns the algorithms that the keys may serve. A verifier without its own list of algorithms allows these.
    ///
    /// Default: all asymmetric algorithms. A key provider of shared secrets must return the HMAC algorithms.
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ASYMMETRIC
    }

    /// Makes one attempt to fetch the keys now. Default: does nothing.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the attempt failed.
    async fn warm_up(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// Returns whether there are keys, for readiness probes. Default: ready.
    fn status(&self) -> KeyStatus {
        KeyStatus::ready()
    }

    /// Gets the keys now and tells how, for diagnosis: with the same requests as for verifying, but independently of the keys
    /// that are held. One value for each source of keys. Default: none, because the key provider does not tell.
    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        Vec::new()
    }
}

/// Returns the status that `tell` tells. User code that panics is not ready.
pub(crate) fn status_of(tell: impl FnOnce() -> KeyStatus) -> KeyStatus {
    catch_panic_in(tell).unwrap_or_else(|_| KeyStatus {
        last_error: Some("the code that tells the status panicked".to_owned()),
        ..KeyStatus::waiting()
    })
}

/// Whether a key provider has keys, and the result of its last fetch, for readiness probes.
///
/// ```
/// use portcullis::KeyProvider;
/// use portcullis::keys::FixedKeys;
///
/// let status = FixedKeys::secret(&[7; 32])?.status();
/// assert!(status.ready);
/// assert_eq!(status.keys, 1);
/// # Ok::<(), portcullis::keys::FixedKeysError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Whether tokens can be verified.
    pub ready: bool,
    /// The number of usable keys; 0 also when the number is not known.
    pub keys: usize,
    /// The time since the keys were fetched; `None` when they are not fetched.
    pub age: Option<Duration>,
    /// The error of the last fetch; `None` after a success.
    pub last_error: Option<String>,
    /// The time until the next attempt may start, after a failure.
    pub next_attempt: Option<Duration>,
}

impl KeyStatus {
    /// Returns the status of a key provider that has keys.
    #[must_use]
    pub fn ready() -> Self {
        Self { ready: true, keys: 0, age: None, last_error: None, next_attempt: None }
    }

    /// Returns the status of a key provider that has no keys yet.
    #[must_use]
    pub fn waiting() -> Self {
        Self { ready: false, ..Self::ready() }
    }

    /// Combines the status of two key providers of which one is enough: ready when one of them is.
    ///
    /// The result has the sum of the keys, the higher age, and the first error and its next attempt.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ready: self.ready || other.ready,
            keys: self.keys.saturating_add(other.keys),
            age: self.age.max(other.age),
            last_error: self.last_error.or(other.last_error),
            next_attempt: self.next_attempt.or(other.next_attempt),
        }
    }

    /// Combines the status of two key providers that are both needed: ready when both are.
    ///
    /// The other members are as in [`Self::or`].
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let ready = self.ready && other.ready;
        Self { ready, ..self.or(other) }
    }
}

/// Which key a verifier needs from its [`KeyProvider`].
///
/// The issuer is the configured one. `kid`, `x5t` and `x5t#S256` are unverified text from the token: names to compare, never
/// part of a URL, a path or an SQL statement.
#[derive(Clone, Copy)]
pub struct KeyQuery<'a> {
    key_id: Option<&'a str>,
    x5t: Option<&'a str>,
    x5t_s256: Option<&'a str>,
    algorithm: Algorithm,
    issuer: Option<&'a str>,
    attempt: usize,
    unnamed_tries: usize,
}

impl<'a> KeyQuery<'a> {
    /// Asks for a key that serves `algorithm`.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { key_id: None, x5t: None, x5t_s256: None, algorithm, issuer: None, attempt: 0, unnamed_tries: 1 }
    }

    /// Asks for the key with this `kid`.
    #[must_use]
    pub fn with_key_id(mut self, id: impl Into<Option<&'a str>>) -> Self {
        self.key_id = id.into();
        self
    }

    /// Asks for the key whose certificate has this SHA-1 thumbprint.
    #[must_use]
    pub fn with_x5t(mut self, thumbprint: impl Into<Option<&'a str>>) -> Self {
        self.x5t = thumbprint.into();
        self
    }

    /// Asks for the key whose certificate has this SHA-256 thumbprint.
    #[must_use]
    pub fn with_x5t_s256(mut self, thumbprint: impl Into<Option<&'a str>>) -> Self {
        self.x5t_s256 = thumbprint.into();
        self
    }

    /// Asks for a key of `issuer`.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<Option<&'a str>>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Asks for the next key after `attempt` keys did not verify the token's signature.
    #[must_use]
    pub fn with_attempt(mut self, attempt: usize) -> Self {
        self.attempt = attempt;
        self
    }

    /// Allows a key set to try up to `tries` keys for a token that names none.
    pub(crate) fn with_unnamed_tries(mut self, tries: usize) -> Self {
        self.unnamed_tries = tries;
        self
    }

    /// Returns the number of keys that were tried for this token and did not verify its signature: 0 at first.
    ///
    /// A verifier asks again only where the key was not chosen by a name, for example during a rotation of two secrets
    /// without `kid`. A key provider without such keys ignores this number. Otherwise it returns its keys one after the other
    /// and then [`KeyError::NotFound`].
    #[must_use]
    pub fn attempt(&self) -> usize {
        self.attempt
    }

    /// Describes the key for a key set. `nameless` is the number of keys without identifiers that may be tried.
    pub(crate) fn wanted(&self, nameless: usize) -> Wanted<'a> {
        Wanted {
            id: self.key_id,
            x5t: self.x5t,
            x5t_s256: self.x5t_s256,
            algorithm: self.algorithm,
            attempt: self.attempt,
            nameless,
            unnamed: self.unnamed_tries,
        }
    }

    /// Returns the token's `kid` (RFC 7515 §4.1.4).
    #[must_use]
    pub fn key_id(&self) -> Option<&'a str> {
        self.key_id
    }

    /// Returns the token's `x5t`, the base64url-encoded SHA-1 thumbprint of the key's certificate (RFC 7515 §4.1.7).
    #[must_use]
    pub fn x5t(&self) -> Option<&'a str> {
        self.x5t
    }

    /// Returns the token's `x5t#S256`, the base64url-encoded SHA-256 thumbprint of the key's certificate (RFC 7515 §4.1.8).
    #[must_use]
    pub fn x5t_s256(&self) -> Option<&'a str> {
        self.x5t_s256
    }

    /// Returns the algorithm that the key must serve. It is on the verifier's allow-list.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the verifier's first configured issuer. `None` means that every issuer is accepted.
    #[must_use]
    pub fn issuer(&self) -> Option<&'a str> {
        self.issuer
    }
}

impl fmt::Debug for KeyQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyQuery")
            .field("algorithm", &self.algorithm)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why a key provider returns no key.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// More than one key fits: the response is 401 `ambiguous_key`.
    #[error("more than one key fits")]
    Ambiguous,
    /// There is no such key: the response is 401 `unknown_key`.
    #[error("no such key")]
    NotFound,
    /// The keys are unavailable at the moment: the response is 503.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

debug_as_sentence!(KeyError);

impl From<KeyError> for AuthError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Ambiguous => InvalidToken::AmbiguousKey.into(),
            KeyError::NotFound => InvalidToken::UnknownKey.into(),
            KeyError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<NotChosen> for KeyError {
    fn from(not_chosen: NotChosen) -> Self {
        match not_chosen {
            NotChosen::Ambiguous => Self::Ambiguous,
            NotChosen::NotFound => Self::NotFound,
        }
    }
}

#[async_trait]
impl<P: KeyProvider + ?Sized> KeyProvider for Arc<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        (**self).key(query).await
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        (**self).key_at_hand(query)
    }

    fn algorithms(&self) -> AlgorithmSet {
        (**self).algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        (**self).warm_up().await
    }

    fn status(&self) -> KeyStatus {
        (**self).status()
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        (**self).diagnose().await
    }
}

#[async_trait]
impl<P: KeyProvider + ?Sized> KeyProvider for Box<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        (**self).key(query).await
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        (**self).key_at_hand(query)
    }

    fn algorithms(&self) -> AlgorithmSet {
        (**self).algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        (**self).warm_up().await
    }

    fn status(&self) -> KeyStatus {
        (**self).status()
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        (**self).diagnose().await
    }
}

/// ```compile_fail,E0195
/// use std::sync::Arc;
/// use portcullis::KeyProvider;
/// use portcullis::keys::{KeyError, KeyQuery, VerifyingKey};
///
/// #[derive(Debug)]
/// struct WithoutAsyncTrait;
///
/// impl KeyProvider for WithoutAsyncTrait {
///     async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
///         Err(KeyError::NotFound)
///     }
/// }
/// ```
#[cfg(doctest)]
struct AsyncTraitIsRequired;
