//! When the next fetch may start. Every time is one of the monotonic clock, and chance is an argument.
//!
//! Names of unknown keys have one budget, which gains one fetch per cooldown. Refreshes, replacements of lost fetches and
//! retries after a failure have their own schedules and take nothing from it.

use std::time::Duration;

use crate::budget::Budget;
use crate::keys::remote::limits;

/// Why a fetch starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FetchTrigger {
    /// There are no usable keys.
    NoKeys,
    /// The cached keys are due for a refresh.
    Refresh,
    /// The fetch in flight was lost.
    Stalled,
    /// A token names a key that is not cached.
    UnknownKey(UnknownName),
}

/// What is known about the name of a key that is not cached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UnknownName {
    /// No fetch that started after the name appeared has succeeded yet.
    New,
    /// Such a fetch did not have it.
    Missing,
    /// A second fetch, which the name caused as well, did not have it either.
    MissingAgain,
}

impl FetchTrigger {
    /// The name for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::Refresh => "refresh",
            Self::Stalled => "stalled",
            Self::UnknownKey(_) => "unknown_key",
        }
    }
}

/// The budget for unknown keys, and the back-off after failures.
#[derive(Debug)]
pub(super) struct FetchSchedule {
    cooldown: Duration,
    /// The fetches that unknown keys may still cause.
    budget: Budget,
    /// When a fetch started last, for any reason.
    last_start: Option<Duration>,
    /// The number of times that a new name was turned away since then, because the budget was spent.
    turned_away: u64,
    failures: u32,
    not_before: Duration,
}

impl FetchSchedule {
    pub(super) fn new(cooldown: Duration, burst: u32, now: Duration) -> Self {
        Self {
            cooldown,
            budget: Budget::new(burst, cooldown, now),
            last_start: None,
            turned_away: 0,
            failures: 0,
            not_before: Duration::ZERO,
        }
    }

    /// Whether the last fetch failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The rest of the pause after a failure.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.not_before.saturating_sub(now)
    }

    /// The time until the budget gains its next fetch.
    pub(super) fn next_gain(&self, now: Duration) -> Duration {
        self.budget.next_gain(now)
    }

    /// The number of times that a new name was turned away since the last fetch started.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Whether a fetch for this reason may start now. If so, it counts as started.
    pub(super) fn start(&mut self, trigger: FetchTrigger, now: Duration) -> bool {
        let left = self.budget.left(now);
        let allowed = self.allows(trigger, now);
        if allowed {
            if self.takes_one(trigger, left) {
                // With nothing left, nothing is taken.
                let _ = self.budget.take(now);
            }
            self.last_start = Some(now);
            self.turned_away = 0;
        } else if trigger == FetchTrigger::UnknownKey(UnknownName::New) {
            self.turned_away = self.turned_away.saturating_add(1);
        }
        allowed
    }

    /// Whether a fetch for this reason may start now.
    pub(super) fn allows(&mut self, trigger: FetchTrigger, now: Duration) -> bool {
        let left = self.budget.left(now);
        match trigger {
            FetchTrigger::Stalled => true,
            FetchTrigger::NoKeys | FetchTrigger::Refresh => now >= self.not_before,
            // After a failure, the pause limits the attempts.
            FetchTrigger::UnknownKey(_) if self.is_failing() => now >= self.not_before,
            FetchTrigger::UnknownKey(UnknownName::New | UnknownName::Missing) => left > 0,
            FetchTrigger::UnknownKey(UnknownName::MissingAgain) => left > 1 || self.is_quiet(now),
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = Duration::ZERO;
    }

    /// Starts a pause. `chance` is between 0 and 1 and spreads the retries of many processes.
    pub(super) fn failed(&mut self, now: Duration, has_keys: bool, retry_after: Option<Duration>, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        let (first, max) = if has_keys {
            (limits::BACKOFF_WITH_KEYS, limits::MAX_BACKOFF_WITH_KEYS)
        } else {
            (limits::BACKOFF_WITHOUT_KEYS, limits::MAX_BACKOFF_WITHOUT_KEYS)
        };
        let doublings = (self.failures - 1).min(limits::MAX_BACKOFF_DOUBLINGS);
        let pause = first.saturating_mul(1 << doublings).min(max);
        let pause = pause + pause.mul_f64(limits::BACKOFF_JITTER * chance.clamp(0.0, 1.0));
        let requested = retry_after
            .map_or(Duration::ZERO, |requested| requested.clamp(limits::MIN_RETRY_AFTER, limits::MAX_RETRY_AFTER));
        self.not_before = now.saturating_add(pause.max(requested));
    }

    /// Whether this fetch takes one from the budget, which has `left`.
    fn takes_one(&self, trigger: FetchTrigger, left: u32) -> bool {
        match trigger {
            FetchTrigger::Refresh | FetchTrigger::Stalled => false,
            FetchTrigger::UnknownKey(_) if self.is_failing() => false,
            // It takes one, but never the last, which a rotation may need.
            FetchTrigger::NoKeys => left > 1,
            FetchTrigger::UnknownKey(UnknownName::New | UnknownName::Missing) => true,
            // The last one is kept for new names, unless the fetch serves new names that were turned away.
            FetchTrigger::UnknownKey(UnknownName::MissingAgain) => left > 1 || self.turned_away > 0,
        }
    }

    /// Whether no fetch has started for one cooldown.
    fn is_quiet(&self, now: Duration) -> bool {
        self.last_start.is_none_or(|last| now.saturating_sub(last) >= self.cooldown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: FetchTrigger = FetchTrigger::UnknownKey(UnknownName::New);
    const MISSING: FetchTrigger = FetchTrigger::UnknownKey(UnknownName::Missing);
    const MISSING_AGAIN: FetchTrigger = FetchTrigger::UnknownKey(UnknownName::MissingAgain);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> FetchSchedule {
        FetchSchedule::new(limits::DEFAULT_COOLDOWN, limits::DEFAULT_BURST, Duration::ZERO)
    }

    #[test]
    fn unknown_keys_get_a_burst_then_one_per_cooldown() {
        let mut schedule = schedule();
        let allowed = |schedule: &mut FetchSchedule, at| (0..1_000).filter(|_| schedule.start(NEW, at)).count();
        assert_eq!(allowed(&mut schedule, secs(100)), 3);
        assert_eq!((schedule.turned_away(), schedule.next_gain(secs(110))), (997, secs(20)));
        assert_eq!(allowed(&mut schedule, secs(129)), 0);
        assert_eq!(allowed(&mut schedule, secs(130)), 1);
        assert_eq!(allowed(&mut schedule, secs(159)), 0);
        assert_eq!(allowed(&mut schedule, secs(160)), 1);
        assert_eq!(allowed(&mut schedule, secs(10_000)), 3);
    }

    #[test]
    fn start_counts_but_leaves_one_for_a_rotation() {
        let mut schedule = schedule();
        assert!(schedule.start(FetchTrigger::NoKeys, secs(1)));
        assert!(schedule.start(NEW, secs(1)) && schedule.start(NEW, secs(1)) && !schedule.start(NEW, secs(1)));
        // Each attempt of a long outage at the start.
        let mut schedule = self::schedule();
        for _ in 0..100 {
            assert!(schedule.start(FetchTrigger::NoKeys, secs(1)));
        }
        assert!(schedule.start(NEW, secs(1)) && !schedule.start(NEW, secs(1)));
    }

    #[test]
    fn refreshes_do_not_compete_with_unknown_names() {
        let mut schedule = schedule();
        for second in 0..1_000 {
            assert!(schedule.start(FetchTrigger::Refresh, secs(second)));
            assert!(schedule.start(FetchTrigger::Stalled, secs(second)));
        }
        for _ in 0..3 {
            assert!(schedule.start(NEW, secs(1_000)));
        }
        assert!(!schedule.start(NEW, secs(1_000)) && schedule.start(FetchTrigger::Refresh, secs(1_000)));
    }

    #[test]
    fn missing_names_leave_one_for_new_names() {
        let mut schedule = schedule();
        let steady = |schedule: &mut FetchSchedule, seconds: std::ops::Range<u64>| {
            seconds.filter(|second| schedule.start(MISSING_AGAIN, secs(*second))).count()
        };
        // Its second fetch may take the last one, because another caller may have asked before the key was published.
        assert!(schedule.start(NEW, secs(0)) && schedule.start(NEW, secs(0)) && schedule.start(MISSING, secs(0)));
        assert!(!schedule.start(MISSING, secs(0)));
        // Old tokens cause one fetch per cooldown, and after the first one a new name always has one.
        assert_eq!(steady(&mut schedule, 0..299), 9);
        assert!(schedule.start(NEW, secs(299)) && !schedule.start(NEW, secs(299)));
        // The next fetch serves the name that was turned away, so it takes one.
        assert_eq!(steady(&mut schedule, 299..330), 1);
        assert!(!schedule.start(NEW, secs(329)));
        assert_eq!(steady(&mut schedule, 330..600), 9);
        assert!(schedule.start(NEW, secs(600)));
    }

    #[test]
    fn flood_of_new_and_missing_names_causes_one_per_cooldown() {
        let mut schedule = schedule();
        let fetches = (0..3_000).filter(|second| {
            let missing = schedule.start(MISSING_AGAIN, secs(*second));
            let new = (0..5).any(|_| schedule.start(NEW, secs(*second)));
            assert!(!(missing && new) || *second == 0, "two at {second}");
            missing || new
        });
        assert!(fetches.count() <= 103);
    }

    #[test]
    fn failures_back_off_until_a_success() {
        let mut schedule = schedule();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            schedule.failed(secs(1_000), true, None, 0.0);
            assert_eq!(schedule.wait(secs(1_000)), secs(pause));
            assert!(!schedule.start(FetchTrigger::Refresh, secs(1_000)) && schedule.is_failing());
            assert!(!schedule.start(NEW, secs(1_000)));
        }
        // A retry for an unknown key takes nothing from the budget.
        assert!(schedule.start(NEW, secs(1_060)));
        schedule.succeeded();
        assert!(schedule.start(FetchTrigger::Refresh, secs(1_000)) && !schedule.is_failing());
        assert_eq!((0..5).filter(|_| schedule.start(NEW, secs(1_060))).count(), 3);
    }

    #[test]
    fn without_keys_a_pause_is_at_most_a_second() {
        let mut schedule = schedule();
        schedule.failed(secs(5), false, None, 1.0);
        assert_eq!(schedule.wait(secs(5)), Duration::from_millis(125));
        for _ in 0..100 {
            schedule.failed(secs(5), false, None, 1.0);
        }
        assert_eq!(schedule.wait(secs(5)), secs(1));
    }

    #[test]
    fn retry_after_is_a_minimum_within_bounds() {
        for (requested, pause) in [(Duration::ZERO, 1), (secs(30), 30), (secs(315_360_000), 300), (Duration::MAX, 300)]
        {
            let mut schedule = schedule();
            schedule.failed(secs(5), true, Some(requested), 0.0);
            assert_eq!(schedule.wait(secs(5)), secs(pause));
        }
    }

    #[test]
    fn jitter_only_lengthens_the_pause() {
        let mut schedule = schedule();
        schedule.failed(secs(5), true, None, 1.0);
        assert_eq!(schedule.wait(secs(5)), Duration::from_millis(1_250));
    }
}
