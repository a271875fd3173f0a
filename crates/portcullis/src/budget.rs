//! A budget for what unknown names may cause: questions or fetches. Every time is one of the monotonic clock.

use std::time::Duration;

/// A number that gains one per cooldown, up to its burst.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    cooldown: Duration,
    left: u32,
    /// The time from which the next one is gained.
    since: Duration,
}

impl Budget {
    pub(crate) fn new(burst: u32, cooldown: Duration, now: Duration) -> Self {
        Self { burst, cooldown, left: burst, since: now }
    }

    /// Returns how many are left.
    pub(crate) fn left(&mut self, now: Duration) -> u32 {
        if self.left >= self.burst || self.cooldown.is_zero() {
            self.left = self.burst;
            return self.left;
        }
        let gained = now.saturating_sub(self.since).as_nanos() / self.cooldown.as_nanos();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(self.burst);
        self.since = self.since.saturating_add(self.cooldown.saturating_mul(gained)).min(now.max(self.since));
        self.left
    }

    /// Returns the time until the next one is gained.
    pub(crate) fn next_gain(&self, now: Duration) -> Duration {
        self.cooldown.saturating_sub(now.saturating_sub(self.since))
    }

    /// Takes one, or returns the time until there is one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if self.left(now) == 0 {
            return Err(self.next_gain(now));
        }
        if self.left == self.burst {
            self.since = now;
        }
        self.left -= 1;
        Ok(())
    }

    /// Gives one back.
    pub(crate) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn burst_is_followed_by_one_per_cooldown() {
        let mut budget = Budget::new(3, secs(10), secs(100));
        let taken = |budget: &mut Budget, at| (0..100).filter(|_| budget.take(at).is_ok()).count();
        assert_eq!(taken(&mut budget, secs(105)), 3);
        assert_eq!(budget.take(secs(108)), Err(secs(7)));
        assert_eq!(taken(&mut budget, secs(114)), 0);
        assert_eq!(taken(&mut budget, secs(115)), 1);
        assert_eq!(taken(&mut budget, secs(135)), 2);
        assert_eq!(taken(&mut budget, secs(100_000)), 3);
    }

    #[test]
    fn given_back_questions_stay_within_the_burst() {
        let mut budget = Budget::new(1, secs(10), secs(0));
        for _ in 0..100 {
            assert_eq!(budget.take(secs(0)), Ok(()));
            budget.give_back();
        }
        budget.give_back();
        assert_eq!(budget.take(secs(0)), Ok(()));
        assert!(budget.take(secs(0)).is_err());
    }

    #[test]
    fn clock_that_goes_back_gains_nothing() {
        let mut budget = Budget::new(1, secs(10), secs(100));
        assert_eq!(budget.take(secs(100)), Ok(()));
        assert_eq!(budget.take(secs(0)), Err(secs(10)));
        assert_eq!(budget.take(Duration::MAX), Ok(()));
    }
}
