//! Where keys come from.
//!
//! Design notes: [Keys that are fetched](crate::_docs::keys).

mod compose;
mod fixed;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "remote")]
mod time_limited;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::jose::key::VerifyingKey;
pub use crate::jose::key_set::{KeySet, KeySetError, SkippedKey};
pub use crate::jose::material::InvalidKey;
pub use compose::{CachedKeys, FirstOf};
pub use fixed::{FixedKeys, FixedKeysError};
#[cfg(feature = "remote")]
pub(crate) use remote::endpoint;
#[cfg(feature = "remote")]
pub use remote::{KeySetCache, RemoteKeys, RemoteKeysBuilder};
#[cfg(feature = "remote")]
pub use time_limited::TimeLimited;

use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::jose::key_set::NotChosen;
use crate::jose::{Algorithm, AlgorithmSet};

/// A source of keys: the one trait to implement for keys in a vault, a database or a file.
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
/// The verifier asks once for every token, so an implementation keeps its keys prepared, or stands behind [`CachedKeys`].
/// Whatever it does, no token passes for it that its key did not sign:
///
/// | the provider | the request is answered with |
/// |---|---|
/// | says that there is no such key | 401 `unknown_key` |
/// | fails ([`KeyError::Unavailable`]) | 503, its cause in the log |
/// | takes its time | what it says in the end; the request waits as long. `TimeLimited` makes it a 503 after a while |
/// | panics | 500, and the connection goes on |
/// | returns a key of another identifier, or one that does not serve the algorithm | 401 `unknown_key`, and an error in the log |
/// | returns another key under the right identifier | 401 `bad_signature`, also for tokens that a cache remembers |
///
/// A provider whose source can be down overrides [`warm_up`](Self::warm_up) and [`status`](Self::status), which by default
/// say that all is well. One of shared secrets overrides [`algorithms`](Self::algorithms), else their tokens are refused as
/// `algorithm_not_allowed`. `Debug` shows in that of the verifier and the gate, so it should hold no secret.
///
/// A request that its client gives up drops the question half-way, so a provider must hold nothing that dropping a future
/// leaves in disorder.
///
/// Without `#[async_trait]` above the `impl`, the compiler says that lifetimes do not match (E0195).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of keys",
    note = "keys at hand and keys at a URL come with a `?`: `FixedKeys::pem(text)?`, `RemoteKeys::at(url)?`; a source of your \
            own has `#[async_trait] impl KeyProvider for ..`"
)]
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// The one key that `query` asks for.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] when there is surely no such key, [`KeyError::Unavailable`] when that can't be said now.
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError>;

    /// The algorithms that this provider's keys may serve: the allow-list of a verifier that sets none.
    ///
    /// Providers of shared secrets must say so here; the default has no HMAC.
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ASYMMETRIC
    }

    /// Makes one attempt to get the keys now, where they are fetched. Default: nothing is done, and all is well.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the attempt failed.
    async fn warm_up(&self) -> Result<(), KeyError> {
        Ok(())
    }

    /// What is held, for readiness probes. Default: ready.
    fn status(&self) -> KeyStatus {
        KeyStatus::ready()
    }
}

/// Whether keys are held, and how the last fetch went: for readiness probes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Whether tokens can be verified.
    pub ready: bool,
    /// The number of usable keys, where that is known.
    pub keys: usize,
    /// How long ago the keys were fetched, where they are fetched.
    pub age: Option<Duration>,
    /// What the last fetch failed of; `None` after a success.
    pub last_error: Option<String>,
    /// How long until the next attempt may start, after a failure.
    pub next_attempt: Option<Duration>,
}

impl KeyStatus {
    /// Keys are at hand.
    #[must_use]
    pub fn ready() -> Self {
        Self { ready: true, keys: 0, age: None, last_error: None, next_attempt: None }
    }

    /// No keys yet.
    #[must_use]
    pub fn waiting() -> Self {
        Self { ready: false, ..Self::ready() }
    }

    /// The status of two that stand in for each other: ready when one of them is.
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
}

/// What a verifier wants to know from its [`KeyProvider`].
///
/// The issuer is the configured one: nothing here but `kid`, an opaque name, is text from the token.
#[derive(Clone, Copy)]
pub struct KeyQuery<'a> {
    key_id: Option<&'a str>,
    algorithm: Algorithm,
    issuer: Option<&'a str>,
}

impl<'a> KeyQuery<'a> {
    /// Asks for a key that serves `algorithm`.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { key_id: None, algorithm, issuer: None }
    }

    /// Asks for the key that goes by `id`.
    #[must_use]
    pub fn with_key_id(mut self, id: impl Into<Option<&'a str>>) -> Self {
        self.key_id = id.into();
        self
    }

    /// Asks for a key of `issuer`.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<Option<&'a str>>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// The token's `kid`: a name to compare, never part of a URL, a path or a statement.
    #[must_use]
    pub fn key_id(&self) -> Option<&'a str> {
        self.key_id
    }

    /// The algorithm that the key must serve; it is on the verifier's allow-list.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The verifier's first configured issuer; `None` where any issuer is accepted.
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

/// Why a provider gives no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// More than one key fits: the token is refused as `ambiguous_key`.
    #[error("more than one key fits")]
    Ambiguous,
    /// There is no such key: the token is refused as `unknown_key`, with 401.
    #[error("no such key")]
    NotFound,
    /// The keys can't be had now: the request is answered with 503.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

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

    fn algorithms(&self) -> AlgorithmSet {
        (**self).algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        (**self).warm_up().await
    }

    fn status(&self) -> KeyStatus {
        (**self).status()
    }
}

#[async_trait]
impl<P: KeyProvider + ?Sized> KeyProvider for Box<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        (**self).key(query).await
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
}
