//! The budget for questions about unknown names. Every time is one of the monotonic clock.

use std::time::Duration;

/// A number of questions, which gains one per cooldown up to its burst.
#[derive(Debug)]
pub(super) struct Budget {
    burst: u32,
    cooldown: Duration,
    left: u32,
    /// The time from which the next question is gained.
    since: Duration,
}

impl Budget {
    pub(super) fn new(burst: u32, cooldown: Duration, now: Duration) -> Self {
        Self { burst, cooldown, left: burst, since: now }
    }

    /// Takes one question, or returns the time until there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.left == 0 {
            return Err(self.cooldown.saturating_sub(now.saturating_sub(self.since)));
        }
        if self.left == self.burst {
            self.since = now;
        }
        self.left -= 1;
        Ok(())
    }

    /// Gives one question back.
    pub(super) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.burst);
    }

    fn refill(&mut self, now: Duration) {
        while self.left < self.burst && now.saturating_sub(self.since) >= self.cooldown {
            self.left += 1;
            self.since = self.since.saturating_add(self.cooldown);
        }
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
