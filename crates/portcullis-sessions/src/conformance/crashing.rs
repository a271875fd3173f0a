//! A machine that dies between two steps.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use super::Outcome;
use crate::{
    DenyListStore, Ended, SessionStore, StoredDenial, StoredPurposeToken, StoredSession, Timestamp, TokenHash, Which,
};

/// Runs `work` on a machine that dies at one step, once for each step that the work has. After each death, and also after the
/// work was completed, runs `afterwards` on the unharmed store.
///
/// The steps are the operations of the store: the machine dies just before an operation, or after it was done and before its
/// result is seen.
pub(super) async fn at_each_step<T, W, A>(
    store: &Arc<dyn SessionStore>,
    work: impl AsyncFn(Arc<dyn SessionStore>) -> Outcome<(W, T)>,
    afterwards: impl AsyncFn(T, Option<Step>) -> Outcome<A>,
) -> Outcome
where
    W: Future<Output = ()>,
{
    for number in 0..MOST_STEPS {
        for moment in [Moment::Before, Moment::After] {
            let machine = Arc::new(Dying::at(store.clone(), number, moment));
            let (work, left) = work(machine.clone()).await?;
            machine.armed.store(true, Ordering::SeqCst);
            let died = machine.run(work).await;
            let step = died.then_some(Step { number, moment });
            let context = step.map_or_else(|| "without a death".to_owned(), |step| step.to_string());
            afterwards(left, step).await.map_err(|problem| format!("{context}: {problem}"))?;
            if !died {
                return if number > 0 { Ok(()) } else { Err("the work has no steps".into()) };
            }
        }
    }
    Err("the work has too many steps".into())
}

const MOST_STEPS: usize = 20;

/// Where a machine died.
#[derive(Clone, Copy)]
pub(super) struct Step {
    number: usize,
    moment: Moment,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Moment {
    Before,
    After,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.moment == Moment::Before { "before" } else { "after" };
        write!(f, "after a death {moment} operation {} of the store", self.number + 1)
    }
}

/// A store as a dying machine sees it.
struct Dying {
    inner: Arc<dyn SessionStore>,
    number: usize,
    moment: Moment,
    /// Steps count from now on.
    armed: AtomicBool,
    steps: AtomicUsize,
    dead: AtomicBool,
}

impl Dying {
    fn at(inner: Arc<dyn SessionStore>, number: usize, moment: Moment) -> Self {
        let (armed, steps, dead) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicBool::new(false));
        Self { inner, number, moment, armed, steps, dead }
    }

    /// Runs `work` until it is done or the machine dies. Then the rest of the work never runs. Returns whether it died.
    async fn run(&self, work: impl Future<Output = ()>) -> bool {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            let poll = work.as_mut().poll(context);
            if self.dead.load(Ordering::SeqCst) { Poll::Ready(true) } else { poll.map(|()| false) }
        })
        .await
    }

    async fn step<T>(&self, operation: impl Future<Output = T>) -> T {
        let dies_here = self.armed.load(Ordering::SeqCst) && self.steps.fetch_add(1, Ordering::SeqCst) == self.number;
        if dies_here && self.moment == Moment::Before {
            self.die().await;
        }
        let result = operation.await;
        if dies_here {
            self.die().await;
        }
        result
    }

    async fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl SessionStore for Dying {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        self.step(self.inner.insert(session)).await
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        self.step(self.inner.find(id)).await
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        self.step(self.inner.find_by_family(family)).await
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        self.step(self.inner.open_sessions(subject, now)).await
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        self.step(self.inner.replace(session)).await
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        self.step(self.inner.end(which, ended)).await
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        self.step(self.inner.insert_purpose_token(token)).await
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        self.step(self.inner.find_purpose_token(token)).await
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        self.step(self.inner.take_purpose_token(token)).await
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.step(self.inner.remove_expired(before, limit)).await
    }
}

#[async_trait]
impl DenyListStore for Dying {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        self.step(self.inner.deny(denial)).await
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        self.step(self.inner.denials(names)).await
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.step(self.inner.remove_expired_denials(before, limit)).await
    }
}

impl fmt::Debug for Dying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dying")
    }
}
