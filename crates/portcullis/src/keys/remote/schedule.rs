//! When the next fetch may start. Every time is one of the monotonic clock, and chance is an argument.

use std::time::Duration;

use crate::keys::remote::limits;

/// Why a fetch starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FetchTrigger {
    /// There are no usable keys.
    NoKeys,
    /// The cached keys are due for a refresh.
    Refresh,
    /// The fetch in flight has stalled.
    Stalled,
    /// A token names a key that is not cached.
    UnknownKey,
}

impl FetchTrigger {
    /// The name for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::Refresh => "refresh",
            Self::Stalled => "stalled",
            Self::UnknownKey => "unknown_key",
        }
    }
}

/// The budget for unknown keys, and the back-off after failures.
#[derive(Debug)]
pub(super) struct FetchSchedule {
    cooldown: Duration,
    burst: u32,
    /// The number of fetches that unknown keys may still cause. It gains one per cooldown, up to the burst.
    budget: u32,
    budget_since: Duration,
    failures: u32,
    not_before: Duration,
}

impl FetchSchedule {
    pub(super) fn new(cooldown: Duration, burst: u32, now: Duration) -> Self {
        Self { cooldown, burst, budget: burst, budget_since: now, failures: 0, not_before: Duration::ZERO }
    }

    /// Whether the last fetch failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The rest of the pause after a failure.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.not_before.saturating_sub(now)
    }

    /// Whether a fetch for this reason may start now. If so, it counts as started.
    pub(super) fn start(&mut self, trigger: FetchTrigger, now: Duration) -> bool {
        self.refill(now);
        let allowed = match trigger {
            FetchTrigger::Stalled => true,
            FetchTrigger::NoKeys | FetchTrigger::Refresh => now >= self.not_before,
            FetchTrigger::UnknownKey => now >= self.not_before && self.budget > 0,
        };
        if allowed {
            // Every fetch counts, for any reason and with any result, so that the issuer sees no more than the budget
            // because of unknown keys.
            if self.budget == self.burst {
                self.budget_since = now;
            }
            self.budget = self.budget.saturating_sub(1);
        }
        allowed
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

    fn refill(&mut self, now: Duration) {
        if self.budget >= self.burst || self.cooldown.is_zero() {
            self.budget = self.burst;
            return;
        }
        let gained = now.saturating_sub(self.budget_since).as_nanos() / self.cooldown.as_nanos();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.budget = self.budget.saturating_add(gained).min(self.burst);
        self.budget_since = self.budget_since.saturating_add(self.cooldown.saturating_mul(gained)).min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> FetchSchedule {
        FetchSchedule::new(limits::DEFAULT_COOLDOWN, limits::DEFAULT_BURST, Duration::ZERO)
    }

    #[test]
    fn unknown_keys_get_a_burst_then_one_per_cooldown() {
        let mut schedule = schedule();
        let allowed = |schedule: &mut FetchSchedule, at| {
            (0..1_000).filter(|_| schedule.start(FetchTrigger::UnknownKey, at)).count()
        };
        assert_eq!(allowed(&mut schedule, secs(100)), 3);
        assert_eq!(allowed(&mut schedule, secs(129)), 0);
        assert_eq!(allowed(&mut schedule, secs(130)), 1);
        assert_eq!(allowed(&mut schedule, secs(159)), 0);
        assert_eq!(allowed(&mut schedule, secs(160)), 1);
        assert_eq!(allowed(&mut schedule, secs(10_000)), 3);
    }

    #[test]
    fn every_fetch_counts_but_only_unknown_keys_wait() {
        let mut schedule = schedule();
        assert!(schedule.start(FetchTrigger::NoKeys, secs(1)));
        assert!(schedule.start(FetchTrigger::UnknownKey, secs(1)));
        assert!(schedule.start(FetchTrigger::UnknownKey, secs(1)));
        assert!(!schedule.start(FetchTrigger::UnknownKey, secs(1)));
        assert!(schedule.start(FetchTrigger::Refresh, secs(1)));
    }

    #[test]
    fn failures_back_off_until_a_success() {
        let mut schedule = schedule();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            schedule.failed(secs(1_000), true, None, 0.0);
            assert_eq!(schedule.wait(secs(1_000)), secs(pause));
            assert!(!schedule.start(FetchTrigger::Refresh, secs(1_000)) && schedule.is_failing());
        }
        schedule.succeeded();
        assert!(schedule.start(FetchTrigger::Refresh, secs(1_000)) && !schedule.is_failing());
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
