//! The decisions about the fetches of one key set: who starts a fetch, who waits, which result counts, and when keys are
//! refreshed.
//!
//! This file has no concurrency: [`CachedKeySet`](super::cached_key_set::CachedKeySet) calls it under a lock.
//! Time and chance are arguments. `F` is a handle of a fetch in flight.

use std::time::Duration;

use crate::keys::remote::limits;
use crate::keys::remote::schedule::{FetchSchedule, FetchTrigger};

#[derive(Debug)]
pub(super) struct FetchState<F> {
    schedule: FetchSchedule,
    in_flight: Option<(u64, F)>,
    /// The number of the fetch that started last.
    last_started: u64,
    /// The number of the fetch whose keys are cached.
    last_stored: u64,
    last_error: Option<String>,
}

/// What a caller does that waits for a fetch.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum WaitStep {
    /// The keys of this fetch, or of a later one, are cached.
    Done,
    /// Every fetch must have ended by now.
    GiveUp,
    /// The fetch is lost, and another one takes its place.
    Replace,
    /// The fetch is running.
    Wait,
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

impl<F> FetchState<F> {
    pub(super) fn new(schedule: FetchSchedule) -> Self {
        Self { schedule, in_flight: None, last_started: 0, last_stored: 0, last_error: None }
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

    /// The fetch in flight. A caller that needs a fetch joins it unless it is lost.
    pub(super) fn in_flight(&self) -> Option<&F> {
        self.in_flight.as_ref().map(|(_, fetch)| fetch)
    }

    /// Whether a fetch may start now. If so, returns its number, and the caller starts it and calls [`Self::started`].
    pub(super) fn start(&mut self, trigger: FetchTrigger, now: Duration) -> Option<u64> {
        if !self.schedule.start(trigger, now) {
            return None;
        }
        self.last_started += 1;
        Some(self.last_started)
    }

    pub(super) fn started(&mut self, number: u64, fetch: F) {
        self.in_flight = Some((number, fetch));
    }

    /// What a caller does that has waited this long for this fetch. `lost` means that the fetch has stalled or was dropped.
    pub(super) fn wait(&self, number: u64, waited: Duration, overdue_after: Duration, lost: bool) -> WaitStep {
        if self.last_stored >= number {
            WaitStep::Done
        } else if waited >= overdue_after {
            WaitStep::GiveUp
        } else if lost {
            WaitStep::Replace
        } else {
            WaitStep::Wait
        }
    }

    /// Forgets this fetch, so that another one can start. It may still complete.
    pub(super) fn forget(&mut self, number: u64) {
        self.in_flight.take_if(|(in_flight, _)| *in_flight == number);
    }

    /// Forgets the fetch in flight and returns it.
    pub(super) fn stop(&mut self) -> Option<F> {
        self.in_flight.take().map(|(_, fetch)| fetch)
    }

    /// Completes a fetch with keys. Returns whether the caller stores them: of two fetches, the one that started later wins.
    pub(super) fn succeeded(&mut self, number: u64) -> bool {
        self.forget(number);
        if number <= self.last_stored {
            return false;
        }
        self.last_stored = number;
        self.schedule.succeeded();
        self.last_error = None;
        true
    }

    /// Completes a fetch without keys. Returns the pause until the next one. `None` means that a fetch that started later
    /// decides. `chance` is between 0 and 1 and spreads the retries of many processes.
    pub(super) fn failed(&mut self, number: u64, failed: Failed, now: Duration, chance: f64) -> Option<Duration> {
        self.forget(number);
        if number <= self.last_stored || number < self.last_started {
            return None;
        }
        self.schedule.failed(now, failed.has_keys, failed.retry_after, chance);
        self.last_error = Some(failed.error);
        Some(self.pause(now))
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

    const NOW: Duration = Duration::from_secs(1_000);
    const LIMIT: Duration = Duration::from_secs(6);

    fn state() -> FetchState<&'static str> {
        FetchState::new(FetchSchedule::new(Duration::from_secs(30), 3, Duration::ZERO))
    }

    fn failed() -> Failed {
        Failed { error: "down".to_owned(), retry_after: None, has_keys: true }
    }

    #[test]
    fn fetch_is_in_flight_until_it_completes() {
        let mut state = state();
        assert_eq!(state.start(FetchTrigger::NoKeys, NOW), Some(1));
        state.started(1, "first");
        assert_eq!(state.in_flight(), Some(&"first"));
        assert_eq!(state.wait(1, Duration::ZERO, LIMIT, false), WaitStep::Wait);
        assert!(state.succeeded(1));
        assert_eq!(state.in_flight(), None);
        assert_eq!(state.wait(1, Duration::ZERO, LIMIT, false), WaitStep::Done);
    }

    #[test]
    fn lost_fetch_is_replaced_within_the_limit() {
        let mut state = state();
        let lost = state.start(FetchTrigger::NoKeys, NOW).unwrap();
        state.started(lost, "lost");
        assert_eq!(state.wait(lost, Duration::ZERO, LIMIT, true), WaitStep::Replace);
        assert_eq!(state.wait(lost, LIMIT, LIMIT, true), WaitStep::GiveUp);
        state.forget(lost);
        let next = state.start(FetchTrigger::Stalled, NOW).unwrap();
        state.started(next, "next");
        // The lost fetch is not in flight, so another caller does not forget the next one.
        state.forget(lost);
        assert_eq!(state.in_flight(), Some(&"next"));
    }

    #[test]
    fn fetch_that_started_later_wins() {
        let two = || {
            let mut state = state();
            for trigger in [FetchTrigger::NoKeys, FetchTrigger::Stalled] {
                let number = state.start(trigger, NOW).unwrap();
                state.started(number, "fetch");
            }
            state
        };
        let mut state = two();
        assert!(state.succeeded(2) && !state.succeeded(1));
        // Waiting for the first is over as well.
        assert_eq!(state.wait(1, Duration::ZERO, LIMIT, true), WaitStep::Done);
        assert_eq!(state.failed(1, failed(), NOW, 0.0), None);
        assert!(!state.is_failing());

        let mut state = two();
        assert!(state.succeeded(1) && state.succeeded(2));
        // The failure of the first is not the last word while the second is in flight.
        let mut state = two();
        assert_eq!(state.failed(1, failed(), NOW, 0.0), None);
        assert_eq!((state.is_failing(), state.last_error()), (false, None));
        assert_eq!(state.failed(2, failed(), NOW, 0.0), Some(Duration::from_secs(1)));
        assert_eq!((state.is_failing(), state.last_error()), (true, Some("down")));
        // A late success of the first still counts.
        assert!(state.succeeded(1) && !state.is_failing());
    }

    #[test]
    fn stopped_fetch_can_be_followed_by_another() {
        let mut state = state();
        let number = state.start(FetchTrigger::NoKeys, NOW).unwrap();
        state.started(number, "stopped");
        assert_eq!(state.stop(), Some("stopped"));
        assert_eq!(state.in_flight(), None);
        assert_eq!(state.start(FetchTrigger::NoKeys, NOW), Some(2));
    }

    #[test]
    fn keys_are_refreshed_then_stale_then_unusable() {
        let [lifetime, stale] = [100, 1_000].map(Duration::from_secs);
        let after = |seconds| NOW + Duration::from_secs(seconds);
        for (chance, due) in [(0.0, 75), (1.0, 85)] {
            let dates = KeyDates::of_fetched(NOW, lifetime, stale, chance);
            assert!(!dates.are_due(after(due - 1)) && dates.are_due(after(due)));
            assert!(dates.are_usable(after(1_099)) && !dates.are_usable(after(1_100)));
        }
        let seed = KeyDates::of_seed(NOW, stale);
        assert!(seed.are_due(NOW) && seed.are_usable(after(999)) && !seed.are_usable(after(1_000)));
    }
}
