//! A fetch that is under way, as the callers that wait for it see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::keys::remote::limits;

#[derive(Clone, Debug)]
pub(super) struct InFlightFetch {
    pub(super) number: u64,
    pub(super) started_at: Instant,
    /// Becomes true when the fetch is complete. It closes without that when the task was dropped.
    pub(super) completed: watch::Receiver<bool>,
    pub(super) heartbeats: Arc<AtomicU64>,
    pub(super) task: AbortHandle,
}

impl InFlightFetch {
    pub(super) fn is_complete(&self) -> bool {
        *self.completed.borrow()
    }

    pub(super) fn is_running(&self) -> bool {
        !self.is_complete() && self.completed.has_changed().is_ok()
    }

    /// Watches the heartbeats from now on.
    pub(super) fn watch_heartbeats(&self) -> StallDetector {
        StallDetector {
            heartbeats: Arc::clone(&self.heartbeats),
            last: self.heartbeats.load(Ordering::Relaxed),
            last_at: Instant::now(),
        }
    }
}

/// Finds fetches whose runtime is blocked or no longer driven.
pub(super) struct StallDetector {
    heartbeats: Arc<AtomicU64>,
    last: u64,
    last_at: Instant,
}

impl StallDetector {
    pub(super) fn is_stalled(&mut self) -> bool {
        let heartbeats = self.heartbeats.load(Ordering::Relaxed);
        if heartbeats != self.last {
            (self.last, self.last_at) = (heartbeats, Instant::now());
        }
        self.last_at.elapsed() >= limits::STALL_TIMEOUT
    }
}

/// Runs `fetch`, and counts a heartbeat per interval while its runtime is running.
pub(super) async fn with_heartbeats<T>(fetch: impl Future<Output = T>, heartbeats: &AtomicU64) -> T {
    let mut fetch = std::pin::pin!(fetch);
    let mut interval = tokio::time::interval(limits::HEARTBEAT_INTERVAL);
    loop {
        tokio::select! {
            result = &mut fetch => return result,
            _ = interval.tick() => heartbeats.fetch_add(1, Ordering::Relaxed),
        };
    }
}
