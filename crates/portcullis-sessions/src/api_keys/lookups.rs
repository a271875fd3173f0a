//! What is known about keys, so that few requests ask the store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use portcullis::error::Unavailable;
use tokio::sync::{OnceCell, Semaphore};

use crate::token::TokenHash;

/// Answers about keys, each for a limited time. All times are of the monotonic clock.
///
/// A key that the store has is asked about again when its answer is too old. A budget limits the questions about all other
/// keys, so a flood of made-up keys costs the store little and never affects known keys.
pub(super) struct Lookups<T> {
    max_age: Duration,
    /// Keys that the store has. An entry stays when its answer is too old: the next question about it needs no budget.
    known: Cache<TokenHash, Answer<Arc<T>>>,
    /// Keys that the store does not have.
    absent: Cache<TokenHash, Answer<()>>,
    in_flight: Mutex<HashMap<TokenHash, Arc<Flight<T>>>>,
    budget: Mutex<Budget>,
    /// The turns for questions about keys that are not known. They leave connections of a pool to all other questions.
    turns: Semaphore,
    places: Semaphore,
}

#[derive(Clone)]
struct Answer<T> {
    asked_at: Duration,
    value: T,
}

type Flight<T> = OnceCell<Result<Option<Arc<T>>, Failure>>;

/// Why there is no answer. All callers that wait for it get a clone.
#[derive(Clone)]
struct Failure {
    retry_after: Option<Duration>,
    limited: bool,
    why: String,
}

const MOST_KNOWN: u64 = 10_000;
const MOST_ABSENT: u64 = 10_000;
/// The number of questions about keys that the store does not have: this many at once, then one per [`COOLDOWN`].
const BURST: u32 = 100;
const COOLDOWN: Duration = Duration::from_millis(10);
const TURNS: usize = 4;
/// The number of callers that wait for a turn. More are told to come back.
const MOST_WAITING: usize = 1_000;
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl<T: Send + Sync + 'static> Lookups<T> {
    pub(super) fn new(max_age: Duration, now: Duration) -> Self {
        Self {
            max_age,
            // Only keys that the store has are there, so the least recently used one is the one to drop.
            known: Cache::builder().max_capacity(MOST_KNOWN).eviction_policy(EvictionPolicy::lru()).build(),
            absent: Cache::builder().max_capacity(MOST_ABSENT).eviction_policy(EvictionPolicy::lru()).build(),
            in_flight: Mutex::default(),
            budget: Mutex::new(Budget { left: BURST, since: now }),
            turns: Semaphore::new(TURNS),
            places: Semaphore::new(MOST_WAITING),
        }
    }

    /// Returns what the store has for `hash`. `ask` asks it, and `now` reads the clock.
    ///
    /// # Errors
    /// [`Unavailable`] when the store is, or when too many unknown keys were presented.
    pub(super) async fn get<F>(
        &self,
        hash: TokenHash,
        now: impl Fn() -> Duration,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, Unavailable>
    where
        F: Future<Output = Result<Option<T>, Unavailable>>,
    {
        if let Some(answer) = self.remembered(&hash, now()) {
            return Ok(answer);
        }
        let is_known = self.known.contains_key(&hash);
        let too_many = |_| Failure::limited("too many callers wait for answers");
        let _place = if is_known { None } else { Some(self.places.try_acquire().map_err(too_many)?) };
        let share = Share::join(self, hash);
        let answer = share.flight.get_or_init(|| async {
            let _turn = if is_known { None } else { self.turns.acquire().await.ok() };
            // Another caller may have asked in the meantime.
            if let Some(answer) = self.remembered(&hash, now()) {
                return Ok(answer);
            }
            let asked_at = now();
            if !is_known && !self.budget().take(asked_at) {
                return Err(Failure::limited("not looked up: too many unknown API keys in a short time"));
            }
            let answer = ask().await.map(|found| found.map(Arc::new)).map_err(Failure::from);
            if !is_known && matches!(answer, Ok(Some(_))) {
                self.budget().give_back();
            }
            self.remember(&share, asked_at, &answer);
            answer
        });
        answer.await.clone().map_err(Unavailable::from)
    }

    /// Forgets the keys that `matches` selects. An answer on its way does not bring them back.
    pub(super) fn forget(&self, matches: impl Fn(&T) -> bool) {
        // Questions in flight may be about one of them.
        self.in_flight().clear();
        for (hash, answer) in &self.known {
            if matches(&answer.value) {
                self.known.invalidate(&*hash);
            }
        }
    }

    fn remembered(&self, hash: &TokenHash, now: Duration) -> Option<Option<Arc<T>>> {
        let is_fresh = |asked_at: Duration| now.saturating_sub(asked_at) < self.max_age;
        if let Some(answer) = self.known.get(hash) {
            return is_fresh(answer.asked_at).then_some(Some(answer.value));
        }
        self.absent.get(hash).filter(|answer| is_fresh(answer.asked_at)).map(|_| None)
    }

    /// Remembers an answer, unless keys were forgotten while the question was in flight.
    fn remember(&self, share: &Share<'_, T>, asked_at: Duration, answer: &Result<Option<Arc<T>>, Failure>) {
        // Under the lock, so that no key is forgotten in between.
        let in_flight = self.in_flight();
        if !in_flight.get(&share.hash).is_some_and(|current| Arc::ptr_eq(current, &share.flight)) {
            return;
        }
        match answer {
            Ok(Some(value)) => {
                self.absent.invalidate(&share.hash);
                self.known.insert(share.hash, Answer { asked_at, value: value.clone() });
            }
            Ok(None) => {
                self.known.invalidate(&share.hash);
                self.absent.insert(share.hash, Answer { asked_at, value: () });
            }
            // An older answer is not used instead: revocation has to take effect.
            Err(_) => {}
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lookups<T> {
    fn in_flight(&self) -> MutexGuard<'_, HashMap<TokenHash, Arc<Flight<T>>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lookups<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

/// One caller's share of a question in flight. The question is forgotten when it is answered, or when no caller is left.
struct Share<'a, T> {
    lookups: &'a Lookups<T>,
    hash: TokenHash,
    flight: Arc<Flight<T>>,
}

impl<'a, T> Share<'a, T> {
    fn join(lookups: &'a Lookups<T>, hash: TokenHash) -> Self {
        let flight = Arc::clone(lookups.in_flight().entry(hash).or_default());
        Self { lookups, hash, flight }
    }
}

impl<T> Drop for Share<'_, T> {
    fn drop(&mut self) {
        let mut in_flight = self.lookups.in_flight();
        if let Entry::Occupied(current) = in_flight.entry(self.hash)
            && Arc::ptr_eq(current.get(), &self.flight)
            // Two references are this one and the one of the map.
            && (self.flight.initialized() || Arc::strong_count(&self.flight) == 2)
        {
            current.remove();
        }
    }
}

/// A number that gains one per [`COOLDOWN`], up to [`BURST`].
struct Budget {
    left: u32,
    /// The time from which the next one is gained.
    since: Duration,
}

impl Budget {
    fn take(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.since).as_nanos() / COOLDOWN.as_nanos();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(BURST);
        let until = self.since.saturating_add(COOLDOWN.saturating_mul(gained));
        // A full budget gains nothing.
        self.since = if self.left == BURST { now.max(self.since) } else { until };
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(BURST);
    }
}

impl Failure {
    fn limited(why: &str) -> Self {
        Self { retry_after: Some(RETRY_AFTER), limited: true, why: why.to_owned() }
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        let Unavailable { retry_after, limited, source, .. } = unavailable;
        let why = source.map_or_else(|| "the store of API keys did not answer".to_owned(), |source| source.to_string());
        Self { retry_after, limited, why }
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        let unavailable = Self::new().with_source(failure.why);
        let unavailable = if failure.limited { unavailable.limited() } else { unavailable };
        match failure.retry_after {
            Some(delay) => unavailable.with_retry_after(delay),
            None => unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(5);

    fn hash(number: usize) -> TokenHash {
        TokenHash::of("test", &[&number.to_be_bytes()])
    }

    #[test]
    fn budget_is_a_burst_and_one_per_cooldown() {
        let mut budget = Budget { left: BURST, since: Duration::ZERO };
        let taken = |budget: &mut Budget, now| (0..1_000).filter(|_| budget.take(now)).count();
        assert_eq!(taken(&mut budget, Duration::ZERO), 100);
        assert_eq!(taken(&mut budget, Duration::from_millis(9)), 0);
        assert_eq!(taken(&mut budget, Duration::from_millis(10)), 1);
        assert_eq!(taken(&mut budget, Duration::from_millis(500)), 49);
        assert_eq!(taken(&mut budget, Duration::MAX), 100);
        budget.give_back();
        assert_eq!(taken(&mut budget, Duration::MAX), 1);
    }

    #[tokio::test]
    async fn caller_that_goes_away_leaves_the_question_to_another() {
        let lookups = Lookups::new(MAX_AGE, Duration::ZERO);
        let now = || Duration::ZERO;
        let hangs = lookups.get(hash(1), now, std::future::pending);
        let answers = lookups.get(hash(1), now, || async { Ok(Some(7)) });
        let mut hangs = Box::pin(hangs);
        assert!(futures_poll(&mut hangs).await.is_none());
        let mut answers = Box::pin(answers);
        assert!(futures_poll(&mut answers).await.is_none(), "it waits for the first caller");
        drop(hangs);
        let mut late = Box::pin(lookups.get(hash(1), now, || async { Ok(Some(8)) }));
        assert!(futures_poll(&mut late).await.is_none(), "it waits for the second one's question");
        assert_eq!(*answers.await.unwrap().unwrap(), 7);
        assert_eq!(*late.await.unwrap().unwrap(), 7);
        assert!(lookups.in_flight().is_empty());
    }

    #[tokio::test]
    async fn forgotten_key_is_not_brought_back() {
        let lookups = Lookups::new(MAX_AGE, Duration::ZERO);
        let now = || Duration::ZERO;
        let asked = AtomicUsize::new(0);
        let ask = || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Ok(Some(1)) }
        };
        let slow = lookups.get(hash(1), now, || async {
            tokio::task::yield_now().await;
            Ok(Some(1))
        });
        let mut slow = Box::pin(slow);
        assert!(futures_poll(&mut slow).await.is_none());
        // The key is revoked here, after the store was asked.
        lookups.forget(|value| *value == 1);
        slow.await.unwrap();
        lookups.get(hash(1), now, ask).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1, "the old answer was not remembered");
        lookups.get(hash(1), now, ask).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        lookups.forget(|value| *value == 2);
        lookups.get(hash(1), now, ask).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        lookups.forget(|value| *value == 1);
        lookups.get(hash(1), now, ask).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
