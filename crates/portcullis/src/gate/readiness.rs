//! Getting ready: the first fetch of keys before a token needs them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
#[cfg(feature = "remote")]
use std::time::Instant;

use crate::catch_panic::catch_panic;
#[cfg(feature = "remote")]
use crate::error::{AuthError, Unavailable};
use crate::keys::{KeyStatus, status_of};
use crate::time_limit;
use crate::verifier::Verifier;

/// The longest time that a readiness probe waits: less than the second after which a probe of Kubernetes gives up.
const PROBE_LIMIT: Duration = Duration::from_millis(900);

/// The pause between two attempts where the key provider has no schedule.
#[cfg(feature = "remote")]
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Makes the attempt that is due, if tokens can't be verified yet, and returns as soon as they can.
pub(super) async fn ready(verifier: &dyn Verifier) -> KeyStatus {
    let status = || status_of(|| verifier.status());
    let before = status();
    if before.ready {
        return before;
    }
    let mut attempt = pin!(catch_panic(async { verifier.warm_up().await }));
    // One of several issuers may be ready while the attempts for the others go on.
    let ready = poll_fn(|context| {
        let ended = attempt.as_mut().poll(context).is_ready();
        if ended || status().ready { Poll::Ready(()) } else { Poll::Pending }
    });
    let _in_time = time_limit::within(PROBE_LIMIT, ready).await;
    status()
}

/// Repeats the attempt until it succeeds or `deadline` has passed.
#[cfg(feature = "remote")]
pub(super) async fn warm_up_within(verifier: &dyn Verifier, deadline: Duration) -> Result<(), AuthError> {
    let started_at = Instant::now();
    let mut last = None;
    loop {
        let left = deadline.saturating_sub(started_at.elapsed());
        match time_limit::within(left, verifier.warm_up()).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => last = Some(error),
            // Some of several issuers did not answer in time.
            None if verifier.status().ready => return Ok(()),
            None => {
                let late = || Unavailable::new().with_source(format!("not ready within {deadline:?}")).into();
                return Err(last.unwrap_or_else(late));
            }
        }
        let pause = verifier.status().next_attempt.unwrap_or(SHORTEST_PAUSE).max(SHORTEST_PAUSE);
        if started_at.elapsed().saturating_add(pause) >= deadline {
            return Err(last.unwrap_or_else(|| Unavailable::new().into()));
        }
        tokio::time::sleep(pause).await;
    }
}
