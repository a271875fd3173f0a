//! Time, as it can be set in tests.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::claims::NumericDate;

/// Where a verifier reads the time.
///
/// Two times, because they answer two questions: `exp` and `nbf` are dates of the wall clock, which may step; the age
/// of a key set is measured with a clock that only runs forward.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The date now, on the wall clock.
    fn now(&self) -> NumericDate;

    /// The time since some fixed moment, never running backwards.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// The machine's clocks; the monotonic one counts from here.
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
        // A clock before 1970 is wrong; taking it as 1970 refuses tokens by `nbf` and `iat`, which is the safe side.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        NumericDate::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests.
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
    /// A clock that shows `seconds` since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at_unix(seconds: i64) -> Self {
        Self { unix_nanos: AtomicI64::new(seconds.saturating_mul(NANOS)), monotonic_nanos: AtomicI64::new(0) }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.unix_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.monotonic_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an operator or NTP does.
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
