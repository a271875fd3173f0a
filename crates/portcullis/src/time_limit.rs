//! A time limit for code of the user, where timers exist.

use std::time::Duration;

/// Waits for `future` for at most `limit`; `None` means that the time has passed and the future was dropped.
///
/// Without the feature `remote`, and outside of a tokio runtime, there is no timer, so there is no limit.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    #[cfg(feature = "remote")]
    if tokio::runtime::Handle::try_current().is_ok() {
        return tokio::time::timeout(limit, future).await.ok();
    }
    let _without_timer = limit;
    Some(future.await)
}
