//! Clocks: the system clock, and one for tests.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::claims::NumericDate;

/// A source of the time.
///
/// It has two times: `exp` and `nbf` are compared with the date of the wall clock, which can be set back. The age of cached
/// keys is measured with a clock that only runs forward.
///
/// ```
/// use std::time::Duration;
///
/// use portcullis::claims::NumericDate;
/// use portcullis::clock::{Clock, SystemClock};
///
/// /// The system clock of a machine that is known to be slow.
/// #[derive(Debug)]
/// struct Corrected {
///     system: SystemClock,
///     slow_by: Duration,
/// }
///
/// impl Clock for Corrected {
///     fn now(&self) -> NumericDate {
///         self.system.now().saturating_add(self.slow_by)
///     }
///
///     fn monotonic(&self) -> Duration {
///         self.system.monotonic()
///     }
/// }
///
/// let clock = Corrected { system: SystemClock::new(), slow_by: Duration::from_secs(60) };
/// assert!(clock.now().seconds() >= SystemClock::new().now().seconds() + 59);
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the date of the wall clock.
    fn now(&self) -> NumericDate;

    /// Returns the time since a fixed moment. It never decreases.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Makes a clock. Its monotonic time starts at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> NumericDate {
        // A clock before 1970 is wrong. As 1970, it refuses tokens by `nbf` and `iat`, which is safe.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        NumericDate::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock for tests. It stops until it is advanced or set.
///
/// ```
/// use std::time::Duration;
/// use portcullis::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at_unix(1_700_000_000);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().seconds(), 1_700_000_060);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    unix_nanos: AtomicI64,
    monotonic_nanos: AtomicI64,
}

impl ManualClock {
    /// Makes a clock that shows `seconds` since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at_unix(seconds: i64) -> Self {
        Self { unix_nanos: AtomicI64::new(seconds.saturating_mul(NANOS)), monotonic_nanos: AtomicI64::new(0) }
    }

    /// Advances both times, at most to the last date that the clock can show, in the year 2262.
    pub fn advance(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        for time in [&self.unix_nanos, &self.monotonic_nanos] {
            let later = |now: i64| Some(now.saturating_add(nanos));
            // The closure returns a value each time, so the update never fails.
            let _ = time.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        }
    }

    /// Sets the wall clock and leaves the monotonic time, as NTP does.
    pub fn set_unix(&self, seconds: i64) {
        self.unix_nanos.store(seconds.saturating_mul(NANOS), Ordering::SeqCst);
    }
}

const NANOS: i64 = 1_000_000_000;

impl Clock for ManualClock {
    fn now(&self) -> NumericDate {
        let nanos = self.unix_nanos.load(Ordering::SeqCst);
        NumericDate::from_unix(nanos.div_euclid(NANOS), u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or(0))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.monotonic_nanos.load(Ordering::SeqCst)).unwrap_or(0))
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> NumericDate {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_stops_at_its_last_date() {
        let clock = ManualClock::at_unix(1_700_000_000);
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!((clock.now().seconds(), clock.monotonic().as_secs()), (9_223_372_036, 9_223_372_036));
    }
}
