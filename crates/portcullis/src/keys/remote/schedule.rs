//! When the next fetch may start. Pure: every time is one of the provider's monotonic clock, and chance is an argument.

use std::time::Duration;

use crate::keys::remote::settings::Settings;

/// The first pause after a failure while keys are in hand.
const WARM_BACKOFF: Duration = Duration::from_secs(1);
const WARM_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The first pause after a failure while callers are turned away for want of keys.
const COLD_BACKOFF: Duration = Duration::from_millis(100);
const COLD_BACKOFF_MAX: Duration = Duration::from_millis(800);
/// What a provider's `Retry-After` can ask for.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Why a fetch is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// No usable keys are held.
    NoKeys,
    /// The held keys are due for a refresh.
    Refresh,
    /// Whoever was fetching went silent.
    TakeOver,
    /// A token names a key that is not held.
    UnknownKey,
}

impl Cause {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::Refresh => "refresh",
            Self::TakeOver => "take_over",
            Self::UnknownKey => "unknown_key",
        }
    }
}

#[derive(Debug)]
pub(super) struct Schedule {
    cooldown: Duration,
    burst: u32,
    /// Fetches that unknown keys may still cause; one comes back each cooldown.
    budget: u32,
    budget_since: Duration,
    failures: u32,
    not_before: Duration,
}

impl Schedule {
    pub(super) fn new(settings: &Settings, now: Duration) -> Self {
        Self {
            cooldown: settings.cooldown,
            burst: settings.burst,
            budget: settings.burst,
            budget_since: now,
            failures: 0,
            not_before: Duration::ZERO,
        }
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How long until an attempt makes sense.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.not_before.saturating_sub(now)
    }

    /// Whether a fetch for `cause` may start now. If so, it counts as started.
    pub(super) fn start(&mut self, cause: Cause, now: Duration) -> bool {
        self.refill(now);
        let allowed = match cause {
            Cause::TakeOver => true,
            Cause::NoKeys | Cause::Refresh => now >= self.not_before,
            Cause::UnknownKey => now >= self.not_before && self.budget > 0,
        };
        if allowed {
            // Every attempt counts, whatever its cause and its end, so that the provider sees no more than this.
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

    /// `chance` is between 0 and 1 and spreads the attempts of many instances.
    pub(super) fn failed(&mut self, now: Duration, holds_keys: bool, retry_after: Option<Duration>, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        let (first, longest) =
            if holds_keys { (WARM_BACKOFF, WARM_BACKOFF_MAX) } else { (COLD_BACKOFF, COLD_BACKOFF_MAX) };
        let doubled = first.saturating_mul(1 << (self.failures - 1).min(10)).min(longest);
        let pause = doubled + doubled.mul_f64(chance.clamp(0.0, 1.0) / 4.0);
        let asked = retry_after.map_or(Duration::ZERO, |asked| asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        self.not_before = now.saturating_add(pause.max(asked));
    }

    fn refill(&mut self, now: Duration) {
        if self.budget >= self.burst || self.cooldown.is_zero() {
            self.budget = self.burst;
            return;
        }
        let earned = now.saturating_sub(self.budget_since).as_nanos() / self.cooldown.as_nanos().max(1);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.budget = self.budget.saturating_add(earned).min(self.burst);
        self.budget_since = self.budget_since.saturating_add(self.cooldown.saturating_mul(earned)).min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule::new(&Settings::default(), Duration::ZERO)
    }

    #[test]
    fn unknown_keys_have_a_burst_and_then_one_fetch_a_cooldown() {
        let mut schedule = schedule();
        let allowed =
            |schedule: &mut Schedule, at| (0..1_000).filter(|_| schedule.start(Cause::UnknownKey, at)).count();
        assert_eq!(allowed(&mut schedule, secs(100)), 3);
        assert_eq!(allowed(&mut schedule, secs(129)), 0);
        assert_eq!(allowed(&mut schedule, secs(130)), 1);
        assert_eq!(allowed(&mut schedule, secs(159)), 0);
        assert_eq!(allowed(&mut schedule, secs(160)), 1);
        assert_eq!(allowed(&mut schedule, secs(10_000)), 3);
    }

    #[test]
    fn every_attempt_counts_against_the_burst_but_a_refresh_is_not_held_back_by_it() {
        let mut schedule = schedule();
        assert!(schedule.start(Cause::NoKeys, secs(1)));
        assert!(schedule.start(Cause::UnknownKey, secs(1)));
        assert!(schedule.start(Cause::UnknownKey, secs(1)));
        assert!(!schedule.start(Cause::UnknownKey, secs(1)));
        assert!(schedule.start(Cause::Refresh, secs(1)));
    }

    #[test]
    fn failures_back_off_and_a_success_forgets_them() {
        let mut schedule = schedule();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            schedule.failed(secs(1_000), true, None, 0.0);
            assert_eq!(schedule.wait(secs(1_000)), secs(pause));
            assert!(!schedule.start(Cause::Refresh, secs(1_000)) && schedule.is_failing());
        }
        schedule.succeeded();
        assert!(schedule.start(Cause::Refresh, secs(1_000)) && !schedule.is_failing());
    }

    #[test]
    fn without_keys_no_pause_is_longer_than_a_second() {
        let mut schedule = schedule();
        schedule.failed(secs(5), false, None, 1.0);
        assert_eq!(schedule.wait(secs(5)), Duration::from_millis(125));
        for _ in 0..100 {
            schedule.failed(secs(5), false, None, 1.0);
        }
        assert_eq!(schedule.wait(secs(5)), secs(1));
    }

    #[test]
    fn retry_after_is_the_least_pause_within_a_clamp() {
        for (asked, pause) in [(Duration::ZERO, 1), (secs(30), 30), (secs(315_360_000), 300), (Duration::MAX, 300)] {
            let mut schedule = schedule();
            schedule.failed(secs(5), true, Some(asked), 0.0);
            assert_eq!(schedule.wait(secs(5)), secs(pause));
        }
    }

    #[test]
    fn jitter_only_lengthens() {
        let mut schedule = schedule();
        schedule.failed(secs(5), true, None, 1.0);
        assert_eq!(schedule.wait(secs(5)), Duration::from_millis(1_250));
    }
}
