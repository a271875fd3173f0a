//! Lookups of unverified names, for example a `kid` or an issuer, in a source that answers for one name at a time: a
//! database, or a directory of the service.
//!
//! Callers with the same name share one question. The caller that asks drives the question; if it goes away, another
//! caller with the same name asks again. So there is no task, and no runtime is needed.
//!
//! A name that the source has is known from then on. A budget limits the questions about all other names, so made-up names
//! cost the source little, and they never affect known names.

mod recent;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use crate::budget::Budget;
use crate::catch_panic::catch_panic;
use crate::clock::{Clock, SystemClock};
use crate::error::Unavailable;
use crate::lookups::recent::Recent;
use crate::time_limit;

/// The SHA-256 of a name. Its size does not depend on the token.
pub(crate) type Name = [u8; 32];

/// The answer of the source. The callers that waited for it get clones.
#[derive(Clone, Debug)]
pub(crate) enum Answer<T> {
    /// The source has the name. `is_named` says that the value itself has the name, so the name was not made up.
    Found { value: T, is_named: bool },
    /// The source has several values that fit.
    Ambiguous,
    /// The source does not have the name.
    Absent,
    /// The source cannot tell at the moment, or, with `limited`, it was not asked because of other callers.
    Unavailable { retry_after: Option<Duration>, why: Option<String>, limited: bool },
}

/// Why there is no value.
#[derive(Debug)]
pub(crate) enum NoValue {
    Absent,
    Ambiguous,
    Unavailable(Unavailable),
}

/// How long values are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// The time after which the source must have confirmed a value.
    pub(crate) confirmed: Duration,
    /// The time for which a value is used after that while the source cannot tell.
    pub(crate) stale: Duration,
    /// The time for which a name is remembered as refused: a name that the source gets later is accepted after this time.
    pub(crate) refused: Duration,
    /// The longest time that a caller waits for its turn; `None` means no limit.
    pub(crate) turn: Option<Duration>,
}

/// How often the source is asked, and how many callers wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of questions about names that the source does not have: this many at once, then one per `cooldown`. It is also
    /// the number of questions about unknown names that are asked at the same time.
    pub(crate) burst: u32,
    /// The time in which the budget for unknown names gains one question.
    pub(crate) cooldown: Duration,
    /// The number of callers that wait for known names, and the number of those that wait for other names. More callers are
    /// told to come back.
    pub(crate) waiting: usize,
    /// The number of refused names that are remembered. An entry is a hash and a time.
    pub(crate) refused: u64,
}

/// The options of [`Lookups`].
pub(crate) struct Options<T> {
    /// The sum of the weights of all values that are kept.
    pub(crate) capacity: u64,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    /// The weight of a value.
    pub(crate) weight: fn(&T) -> u32,
    /// The longest time that a value is used. After it the source is asked again; the value is not used if it cannot tell.
    pub(crate) longest: fn(&T) -> Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) struct Lookups<T> {
    lifetimes: Lifetimes,
    longest: fn(&T) -> Duration,
    clock: Arc<dyn Clock>,
    known: Recent<Arc<Known<T>>>,
    refused: Recent<Refused>,
    in_flight: Mutex<HashMap<Name, Arc<OnceCell<Answer<T>>>>>,
    budget: Mutex<Budget>,
    /// The turns for questions about names that are not known.
    turns: Semaphore,
    places_for_known: Semaphore,
    places_for_unknown: Semaphore,
}

/// A value that the source has confirmed. All times are of the monotonic clock.
#[derive(Clone, Debug)]
struct Known<T> {
    value: T,
    /// The longest time that this value is used.
    longest: Duration,
    confirmed_at: Duration,
    /// When the source is asked again.
    ask_at: Duration,
    /// The number of questions since then that the source could not answer.
    failures: u32,
}

/// A name for which the source has no value.
#[derive(Clone, Copy, Debug)]
struct Refused {
    is_ambiguous: bool,
    until: Duration,
}

// What is remembered?

/// The longest time for which a name is remembered as refused.
pub(crate) const MAX_REFUSED_LIFETIME: Duration = Duration::from_secs(30);

/// The part of the lifetime after which one caller asks again, while the others continue with the value.
const ASK_AFTER: f64 = 0.75;

// How often is the source asked?

/// The pause after a question that the source could not answer, while a value is used; it doubles up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The number of doublings after which a pause stays the same.
const MAX_DOUBLINGS: u32 = 6;

// How many callers wait?

/// The shortest `Retry-After` that callers are sent: the header has no fractions of a second.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

impl<T: Clone + Send + Sync + 'static> Lookups<T> {
    pub(crate) fn new(options: Options<T>) -> Self {
        let Options { capacity, lifetimes, limits, weight, longest, clock } = options;
        Self {
            lifetimes,
            longest,
            // Only names that the source has are kept, so the least recently used one is the one to drop.
            known: Recent::new(capacity, move |known: &Arc<Known<T>>| weight(&known.value)),
            refused: Recent::new(limits.refused, |_| 1),
            in_flight: Mutex::default(),
            budget: Mutex::new(Budget::new(limits.burst, limits.cooldown, clock.monotonic())),
            turns: Semaphore::new(limits.burst as usize),
            places_for_known: Semaphore::new(limits.waiting),
            places_for_unknown: Semaphore::new(limits.waiting),
            clock,
        }
    }

    /// Returns the value of `name`. `ask` asks the source for it, and gets the value that is known so far.
    pub(crate) async fn get<F>(&self, name: Name, ask: impl FnOnce(Option<T>) -> F) -> Result<T, NoValue>
    where
        F: Future<Output = Answer<T>>,
    {
        match self.known.get(&name) {
            Some(known) => self.confirm(name, &known, ask).await,
            None => self.find(name, ask).await,
        }
    }

    /// Returns what is remembered about `name`. `None` means that [`Self::get`] has to ask, or to wait.
    pub(crate) fn recall(&self, name: &Name) -> Option<Result<T, NoValue>> {
        let now = self.now();
        let known = self.known.read(name, |known| {
            let is_due = now >= known.ask_at || !known.serves(now, self.lifetimes);
            (!is_due).then(|| known.value.clone())
        });
        match known {
            Some(value) => value.map(Ok),
            None => self.remembered(name).map(Answer::into_result),
        }
    }

    /// Forgets the value or the refusal of `name`. A question in flight does not bring it back.
    pub(crate) fn forget(&self, name: &Name) {
        let in_flight = self.in_flight().remove(name);
        drop(in_flight);
        self.known.remove(name);
        self.refused.remove(name);
    }

    /// The number of known names.
    pub(crate) fn known_names(&self) -> u64 {
        self.known.len() as u64
    }

    /// Returns a known value, and asks the source again if that is due. Such a question needs no budget.
    async fn confirm<F>(&self, name: Name, known: &Known<T>, ask: impl FnOnce(Option<T>) -> F) -> Result<T, NoValue>
    where
        F: Future<Output = Answer<T>>,
    {
        let now = self.now();
        if known.serves(now, self.lifetimes) && (now < known.ask_at || self.is_in_flight(&name)) {
            return Ok(known.value.clone());
        }
        let may_serve = known.may_serve(now, self.lifetimes);
        let question = async {
            let answer = ask(Some(known.value.clone()));
            if may_serve {
                catch_panic(answer).await.unwrap_or_else(|_| Answer::unavailable("the code that answers panicked"))
            } else {
                answer.await
            }
        };
        match self.share(name, Some(known), &self.places_for_known, question).await {
            // The question took time, so the value may be too old now.
            Answer::Unavailable { .. } if known.may_serve(self.now(), self.lifetimes) => Ok(known.value.clone()),
            answer => answer.into_result(),
        }
    }

    /// Asks the source for a name that is not known, within the budget.
    async fn find<F>(&self, name: Name, ask: impl FnOnce(Option<T>) -> F) -> Result<T, NoValue>
    where
        F: Future<Output = Answer<T>>,
    {
        if let Some(refused) = self.remembered(&name) {
            return refused.into_result();
        }
        let question = async {
            let turn = match self.lifetimes.turn {
                Some(limit) => time_limit::within(limit, self.turns.acquire()).await,
                None => Some(self.turns.acquire().await),
            };
            let Some(Ok(_turn)) = turn else { return Answer::busy() };
            // Another caller may have asked in the meantime.
            if let Some(answer) = self.remembered(&name) {
                return answer;
            }
            if let Err(wait) = self.budget().take(self.now()) {
                return Answer::Unavailable {
                    retry_after: Some(wait.max(MIN_RETRY_AFTER)),
                    why: Some("not looked up: too many unknown names in a short time".to_owned()),
                    limited: true,
                };
            }
            let answer = ask(None).await;
            if let Answer::Found { is_named: true, .. } = answer {
                self.budget().give_back();
            }
            answer
        };
        self.share(name, None, &self.places_for_unknown, question).await.into_result()
    }

    /// Joins the question in flight about `name`, or asks `question`.
    async fn share(
        &self,
        name: Name,
        known: Option<&Known<T>>,
        places: &Semaphore,
        question: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let Ok(_place) = places.try_acquire() else { return Answer::busy() };
        let flight = Flight::join(self, name);
        let started_at = self.now();
        let asked = flight.answer.get_or_init(|| async {
            let answer = question.await;
            self.remember(&flight, known, &answer, started_at);
            answer
        });
        asked.await.clone()
    }

    /// Remembers an answer, unless the name was forgotten while the question was in flight.
    fn remember(&self, flight: &Flight<'_, T>, before: Option<&Known<T>>, answer: &Answer<T>, started_at: Duration) {
        let name = flight.name;
        match (answer, before) {
            (Answer::Found { value, .. }, _) => {
                self.refused.remove(&name);
                let longest = (self.longest)(value);
                let ask_at = started_at.saturating_add(self.lifetimes.confirmed.mul_f64(ASK_AFTER));
                let known = Known { value: value.clone(), longest, confirmed_at: started_at, ask_at, failures: 0 };
                self.known.insert(name, Arc::new(known));
            }
            (Answer::Unavailable { why, .. }, Some(before)) => {
                tracing::warn!(error = why, "the source of a known name did not answer");
                self.known.insert(name, Arc::new(before.after_failure(self.now())));
            }
            (Answer::Unavailable { .. }, None) => {}
            (Answer::Absent | Answer::Ambiguous, _) => {
                self.known.remove(&name);
                let is_ambiguous = matches!(answer, Answer::Ambiguous);
                let until = started_at.saturating_add(self.lifetimes.refused);
                self.refused.insert(name, Refused { is_ambiguous, until });
            }
        }
        if !flight.is_current() {
            self.known.remove(&name);
            self.refused.remove(&name);
        }
    }

    /// The answer that is remembered for a name without a question.
    fn remembered(&self, name: &Name) -> Option<Answer<T>> {
        let now = self.now();
        if let Some(known) = self.known.get(name).filter(|known| known.serves(now, self.lifetimes)) {
            return Some(Answer::Found { value: known.value.clone(), is_named: true });
        }
        let refused = self.refused.get(name).filter(|refused| now < refused.until)?;
        Some(if refused.is_ambiguous { Answer::Ambiguous } else { Answer::Absent })
    }

    fn is_in_flight(&self, name: &Name) -> bool {
        self.in_flight().contains_key(name)
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    // Under both locks no clock, event or other foreign code runs.

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lookups<T> {
    fn in_flight(&self) -> MutexGuard<'_, HashMap<Name, Arc<OnceCell<Answer<T>>>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Options<T> {
    /// Keeps at most `capacity` values.
    pub(crate) fn new(capacity: u64, lifetimes: Lifetimes) -> Self {
        Self {
            capacity,
            lifetimes,
            limits: Limits::default(),
            weight: |_| 1,
            longest: |_| Duration::MAX,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl Default for Limits {
    /// One question is far cheaper than a fetch of keys, but it answers for one name only.
    fn default() -> Self {
        Self { burst: 10, cooldown: Duration::from_secs(1), waiting: 1_000, refused: 1_024 }
    }
}

impl<T: Clone> Known<T> {
    /// Whether the value is used without a question.
    fn serves(&self, now: Duration, lifetimes: Lifetimes) -> bool {
        let age = now.saturating_sub(self.confirmed_at);
        age < lifetimes.confirmed.min(self.longest) || (self.failures > 0 && self.may_serve(now, lifetimes))
    }

    /// Whether the value is used if the source cannot tell.
    fn may_serve(&self, now: Duration, lifetimes: Lifetimes) -> bool {
        let age = now.saturating_sub(self.confirmed_at);
        age < lifetimes.confirmed.saturating_add(lifetimes.stale).min(self.longest)
    }

    fn after_failure(&self, now: Duration) -> Self {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS)).min(MAX_PAUSE);
        Self { ask_at: now.saturating_add(pause), failures: self.failures.saturating_add(1), ..self.clone() }
    }
}

impl<T> Answer<T> {
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { retry_after: None, why: Some(why.into()), limited: false }
    }

    fn busy() -> Self {
        Self::Unavailable {
            retry_after: Some(MIN_RETRY_AFTER),
            why: Some("too many callers wait for answers".to_owned()),
            limited: true,
        }
    }

    fn into_result(self) -> Result<T, NoValue> {
        match self {
            Self::Found { value, .. } => Ok(value),
            Self::Absent => Err(NoValue::Absent),
            Self::Ambiguous => Err(NoValue::Ambiguous),
            Self::Unavailable { retry_after, why, limited } => {
                let source = why.map(Into::into);
                Err(NoValue::Unavailable(Unavailable { retry_after, limited, source }))
            }
        }
    }
}

impl<T> From<Unavailable> for Answer<T> {
    fn from(unavailable: Unavailable) -> Self {
        let Unavailable { retry_after, limited, source } = unavailable;
        let why = source.map(|source| source.to_string());
        Self::Unavailable { retry_after, why, limited }
    }
}

/// One caller's share of a question in flight. The question is forgotten when it is answered, or when no caller is left.
struct Flight<'a, T> {
    lookups: &'a Lookups<T>,
    name: Name,
    answer: Arc<OnceCell<Answer<T>>>,
}

impl<'a, T> Flight<'a, T> {
    fn join(lookups: &'a Lookups<T>, name: Name) -> Self {
        let answer = Arc::clone(lookups.in_flight().entry(name).or_default());
        Self { lookups, name, answer }
    }

    /// Whether the name was not forgotten since the question began.
    fn is_current(&self) -> bool {
        self.lookups.in_flight().get(&self.name).is_some_and(|current| Arc::ptr_eq(current, &self.answer))
    }
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        let mut in_flight = self.lookups.in_flight();
        if let Entry::Occupied(current) = in_flight.entry(self.name)
            && Arc::ptr_eq(current.get(), &self.answer)
            // Two references are this one and the one of the map.
            && (self.answer.initialized() || Arc::strong_count(&self.answer) == 2)
        {
            current.remove();
        }
    }
}

impl<T> fmt::Debug for Lookups<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
