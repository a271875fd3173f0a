//! A fetch in flight: its task, and what the callers that wait for it see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::keys::remote::limits;

#[derive(Clone, Debug)]
pub(super) struct InFlightFetch {
    pub(super) number: u64,
    started_at: Instant,
    /// Becomes true when the fetch is complete. It closes without that when the task was dropped.
    completed: watch::Receiver<bool>,
    heartbeats: Arc<AtomicU64>,
    task: AbortHandle,
}

impl InFlightFetch {
    /// Starts a task for `fetch`. When it ends, `complete` is called with its result and duration; the result of a panic is
    /// `None`. When the task is dropped, `complete` is not called.
    pub(super) fn spawn<T: Send + 'static>(
        runtime: &Handle,
        number: u64,
        fetch: impl Future<Output = T> + Send + 'static,
        complete: impl FnOnce(Option<T>, Duration) + Send + 'static,
    ) -> Self {
        let started_at = Instant::now();
        let (sender, completed) = watch::channel(false);
        let heartbeats = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&heartbeats);
        let complete = move |result| complete(result, started_at.elapsed());
        let mut completion = Completion { complete: Some(Box::new(complete)), sender };
        let task = runtime.spawn(async move {
            let result = with_heartbeats(fetch, &counter).await;
            completion.run(Some(result));
        });
        Self { number, started_at, completed, heartbeats, task: task.abort_handle() }
    }

    pub(super) fn age(&self) -> Duration {
        self.started_at.elapsed()
    }

    pub(super) fn is_running(&self) -> bool {
        !self.is_complete() && !self.is_dropped()
    }

    pub(super) fn is_complete(&self) -> bool {
        *self.completed.borrow()
    }

    /// Whether the task is gone without a result.
    pub(super) fn is_dropped(&self) -> bool {
        self.completed.has_changed().is_err() && !self.is_complete()
    }

    /// Waits until the fetch is complete or its task is dropped, and at most for one heartbeat interval.
    pub(super) async fn changed(&mut self) {
        let _ = tokio::time::timeout(limits::HEARTBEAT_INTERVAL, self.completed.changed()).await;
    }

    pub(super) fn abort(&self) {
        self.task.abort();
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

/// Calls the callback of a fetch once. A panic of the fetch is a result; a task that is dropped has no result.
struct Completion<T> {
    complete: Option<Box<dyn FnOnce(Option<T>) + Send>>,
    sender: watch::Sender<bool>,
}

impl<T> Completion<T> {
    fn run(&mut self, result: Option<T>) {
        if let Some(complete) = self.complete.take() {
            complete(result);
            self.sender.send_replace(true);
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.run(None);
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
async fn with_heartbeats<T>(fetch: impl Future<Output = T>, heartbeats: &AtomicU64) -> T {
    let mut fetch = std::pin::pin!(fetch);
    let mut interval = tokio::time::interval(limits::HEARTBEAT_INTERVAL);
    loop {
        tokio::select! {
            result = &mut fetch => return result,
            _ = interval.tick() => heartbeats.fetch_add(1, Ordering::Relaxed),
        };
    }
}
