//! Connections that live longer than their request: when they have to end.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::catch_panic::catch_panic;
use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::gate::Gate;
use crate::session;
use crate::verifier::Verified;

const DEFAULT_BOUND: Duration = Duration::from_secs(30);
/// A shorter bound would ask the checks without a pause.
const SHORTEST_BOUND: Duration = Duration::from_millis(10);
const LONGEST_BOUND: Duration = Duration::from_secs(60 * 60);

/// A future that resolves when a connection has to end, with the reason: the token expired, it was revoked, or that could not
/// be told for too long. [`Gate::watch`] makes it.
///
/// It runs only while it is polled, and starts no task: when the connection ends for another reason and drops it, nothing goes
/// on. It needs a tokio runtime with timers. Without one it resolves at once, with an [`AuthError::Server`].
#[must_use = "nothing is watched until it is polled, for example by run or limit"]
pub struct Watch {
    gate: Gate,
    caller: Verified,
    bound: Duration,
    running: Option<Pin<Box<dyn Future<Output = AuthError> + Send>>>,
}

impl Gate {
    /// Watches a caller that this gate let in, for a connection that lives longer than its request: a WebSocket, server-sent
    /// events, a gRPC stream.
    ///
    /// The connection has to end
    ///
    /// - at `exp`, by the verifier's clock and without leeway;
    /// - at most 30 seconds ([`Watch::within`]) after the token, its session or its user was revoked. The session checks
    ///   ([`Self::with_check`]) and the verifier ([`Verified::with_recheck`]) are asked again after half of this time. An answer
    ///   that a check has cached counts as new, so add the age of its cache;
    /// - the same time after the last good answer, if a check is unavailable since then. So a short outage of a store ends no
    ///   connection, and a long one does not keep a revoked caller connected.
    ///
    /// A caller whose token does not expire is only asked about. Policies are not checked again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis::{Gate, dangerous};
    /// # let caller = dangerous::assume_verified(&serde_json::json!({"sub": "alice", "exp": 1}))?;
    /// # let gate = dangerous::admit_everyone_as(caller.clone());
    /// # async fn talk() {}
    /// // `talk` stops when the caller may no longer be connected.
    /// if let Err(ended) = gate.watch(&caller).run(talk()).await {
    ///     assert_eq!((ended.reason().unwrap().as_str(), ended.websocket_close_code()), ("expired", 3000));
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch(&self, caller: &Verified) -> Watch {
        Watch { gate: self.clone(), caller: caller.clone(), bound: DEFAULT_BOUND, running: None }
    }

    /// Asks again whether `caller` may go on: the verifier, then the session checks.
    pub(super) async fn recheck(&self, caller: &Verified) -> Result<(), AuthError> {
        for recheck in caller.rechecks() {
            let answer = catch_panic(async { recheck.recheck(caller).await }).await;
            answer.unwrap_or_else(|_| Err(AuthError::Server("the code that checks a caller again panicked".into())))?;
        }
        for check in &self.0.checks {
            session::ask(&**check, caller, self.0.metrics.session_checks()).await?;
        }
        Ok(())
    }
}

impl Watch {
    /// The caller of the connection.
    #[must_use]
    pub fn caller(&self) -> &Verified {
        &self.caller
    }

    /// Ends the connection at most `bound` after a revocation, instead of 30 seconds. A bound below 10 milliseconds or above one
    /// hour counts as that. Each connection asks the session checks about twice in this time.
    pub fn within(mut self, bound: Duration) -> Self {
        self.bound = bound.clamp(SHORTEST_BOUND, LONGEST_BOUND);
        self
    }

    /// Runs `work`, which serves the connection, until it ends or the connection has to end. Then `work` is dropped, wherever it
    /// waits.
    ///
    /// # Errors
    /// Why the connection has to end. [`AuthError::websocket_close_code`] is the code for the closing handshake of a WebSocket.
    pub async fn run<F: Future>(mut self, work: F) -> Result<F::Output, AuthError> {
        let mut work = pin!(work);
        std::future::poll_fn(|context| match Pin::new(&mut self).poll(context) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => work.as_mut().poll(context).map(Ok),
        })
        .await
    }

    /// Returns `stream` with an end: the stream of server-sent events, or the body of a response, ends when the connection has to
    /// end.
    pub fn limit<S: Stream>(self, stream: S) -> Watched<S> {
        Watched { watch: self, stream: Some(Box::pin(stream)) }
    }
}

impl Future for Watch {
    type Output = AuthError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<AuthError> {
        let Self { gate, caller, bound, running } = &mut *self;
        let running = running.get_or_insert_with(|| Box::pin(end(gate.clone(), caller.clone(), *bound)));
        running.as_mut().poll(context)
    }
}

/// A stream that ends when its connection has to end ([`Watch::limit`]).
#[must_use = "streams do nothing unless they are polled"]
pub struct Watched<S> {
    watch: Watch,
    /// `None` after the end.
    stream: Option<Pin<Box<S>>>,
}

impl<S: Stream> Stream for Watched<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let Self { watch, stream } = &mut *self;
        let Some(open) = stream else { return Poll::Ready(None) };
        let next = match Pin::new(watch).poll(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => open.as_mut().poll_next(context),
        };
        if matches!(next, Poll::Ready(None)) {
            *stream = None;
        }
        next
    }
}

/// Waits until the connection has to end.
async fn end(gate: Gate, caller: Verified, bound: Duration) -> AuthError {
    let ended = if tokio::runtime::Handle::try_current().is_ok() {
        let (mut expired, mut refused) = (pin!(expired(&caller, bound)), pin!(refused(&gate, &caller, bound)));
        std::future::poll_fn(|context| match expired.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => refused.as_mut().poll(context),
        })
        .await
    } else {
        AuthError::Server("a connection is watched outside of a tokio runtime".into())
    };
    let reason = ended.reason().map_or(ended.code(), |reason| reason.as_str());
    match &ended {
        AuthError::Server(_) => tracing::error!(reason, detail = %ended, "connection ended"),
        AuthError::Unavailable(_) => tracing::warn!(reason, detail = %ended, "connection ended"),
        _ => tracing::debug!(reason, detail = %ended, "connection ended"),
    }
    ended
}

/// Waits until the token expires.
async fn expired(caller: &Verified, bound: Duration) -> AuthError {
    let Some(expires_at) = caller.expires_at() else { return std::future::pending().await };
    loop {
        let left = expires_at.saturating_since(caller.now());
        if left.is_zero() {
            return InvalidToken::Expired.into();
        }
        // The wall clock can be set, and timers stop while a machine sleeps. So the date is compared again and again.
        sleep(left.min(bound / 2).min(DEFAULT_BOUND / 2)).await;
    }
}

/// Waits until the verifier or a session check refuses the caller, or does not answer for too long.
async fn refused(gate: &Gate, caller: &Verified, bound: Duration) -> AuthError {
    // When the last good answer was asked for. The caller was let in just before.
    let mut good_at = Instant::now();
    loop {
        let (asked_at, deadline) = (Instant::now(), good_at + bound);
        let error: AuthError = match timeout_at(deadline, gate.recheck(caller)).await {
            Ok(Ok(())) => {
                good_at = asked_at;
                sleep_until(asked_at + bound / 2).await;
                continue;
            }
            Ok(Err(AuthError::Unavailable(unavailable))) => unavailable.into(),
            Ok(Err(refused)) => return refused,
            Err(_) => Unavailable::new().with_source("no answer about the caller of a connection in time").into(),
        };
        sleep_until(deadline.min(Instant::now() + bound / 4)).await;
        if Instant::now() >= deadline {
            return error;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Watched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("watch", &self.watch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;

    use super::*;
    use crate::clock::ManualClock;
    use crate::credential::Credential;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::session::{CheckedVerifier, SessionCheck, SessionError};
    use crate::verifier::{Recheck, Verifier};

    const BOUND: Duration = Duration::from_millis(120);
    /// The time of these tests is paused, and advances to the next timer.
    const LATE: Duration = Duration::from_millis(10);
    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(20);

    /// Answers as the test says, and counts the questions.
    #[derive(Clone, Debug, Default)]
    struct AsTold(Arc<(Mutex<Answer>, AtomicUsize)>);

    #[derive(Clone, Copy, Debug, Default)]
    enum Answer {
        #[default]
        GoOn,
        Hang,
        Panic,
        Revoked,
        Unavailable,
    }

    impl AsTold {
        fn tell(&self, answer: Answer) {
            *self.0.0.lock().unwrap() = answer;
        }

        fn questions(&self) -> usize {
            self.0.1.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl SessionCheck for AsTold {
        async fn check(&self, _: &Verified) -> Result<(), SessionError> {
            self.0.1.fetch_add(1, Ordering::SeqCst);
            let answer = *self.0.0.lock().unwrap();
            match answer {
                Answer::GoOn => Ok(()),
                Answer::Hang => std::future::pending().await,
                Answer::Panic => panic!("an error in the check"),
                Answer::Revoked => Err(SessionError::Revoked),
                Answer::Unavailable => Err(Unavailable::new().into()),
            }
        }
    }

    fn caller(clock: &Arc<ManualClock>) -> Verified {
        let caller = assume_verified(&serde_json::json!({"sub": "alice", "exp": 1_000})).unwrap();
        caller.with_clock(Arc::<ManualClock>::clone(clock))
    }

    fn watched() -> (Arc<ManualClock>, AsTold, Watch) {
        let (clock, check) = (Arc::new(ManualClock::at_unix(900)), AsTold::default());
        let caller = caller(&clock);
        let gate = admit_everyone_as(caller.clone()).with_check(check.clone());
        (clock, check, gate.watch(&caller).within(BOUND))
    }

    async fn has_ended_within(time: Duration, watch: &mut Watch) -> Option<AuthError> {
        tokio::time::timeout(time, watch).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_when_the_token_expires() {
        let (clock, _, mut watch) = watched();
        assert!(has_ended_within(BOUND * 2, &mut watch).await.is_none());
        clock.advance(Duration::from_millis(99_999));
        assert!(has_ended_within(BOUND, &mut watch).await.is_none());
        clock.advance(Duration::from_millis(1));
        let ended = has_ended_within(LONG, &mut watch).await.unwrap();
        assert_eq!((ended.reason().unwrap().as_str(), ended.websocket_close_code()), ("expired", 3000));
        // A token that was accepted because of the leeway, or for a date that is set forward.
        let clock = Arc::new(ManualClock::at_unix(1_000));
        let caller = caller(&clock);
        assert!(has_ended_within(LONG, &mut admit_everyone_as(caller.clone()).watch(&caller)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_within_the_bound_of_a_revocation() {
        for (answer, code) in [(Answer::Revoked, 3000), (Answer::Panic, 1011)] {
            let (_, check, mut watch) = watched();
            assert!(has_ended_within(BOUND, &mut watch).await.is_none());
            check.tell(answer);
            let told_at = Instant::now();
            let ended = has_ended_within(LONG, &mut watch).await.unwrap();
            assert!(told_at.elapsed() < BOUND + LATE, "{:?}", told_at.elapsed());
            assert_eq!(ended.websocket_close_code(), code, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn short_outage_ends_no_connection() {
        for outage in [Answer::Unavailable, Answer::Hang] {
            let (_, check, mut watch) = watched();
            // The next question is due an eighth of the bound later.
            assert!(has_ended_within(BOUND * 7 / 8, &mut watch).await.is_none());
            let asked = check.questions();
            check.tell(outage);
            assert!(has_ended_within(BOUND / 4, &mut watch).await.is_none());
            assert_eq!(check.questions(), asked + 1, "a question during the outage");
            check.tell(Answer::GoOn);
            // A question that hangs is given up at the bound, so it ends the connection.
            if matches!(outage, Answer::Unavailable) {
                assert!(has_ended_within(BOUND * 2, &mut watch).await.is_none());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_outage_ends_the_connection() {
        for outage in [Answer::Unavailable, Answer::Hang] {
            let (_, check, mut watch) = watched();
            assert!(has_ended_within(BOUND, &mut watch).await.is_none());
            check.tell(outage);
            let told_at = Instant::now();
            let ended = has_ended_within(LONG, &mut watch).await.unwrap();
            assert_eq!((ended.status(), ended.websocket_close_code()), (503, 1013));
            assert!(told_at.elapsed() < BOUND + LATE, "{:?}", told_at.elapsed());
            assert!(told_at.elapsed() >= BOUND / 4, "{:?}", told_at.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_watch_asks_nothing() {
        let (_, check, watch) = watched();
        assert!(tokio::time::timeout(BOUND * 2, watch.run(std::future::pending::<()>())).await.is_err());
        let asked = check.questions();
        assert!((2..=6).contains(&asked), "{asked}");
        tokio::time::sleep(BOUND * 2).await;
        assert_eq!(check.questions(), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_first_returns_its_value() {
        let (_, check, watch) = watched();
        assert_eq!(watch.run(async { 7 }).await.ok(), Some(7));
        let (_, _, watch) = watched();
        check.tell(Answer::Revoked);
        let slow = async {
            tokio::task::yield_now().await;
            "done"
        };
        assert_eq!(watch.run(slow).await.ok(), Some("done"));
    }

    /// Knows the token that was revoked since, and no session check does.
    #[derive(Debug)]
    struct Forgets;

    #[async_trait]
    impl Verifier for Forgets {
        async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
            Ok(assume_verified(&serde_json::json!({"sub": "alice"}))?.with_recheck(Self))
        }
    }

    #[async_trait]
    impl Recheck for Forgets {
        async fn recheck(&self, caller: &Verified) -> Result<(), AuthError> {
            assert_eq!(caller.subject(), Some("alice"));
            Err(InvalidToken::Inactive.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn verifier_is_asked_again() {
        let gate = Gate::new(Forgets);
        let caller = gate.verify("token").await.unwrap();
        let ended = has_ended_within(LONG, &mut gate.watch(&caller)).await.unwrap();
        assert_eq!(ended.reason().unwrap().as_str(), "inactive");
        // The check of one verifier among several, and the verifier below it.
        let check = AsTold::default();
        let gate = Gate::new(CheckedVerifier::new(Forgets, check.clone()));
        let caller = gate.verify("token").await.unwrap();
        assert_eq!(caller.rechecks().count(), 2);
        assert!(has_ended_within(LONG, &mut gate.watch(&caller)).await.is_some());
        assert_eq!(check.questions(), 1);
    }

    #[test]
    fn connection_without_timers_ends_at_once() {
        let (_, _, watch) = watched();
        let mut watch = pin!(watch);
        let polled = watch.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(polled, Poll::Ready(AuthError::Server(_))));
    }
}
