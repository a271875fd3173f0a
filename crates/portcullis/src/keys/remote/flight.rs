//! A fetch under way, as those see it who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How often a fetching task says that it is alive, and how often a waiter listens.
pub(super) const BEAT: Duration = Duration::from_millis(100);
/// After this long without a beat, a waiter fetches on its own runtime.
pub(super) const SILENCE: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) started_at: Instant,
    /// Becomes true when the fetch has landed; closes without that when its task is gone.
    pub(super) landed: watch::Receiver<bool>,
    pub(super) beats: Arc<AtomicU64>,
    pub(super) task: AbortHandle,
}

impl Flight {
    pub(super) fn is_under_way(&self) -> bool {
        !*self.landed.borrow() && self.landed.has_changed().is_ok()
    }

    /// From now on, how long it has been silent.
    pub(super) fn listen(&self) -> Listener {
        Listener { beats: Arc::clone(&self.beats), last: self.beats.load(Ordering::Relaxed), heard_at: Instant::now() }
    }
}

pub(super) struct Listener {
    beats: Arc<AtomicU64>,
    last: u64,
    heard_at: Instant,
}

impl Listener {
    pub(super) fn hears_nothing(&mut self) -> bool {
        let beats = self.beats.load(Ordering::Relaxed);
        if beats != self.last {
            (self.last, self.heard_at) = (beats, Instant::now());
        }
        self.heard_at.elapsed() >= SILENCE
    }
}

/// Drives `fetch`, counting beats as long as its runtime turns.
pub(super) async fn while_beating<T>(fetch: impl Future<Output = T>, beats: &AtomicU64) -> T {
    let mut fetch = std::pin::pin!(fetch);
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            result = &mut fetch => return result,
            _ = beat.tick() => beats.fetch_add(1, Ordering::Relaxed),
        };
    }
}
