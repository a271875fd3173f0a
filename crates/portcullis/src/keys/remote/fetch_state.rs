//! The decisions about the fetches of one key set: which caller starts a fetch, which callers wait and when they wake, which
//! result counts, and when keys are refreshed.
//!
//! This file has no concurrency: [`Coordinator`](super::coordinator::Coordinator) calls it under a lock. Times and chance are
//! arguments. `R` identifies a runtime, and `T` is the task of a fetch.

use std::time::Duration;

use crate::keys::remote::asked_names::{AskedNames, NameHash};
use crate::keys::remote::limits;
use crate::keys::remote::schedule::{FetchSchedule, FetchTrigger, UnknownName};
use crate::keys::remote::waiters::{Waiters, Woken};

#[derive(Debug)]
pub(super) struct FetchState<R, T> {
    schedule: FetchSchedule,
    names: AskedNames,
    pub(super) waiters: Waiters,
    in_flight: Option<InFlight<R, T>>,
    /// Whether the last fetch was lost, and no other one has replaced it.
    lost: bool,
    /// The number of the fetch that started last. Numbers begin at 1.
    last_started: u64,
    /// The number of the fetch whose keys are cached.
    last_stored: u64,
    /// The number of the last fetch whose failure counts.
    last_failed: u64,
    last_error: Option<String>,
    overdue_after: Duration,
}

#[derive(Debug)]
struct InFlight<R, T> {
    number: u64,
    /// By the clock of the network.
    started_at: Duration,
    runtime: R,
    /// The other runtimes that watch its heartbeats.
    watched_from: Vec<R>,
    heartbeats: u64,
    /// `None` until the task is spawned.
    task: Option<T>,
}

/// A time, by two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// The configured clock, which decides about schedules.
    pub(super) clock: Duration,
    /// The real time, which decides about fetches in flight.
    pub(super) network: Duration,
}

/// What is left to do after the lock is released: wakers and tasks run code of their runtime.
#[derive(Debug)]
#[must_use = "the callers wait until they are woken"]
pub(super) struct Afterwards<T> {
    pub(super) woken: Woken,
    pub(super) task: Option<T>,
}

/// What a caller asks for that found no key in the cached keys.
#[derive(Debug)]
pub(super) struct Request<R> {
    /// The number of the fetch whose keys the caller looked at; 0 for a seed and for no keys.
    pub(super) seen: u64,
    /// The fetch that the caller has waited for.
    pub(super) waited_for: Option<u64>,
    pub(super) runtime: R,
}

/// A name that one caller looks up.
#[derive(Debug)]
pub(super) struct Lookup {
    name: NameHash,
    /// Whether earlier keys had it. Then the fetch that replaced them has looked it up already.
    withdrawn: bool,
    /// The number of the last fetch that had started when the name appeared. `None` until the caller has asked.
    since: Option<u64>,
}

/// What a caller does next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Other keys are cached now. The caller looks again.
    Look,
    /// The caller starts this fetch, and then waits for it.
    Start(NewFetch),
    /// The caller waits until the round ends, for this fetch. `watch` means that no caller of its runtime watches the
    /// heartbeats of the fetch yet.
    Wait { number: u64, round: u64, watch: bool },
    /// The key does not exist: a fetch that started after its name appeared did not have it.
    Missing,
    /// It is not known whether the key exists.
    Later(Later),
}

/// A fetch that the caller starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NewFetch {
    pub(super) number: u64,
    pub(super) trigger: FetchTrigger,
    /// Whether the last fetch failed.
    pub(super) after_failure: bool,
    /// The number of times that a new name was turned away since the fetch before.
    pub(super) turned_away: u64,
    pub(super) round: u64,
}

/// Why a caller gets no answer now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Later {
    /// The last fetch failed, and the pause after it is not over.
    Failing,
    /// The budget for unknown keys is spent. `first` means that no other caller was turned away since the last fetch.
    BudgetSpent { retry_after: Duration, first: bool },
}

/// A failed fetch, as far as it decides when the next one may start.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: String,
    pub(super) retry_after: Option<Duration>,
    /// Whether usable keys are cached.
    pub(super) has_keys: bool,
}

/// The dates of cached keys, which are times of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyDates {
    pub(super) fetched_at: Duration,
    refresh_at: Duration,
    usable_until: Duration,
}

impl Lookup {
    pub(super) fn new(name: NameHash) -> Self {
        Self { name, withdrawn: false, since: None }
    }

    pub(super) fn with_withdrawn(mut self, withdrawn: bool) -> Self {
        self.withdrawn = withdrawn;
        self
    }
}

impl<R: Clone + Eq, T> FetchState<R, T> {
    /// `overdue_after` is the age at which a fetch in flight is considered lost.
    pub(super) fn new(schedule: FetchSchedule, overdue_after: Duration) -> Self {
        Self {
            schedule,
            names: AskedNames::default(),
            waiters: Waiters::default(),
            in_flight: None,
            lost: false,
            last_started: 0,
            last_stored: 0,
            last_failed: 0,
            last_error: None,
            overdue_after,
        }
    }

    /// Whether the last fetch failed.
    pub(super) fn is_failing(&self) -> bool {
        self.schedule.is_failing()
    }

    /// The error of the last fetch.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// The rest of the pause after a failure.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        self.schedule.wait(now)
    }

    /// The next step of a caller that has no usable keys.
    pub(super) fn ask_for_keys(&mut self, request: Request<R>, now: Moment) -> (Step, Afterwards<T>) {
        if let Some(step) = self.known(&request) {
            return (step, Afterwards::nothing());
        }
        let afterwards = self.drop_overdue(now);
        if let Some(step) = self.join(&request.runtime) {
            return (step, afterwards);
        }
        let step = match self.start(FetchTrigger::NoKeys, request.runtime, now) {
            Some(fetch) => Step::Start(fetch),
            None => Step::Later(Later::Failing),
        };
        (step, afterwards)
    }

    /// The next step of a caller with a name that the cached keys do not have.
    pub(super) fn ask_for_name(
        &mut self,
        lookup: &mut Lookup,
        request: Request<R>,
        now: Moment,
    ) -> (Step, Afterwards<T>) {
        if let Some(step) = self.known(&request) {
            return (step, Afterwards::nothing());
        }
        let known = self.names.ask(lookup.name, self.last_started);
        let asked_before = lookup.since.is_some();
        // The caller remembers it as well, because a flood of names may have replaced the entry.
        let since = *lookup.since.insert(lookup.since.map_or(known.since, |since| since.min(known.since)));
        let missing = lookup.withdrawn || self.last_stored > since;
        if missing && asked_before && !self.is_failing() {
            return (Step::Missing, Afterwards::nothing());
        }
        let afterwards = self.drop_overdue(now);
        if let Some(step) = self.join(&request.runtime) {
            return (step, afterwards);
        }
        let name = match (missing, known.asked_again) {
            (false, _) => UnknownName::New,
            (true, false) => UnknownName::Missing,
            (true, true) => UnknownName::MissingAgain,
        };
        let step = match self.start(FetchTrigger::UnknownKey(name), request.runtime, now) {
            Some(fetch) => {
                if missing {
                    self.names.asked_again(&lookup.name);
                }
                Step::Start(fetch)
            }
            None if self.is_failing() => Step::Later(Later::Failing),
            None if missing => Step::Missing,
            None => Step::Later(Later::BudgetSpent {
                retry_after: self.schedule.next_gain(now.clock),
                first: self.schedule.turned_away() == 1,
            }),
        };
        (step, afterwards)
    }

    /// Whether the first step of a caller with this name is [`Step::Missing`]. It changes nothing.
    pub(super) fn is_missing(&mut self, lookup: &Lookup, seen: u64, now: Moment) -> bool {
        let Some(known) = self.names.known(&lookup.name) else { return false };
        let missing = lookup.withdrawn || self.last_stored > known.since;
        let is_quiet = self.last_stored == seen && self.in_flight.is_none() && !self.lost && !self.is_failing();
        let name = if known.asked_again { UnknownName::MissingAgain } else { UnknownName::Missing };
        missing && is_quiet && !self.schedule.allows(FetchTrigger::UnknownKey(name), now.clock)
    }

    /// The fetch that a caller starts because the keys with the number `seen` are due for a refresh. The caller does not
    /// wait for it.
    pub(super) fn ask_for_refresh(&mut self, seen: u64, runtime: R, now: Moment) -> (Option<NewFetch>, Afterwards<T>) {
        if self.last_stored != seen {
            return (None, Afterwards::nothing());
        }
        let afterwards = self.drop_overdue(now);
        let fetch = match self.in_flight {
            Some(_) => None,
            None => self.schedule_fetch(FetchTrigger::Refresh, runtime, now),
        };
        (fetch, afterwards)
    }

    /// Registers the task of a fetch. Returns the task when the fetch is not in flight any more.
    pub(super) fn started(&mut self, number: u64, task: T) -> Result<(), T> {
        match self.in_flight.as_mut().filter(|fetch| fetch.number == number) {
            Some(fetch) => {
                fetch.task = Some(task);
                Ok(())
            }
            None => Err(task),
        }
    }

    /// Counts a sign that the runtime of this fetch is running.
    pub(super) fn heartbeat(&mut self, number: u64) {
        if let Some(fetch) = self.in_flight.as_mut().filter(|fetch| fetch.number == number) {
            fetch.heartbeats += 1;
        }
    }

    /// The heartbeats of this fetch. `None` means that it is not in flight any more.
    pub(super) fn heartbeats(&self, number: u64) -> Option<u64> {
        self.in_flight.as_ref().filter(|fetch| fetch.number == number).map(|fetch| fetch.heartbeats)
    }

    /// Gives this fetch up, so that a caller that waits for it starts another one. It may still complete.
    pub(super) fn lost(&mut self, number: u64) -> Afterwards<T> {
        match self.in_flight.take_if(|fetch| fetch.number == number) {
            Some(fetch) => {
                self.lost = true;
                Afterwards { woken: self.waiters.wake_all(), task: fetch.task }
            }
            None => Afterwards::nothing(),
        }
    }

    /// Gives the fetch in flight up.
    pub(super) fn stop(&mut self) -> Afterwards<T> {
        self.lost(self.in_flight.as_ref().map_or(0, |fetch| fetch.number))
    }

    /// Completes a fetch with keys. Returns whether the caller stores them: of two fetches, the one that started later wins.
    pub(super) fn succeeded(&mut self, number: u64) -> (bool, Afterwards<T>) {
        let ended = self.in_flight.take_if(|fetch| fetch.number == number);
        let wins = number > self.last_stored;
        if wins {
            self.last_stored = number;
            self.lost = false;
            self.schedule.succeeded();
            self.last_error = None;
        }
        // The keys of a fetch that was given up may be what the callers wait for, so they look as well.
        let woken = if ended.is_some() || wins { self.waiters.wake_all() } else { Woken::default() };
        (wins, Afterwards { woken, task: ended.and_then(|fetch| fetch.task) })
    }

    /// Completes a fetch without keys. Returns the pause until the next one. `None` means that a fetch that started later
    /// decides. `chance` is between 0 and 1 and spreads the retries of many processes.
    pub(super) fn failed(
        &mut self,
        number: u64,
        failed: Failed,
        now: Duration,
        chance: f64,
    ) -> (Option<Duration>, Afterwards<T>) {
        let ended = self.in_flight.take_if(|fetch| fetch.number == number);
        let woken = if ended.is_some() { self.waiters.wake_all() } else { Woken::default() };
        let afterwards = Afterwards { woken, task: ended.and_then(|fetch| fetch.task) };
        if number <= self.last_stored || number < self.last_started {
            return (None, afterwards);
        }
        self.last_failed = number;
        self.lost = false;
        self.schedule.failed(now, failed.has_keys, failed.retry_after, chance);
        self.last_error = Some(failed.error);
        (Some(self.pause(now)), afterwards)
    }

    /// The step of a caller for which the state has an answer already.
    fn known(&self, request: &Request<R>) -> Option<Step> {
        if self.last_stored != request.seen {
            return Some(Step::Look);
        }
        let failed = request.waited_for.is_some_and(|number| self.last_failed >= number);
        (failed && self.is_failing()).then_some(Step::Later(Later::Failing))
    }

    /// Gives up a fetch whose own time limit would have ended it if its runtime were running.
    fn drop_overdue(&mut self, now: Moment) -> Afterwards<T> {
        let overdue = |fetch: &&InFlight<R, T>| now.network.saturating_sub(fetch.started_at) >= self.overdue_after;
        match self.in_flight.as_ref().filter(overdue).map(|fetch| fetch.number) {
            Some(number) => self.lost(number),
            None => Afterwards::nothing(),
        }
    }

    /// The step of a caller that waits for the fetch in flight.
    fn join(&mut self, runtime: &R) -> Option<Step> {
        let round = self.waiters.round();
        let fetch = self.in_flight.as_mut()?;
        let watch = fetch.runtime != *runtime && !fetch.watched_from.contains(runtime);
        if watch {
            fetch.watched_from.push(runtime.clone());
        }
        Some(Step::Wait { number: fetch.number, round, watch })
    }

    /// Starts a fetch for callers that wait: instead of the one that was lost, or if the schedule allows it.
    fn start(&mut self, trigger: FetchTrigger, runtime: R, now: Moment) -> Option<NewFetch> {
        let trigger = if self.lost { FetchTrigger::Stalled } else { trigger };
        self.schedule_fetch(trigger, runtime, now)
    }

    fn schedule_fetch(&mut self, trigger: FetchTrigger, runtime: R, now: Moment) -> Option<NewFetch> {
        let turned_away = self.schedule.turned_away();
        if !self.schedule.start(trigger, now.clock) {
            return None;
        }
        self.lost = false;
        self.last_started += 1;
        let number = self.last_started;
        self.in_flight = Some(InFlight {
            number,
            started_at: now.network,
            runtime,
            watched_from: Vec::new(),
            heartbeats: 0,
            task: None,
        });
        let (after_failure, round) = (self.is_failing(), self.waiters.round());
        Some(NewFetch { number, trigger, after_failure, turned_away, round })
    }
}

impl<T> Afterwards<T> {
    fn nothing() -> Self {
        Self { woken: Woken::default(), task: None }
    }
}

impl KeyDates {
    /// The dates of a seed: it is used at once, and is due for a refresh at once.
    pub(super) fn of_seed(now: Duration, stale: Duration) -> Self {
        Self { fetched_at: now, refresh_at: now, usable_until: now.saturating_add(stale) }
    }

    /// The dates of keys that were fetched now. `chance` is between 0 and 1 and spreads the refreshes of many processes.
    pub(super) fn of_fetched(now: Duration, lifetime: Duration, stale: Duration, chance: f64) -> Self {
        let refresh_in = lifetime.mul_f64(limits::REFRESH_AFTER + limits::REFRESH_JITTER * chance);
        Self {
            fetched_at: now,
            refresh_at: now.saturating_add(refresh_in),
            usable_until: now.saturating_add(lifetime).saturating_add(stale),
        }
    }

    pub(super) fn are_usable(&self, now: Duration) -> bool {
        now < self.usable_until
    }

    pub(super) fn are_due(&self, now: Duration) -> bool {
        now >= self.refresh_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = at(1_000);
    const LIMIT: Duration = Duration::from_secs(6);
    const NAME: NameHash = [1; 16];

    type State = FetchState<&'static str, &'static str>;

    const fn at(seconds: u64) -> Moment {
        Moment { clock: Duration::from_secs(seconds), network: Duration::from_secs(seconds) }
    }

    fn state() -> State {
        FetchState::new(FetchSchedule::new(Duration::from_secs(30), 3, Duration::ZERO), LIMIT)
    }

    fn failed() -> Failed {
        Failed { error: "down".to_owned(), retry_after: None, has_keys: true }
    }

    fn request(state: &State) -> Request<&'static str> {
        Request { seen: state.last_stored, waited_for: None, runtime: "here" }
    }

    fn for_keys(state: &mut State, now: Moment) -> Step {
        let request = request(state);
        state.ask_for_keys(request, now).0
    }

    fn for_name(state: &mut State, lookup: &mut Lookup, now: Moment) -> Step {
        let request = request(state);
        let (is_first, is_known) = (lookup.since.is_none(), state.names.known(&lookup.name).is_some());
        let is_missing = state.is_missing(lookup, request.seen, now);
        let step = state.ask_for_name(lookup, request, now).0;
        // A name that is known is found missing without this step.
        assert!(!is_first || is_missing == (is_known && step == Step::Missing), "{step:?}");
        step
    }

    fn started(step: Step) -> u64 {
        let Step::Start(fetch) = step else { panic!("{step:?}") };
        fetch.number
    }

    /// With keys of the first fetch.
    fn warm() -> State {
        let mut state = state();
        assert_eq!(started(for_keys(&mut state, NOW)), 1);
        assert!(state.succeeded(1).0);
        state
    }

    #[test]
    fn callers_wait_for_one_fetch_until_it_completes() {
        let mut state = state();
        assert_eq!(started(for_keys(&mut state, NOW)), 1);
        assert_eq!(state.started(1, "task"), Ok(()));
        assert_eq!(for_keys(&mut state, NOW), Step::Wait { number: 1, round: 0, watch: false });
        assert!(state.succeeded(1).0);
        assert_eq!(state.waiters.round(), 1);
        assert_eq!(state.started(1, "late"), Err("late"));
        // A caller that looked before sees that it has to look again.
        let early = Request { seen: 0, waited_for: Some(1), runtime: "here" };
        assert_eq!(state.ask_for_keys(early, NOW).0, Step::Look);
    }

    #[test]
    fn name_is_missing_after_a_fetch_that_started_later() {
        let mut state = warm();
        let mut lookup = Lookup::new(NAME);
        assert_eq!(started(for_name(&mut state, &mut lookup, NOW)), 2);
        // Another name appears while the fetch is in flight. It may have started before that key was published.
        let mut other = Lookup::new([2; 16]);
        assert_eq!(for_name(&mut state, &mut other, NOW), Step::Wait { number: 2, round: 1, watch: false });
        assert!(state.succeeded(2).0);
        assert_eq!(for_name(&mut state, &mut lookup, NOW), Step::Missing);
        assert_eq!(started(for_name(&mut state, &mut other, NOW)), 3);
        assert!(state.succeeded(3).0);
        assert_eq!(for_name(&mut state, &mut other, NOW), Step::Missing);
        // The budget is spent: names that were looked up are missing, and new names are not known.
        assert_eq!(for_name(&mut state, &mut Lookup::new(NAME), NOW), Step::Missing);
        let later = |first| Step::Later(Later::BudgetSpent { retry_after: Duration::from_secs(30), first });
        assert_eq!(for_name(&mut state, &mut Lookup::new([3; 16]), NOW), later(true));
        assert_eq!(for_name(&mut state, &mut Lookup::new([3; 16]), NOW), later(false));
        // A refresh looks it up as well.
        let (refresh, _) = state.ask_for_refresh(3, "here", at(1_001));
        assert_eq!((refresh.unwrap().number, refresh.unwrap().turned_away), (4, 2));
        assert!(state.succeeded(4).0);
        assert_eq!(for_name(&mut state, &mut Lookup::new([3; 16]), at(1_002)), Step::Missing);
    }

    #[test]
    fn withdrawn_name_is_missing_while_the_budget_is_spent() {
        let mut state = warm();
        let withdrawn = || Lookup::new(NAME).with_withdrawn(true);
        // It may have been published again.
        let number = started(for_name(&mut state, &mut withdrawn(), NOW));
        assert!(state.succeeded(number).0);
        let number = started(for_name(&mut state, &mut Lookup::new([2; 16]), NOW));
        assert!(state.succeeded(number).0);
        assert_eq!(for_name(&mut state, &mut withdrawn(), NOW), Step::Missing);
        assert!(matches!(for_name(&mut state, &mut Lookup::new([3; 16]), NOW), Step::Later(Later::BudgetSpent { .. })));
    }

    #[test]
    fn missing_name_is_looked_up_again() {
        let mut state = warm();
        let number = started(for_name(&mut state, &mut Lookup::new(NAME), NOW));
        assert!(state.succeeded(number).0);
        let number = started(for_name(&mut state, &mut Lookup::new(NAME), NOW));
        assert!(state.succeeded(number).0);
        assert_eq!(for_name(&mut state, &mut Lookup::new(NAME), at(1_029)), Step::Missing);
        started(for_name(&mut state, &mut Lookup::new(NAME), at(1_030)));
    }

    #[test]
    fn unknown_name_is_not_missing_while_fetches_fail() {
        let mut state = warm();
        let mut lookup = Lookup::new(NAME);
        let number = started(for_name(&mut state, &mut lookup, NOW));
        assert_eq!(state.failed(number, failed(), NOW.clock, 0.0).0, Some(Duration::from_secs(1)));
        assert_eq!(for_name(&mut state, &mut lookup, NOW), Step::Later(Later::Failing));
        // A caller waits for one attempt only.
        let again = Request { seen: 1, waited_for: Some(number), runtime: "here" };
        assert_eq!(state.ask_for_name(&mut lookup, again, at(1_100)).0, Step::Later(Later::Failing));
        let number = started(for_name(&mut state, &mut Lookup::new(NAME), at(1_100)));
        assert!(state.succeeded(number).0);
        assert_eq!(for_name(&mut state, &mut lookup, at(1_100)), Step::Missing);
    }

    #[test]
    fn lost_fetch_is_replaced_at_once() {
        let mut state = state();
        assert_eq!(started(for_keys(&mut state, NOW)), 1);
        assert_eq!(state.started(1, "lost"), Ok(()));
        assert_eq!(state.lost(1).task, Some("lost"));
        assert_eq!(state.waiters.round(), 1);
        let Step::Start(fetch) = for_keys(&mut state, NOW) else { panic!("no replacement") };
        assert_eq!((fetch.number, fetch.trigger), (2, FetchTrigger::Stalled));
        // The lost fetch is not in flight, so another report does not end the next one.
        assert_eq!(state.lost(1).task, None);
        assert_eq!(state.heartbeats(2), Some(0));
        // A fetch that is overdue is lost as well, also for a refresh.
        let (fetch, _) = state.ask_for_refresh(0, "here", at(1_005));
        assert_eq!(fetch, None);
        let (fetch, _) = state.ask_for_refresh(0, "here", at(1_006));
        assert_eq!(fetch.unwrap().number, 3);
    }

    #[test]
    fn one_caller_of_each_other_runtime_watches_the_fetch() {
        let mut state = state();
        started(for_keys(&mut state, NOW));
        for (runtime, expected) in [("here", false), ("there", true), ("there", false), ("elsewhere", true)] {
            let request = Request { seen: 0, waited_for: None, runtime };
            let (step, _) = state.ask_for_keys(request, NOW);
            assert_eq!(step, Step::Wait { number: 1, round: 0, watch: expected }, "{runtime}");
        }
        state.heartbeat(1);
        state.heartbeat(7);
        assert_eq!((state.heartbeats(1), state.heartbeats(7)), (Some(1), None));
    }

    #[test]
    fn fetch_that_started_later_wins() {
        let two = || {
            let mut state = state();
            started(for_keys(&mut state, NOW));
            assert_eq!(state.lost(1).task, None);
            started(for_keys(&mut state, NOW));
            state
        };
        let mut state = two();
        assert!(state.succeeded(2).0 && !state.succeeded(1).0);
        assert_eq!(state.failed(1, failed(), NOW.clock, 0.0).0, None);
        assert!(!state.is_failing());

        let mut state = two();
        assert!(state.succeeded(1).0 && state.heartbeats(2).is_some() && state.succeeded(2).0);
        // The failure of the first does not count while the second is in flight.
        let mut state = two();
        assert_eq!(state.failed(1, failed(), NOW.clock, 0.0).0, None);
        assert_eq!((state.is_failing(), state.last_error()), (false, None));
        assert_eq!(state.failed(2, failed(), NOW.clock, 0.0).0, Some(Duration::from_secs(1)));
        assert_eq!((state.is_failing(), state.last_error()), (true, Some("down")));
        // A late success of the first still counts.
        assert!(state.succeeded(1).0 && !state.is_failing());
    }

    #[test]
    fn stopped_fetch_can_be_followed_by_another() {
        let mut state = state();
        assert_eq!(started(for_keys(&mut state, NOW)), 1);
        assert_eq!(state.started(1, "stopped"), Ok(()));
        assert_eq!(state.stop().task, Some("stopped"));
        assert_eq!(state.stop().task, None);
        assert_eq!(started(for_keys(&mut state, NOW)), 2);
    }

    #[test]
    fn keys_are_refreshed_then_stale_then_unusable() {
        let [lifetime, stale] = [100, 1_000].map(Duration::from_secs);
        let after = |seconds| NOW.clock + Duration::from_secs(seconds);
        for (chance, due) in [(0.0, 75), (1.0, 85)] {
            let dates = KeyDates::of_fetched(NOW.clock, lifetime, stale, chance);
            assert!(!dates.are_due(after(due - 1)) && dates.are_due(after(due)));
            assert!(dates.are_usable(after(1_099)) && !dates.are_usable(after(1_100)));
        }
        let seed = KeyDates::of_seed(NOW.clock, stale);
        assert!(seed.are_due(NOW.clock) && seed.are_usable(after(999)) && !seed.are_usable(after(1_000)));
    }
}
