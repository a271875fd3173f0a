//! Runs user code so that its panic ends one request, not the connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The future panicked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Panicked;

/// Runs `future` and returns what it returns, or [`Panicked`]. Under `panic = "abort"` the process ends as always.
///
/// Give it an `async` block that calls the user's method inside: then a panic before the first `await` counts as well.
pub(crate) async fn catch_panic<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // After a panic the future is not polled again, so its broken state is never seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// Runs `call` and returns what it returns, or [`Panicked`].
pub(crate) fn catch_panic_in<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What `call` changed before its panic must not be used afterwards.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_is_an_error() {
        assert_eq!(catch_panic(async { 7 }).await, Ok(7));
        let late = async {
            tokio::task::yield_now().await;
            panic!("after the first await")
        };
        assert_eq!(catch_panic::<_>(late).await, Err::<(), _>(Panicked));
        assert_eq!(catch_panic_in(|| 7), Ok(7));
        assert_eq!(catch_panic_in(|| panic!("at once")), Err::<(), _>(Panicked));
    }
}
