//! Writes when keys were used, without making requests wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::store::ApiKeyStore;
use crate::timestamp::{Timestamp, millis};
use crate::token::TokenHash;

/// How often the use of a secret is written at most.
pub(super) const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The uses that are not written yet. One task writes them one after the other, and then it ends. It is stopped when the
/// last clone of the service is dropped.
pub(super) struct LastUses(Arc<State>);

struct State {
    store: Arc<dyn ApiKeyStore>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    uses: HashMap<TokenHash, Timestamp>,
    writer: Option<AbortHandle>,
}

/// When the use of a secret was last written, as far as this process knows.
#[derive(Debug)]
pub(super) struct Noted(AtomicI64);

/// Only keys that the store has get here. If so many are used while it is slow, the rest is not written.
const MOST_PENDING: usize = 10_000;

impl LastUses {
    pub(super) fn new(store: Arc<dyn ApiKeyStore>) -> Self {
        Self(Arc::new(State { store, pending: Mutex::default() }))
    }

    /// Notes that a secret was used, if the last note is old enough. Without a runtime of tokio, nothing is written.
    pub(super) fn note(&self, hash: TokenHash, noted: &Noted, now: Timestamp) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !noted.is_due(now) {
            return;
        }
        let mut pending = self.0.pending();
        if pending.uses.len() >= MOST_PENDING {
            return;
        }
        pending.uses.insert(hash, now);
        // A writer whose runtime was stopped is finished too.
        if pending.writer.as_ref().is_none_or(AbortHandle::is_finished) {
            let state = self.0.clone();
            pending.writer = Some(runtime.spawn(async move { state.write().await }).abort_handle());
        }
    }
}

impl Drop for LastUses {
    fn drop(&mut self) {
        if let Some(writer) = self.0.pending().writer.take() {
            writer.abort();
        }
    }
}

impl State {
    async fn write(&self) {
        while let Some((hash, at)) = self.next() {
            if let Err(error) = self.store.note_api_key_use(&hash, at).await {
                // The next use after an answer of the store is written.
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "the use of an API key was not written");
            }
        }
    }

    /// Takes a use that is not written yet. `None` means that all are written, and the writer ends.
    fn next(&self) -> Option<(TokenHash, Timestamp)> {
        let mut pending = self.pending();
        let next = pending.uses.keys().next().copied().and_then(|hash| pending.uses.remove_entry(&hash));
        if next.is_none() {
            pending.writer = None;
        }
        next
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    pub(super) fn new(last_used_at: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(last_used_at.map_or(i64::MIN, Timestamp::as_unix_millis)))
    }

    /// Whether a use at `now` is to be written. Of several callers at once, one gets `true`.
    fn is_due(&self, now: Timestamp) -> bool {
        let (noted, now) = (self.0.load(Ordering::Relaxed), now.as_unix_millis());
        now.saturating_sub(noted) >= millis(INTERVAL)
            && self.0.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl fmt::Debug for LastUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastUses")
    }
}
