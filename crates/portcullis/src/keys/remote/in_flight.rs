//! The tasks of a fetch: the one that fetches, and the one that watches it from another runtime.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::keys::remote::limits;

/// What a fetch task reports. Each call may come from any thread.
pub(super) trait FetchReports<T>: Send + Sync + 'static {
    /// The runtime of the task is running.
    fn heartbeat(&self);
    /// The fetch has ended. The result of a panic is `None`.
    fn completed(&self, result: Option<T>, took: Duration);
    /// The task was dropped before the fetch ended.
    fn dropped(&self, took: Duration);
}

/// Starts a task for `fetch`, which makes exactly one of the final reports.
pub(super) fn spawn<T: Send + 'static>(
    runtime: &Handle,
    fetch: impl Future<Output = T> + Send + 'static,
    reports: impl FetchReports<T>,
) -> AbortHandle {
    let mut end = FetchEnd { reports: Some(reports), started_at: Instant::now(), result: std::marker::PhantomData };
    let task = async move {
        let result = with_heartbeats(fetch, || end.heartbeat()).await;
        end.report(Some(result));
    };
    runtime.spawn(task).abort_handle()
}

/// Starts a task that calls `stalled` when the fetch has had no heartbeat for too long. `heartbeats` returns their number,
/// and `None` ends the task.
pub(super) fn watch(
    runtime: &Handle,
    heartbeats: impl Fn() -> Option<u64> + Send + 'static,
    stalled: impl FnOnce() + Send + 'static,
) {
    runtime.spawn(async move {
        let mut interval = tokio::time::interval(limits::HEARTBEAT_INTERVAL);
        let (mut last, mut last_at) = (None, Instant::now());
        while let Some(count) = heartbeats() {
            if last != Some(count) {
                (last, last_at) = (Some(count), Instant::now());
            }
            if last_at.elapsed() >= limits::STALL_TIMEOUT {
                return stalled();
            }
            interval.tick().await;
        }
    });
}

/// Reports the end of a fetch once. A panic of the fetch is a result; a task that is dropped has none.
struct FetchEnd<T, P: FetchReports<T>> {
    reports: Option<P>,
    started_at: Instant,
    result: std::marker::PhantomData<fn(T)>,
}

impl<T, P: FetchReports<T>> FetchEnd<T, P> {
    fn heartbeat(&self) {
        if let Some(reports) = &self.reports {
            reports.heartbeat();
        }
    }

    fn report(&mut self, result: Option<T>) {
        if let Some(reports) = self.reports.take() {
            reports.completed(result, self.started_at.elapsed());
        }
    }
}

impl<T, P: FetchReports<T>> Drop for FetchEnd<T, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report(None);
        } else if let Some(reports) = self.reports.take() {
            reports.dropped(self.started_at.elapsed());
        }
    }
}

/// Runs `fetch`, and reports a heartbeat per interval while its runtime is running.
async fn with_heartbeats<T>(fetch: impl Future<Output = T>, heartbeat: impl Fn()) -> T {
    let mut fetch = std::pin::pin!(fetch);
    let mut interval = tokio::time::interval(limits::HEARTBEAT_INTERVAL);
    loop {
        tokio::select! {
            result = &mut fetch => return result,
            _ = interval.tick() => heartbeat(),
        };
    }
}
