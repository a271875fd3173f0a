//! The memory of used proofs.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::claims::NumericDate;
use crate::error::Unavailable;

/// A store of used DPoP proofs, so that each proof serves one request (RFC 9449 §11.1).
///
/// [`MemoryReplayStore`](crate::possession::MemoryReplayStore) is for one process. Processes that serve the same URL need a store that they share.
///
/// The store must not forget a proof before its time: when it has no room, it answers [`Insertion::Full`], and the request is
/// refused with 503. A panic is answered with 500.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use portcullis::claims::NumericDate;
/// use portcullis::error::Unavailable;
/// use portcullis::possession::{Dpop, Insertion, ReplayStore, UsedProof};
/// use portcullis::async_trait;
///
/// /// Takes as many proofs as there are.
/// #[derive(Debug, Default)]
/// struct Unbounded(Mutex<HashMap<[u8; 32], NumericDate>>);
///
/// #[async_trait]
/// impl ReplayStore for Unbounded {
///     async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
///         let mut used = self.0.lock().map_err(|_| Unavailable::new())?;
///         used.retain(|_, expires_at| *expires_at >= proof.now);
///         let before = used.insert(proof.key, proof.expires_at);
///         Ok(if before.is_some() { Insertion::Replayed } else { Insertion::New })
///     }
/// }
///
/// let dpop = Dpop::required().with_replay_store(Unbounded::default());
/// # let _ = dpop;
/// ```
#[async_trait]
pub trait ReplayStore: fmt::Debug + Send + Sync {
    /// Remembers a proof, unless it is remembered already. Of two calls with the same key at the same time, exactly one gets
    /// [`Insertion::New`].
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot tell. The request is refused with 503.
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable>;
}

/// A used proof, as a store remembers it.
#[derive(Clone, Copy, Debug)]
pub struct UsedProof<'a> {
    /// The SHA-256 of the proof's `jti` and of the URI of its request.
    pub key: [u8; 32],
    /// The thumbprint of the client's key, for a quota of each client.
    pub thumbprint: &'a str,
    /// The time of the gate.
    pub now: NumericDate,
    /// The last moment at which the proof would be accepted. The store keeps it until then, and may keep it longer.
    pub expires_at: NumericDate,
}

impl UsedProof<'_> {
    /// How long the proof has to be kept from now on.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.expires_at.saturating_since(self.now)
    }
}

/// The answer of a [`ReplayStore`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insertion {
    /// The proof is new, and remembered now.
    New,
    /// The proof was used before.
    Replayed,
    /// There is no room for the proof: the store is full, or the client has used up its quota.
    Full,
}

#[async_trait]
impl<S: ReplayStore + ?Sized> ReplayStore for std::sync::Arc<S> {
    async fn insert(&self, proof: &UsedProof<'_>) -> Result<Insertion, Unavailable> {
        (**self).insert(proof).await
    }
}
