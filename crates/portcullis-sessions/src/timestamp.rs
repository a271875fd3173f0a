//! Times as stores hold them.

use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::clock::Clock;

/// Milliseconds since 1970-01-01T00:00:00Z. Stores hold every time in this form.
///
/// Arithmetic saturates: a time too far away to represent is the last one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes the time `millis` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix_millis(self) -> i64 {
        self.0
    }

    /// Returns the date for a claim of a token, for example `auth_time`.
    #[must_use]
    pub fn to_date(self) -> NumericDate {
        let nanos = u32::try_from(self.0.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
        NumericDate::from_unix(self.0.div_euclid(1000), nanos)
    }

    /// Reads the wall clock.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        clock.now().into()
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    pub(crate) fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The milliseconds from `earlier` to this time. Negative if `earlier` is later.
    pub(crate) fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<NumericDate> for Timestamp {
    /// Drops what is less than a millisecond.
    fn from(date: NumericDate) -> Self {
        Self(date.seconds().saturating_mul(1000).saturating_add(i64::from(date.subsec_nanos() / 1_000_000)))
    }
}

/// The whole milliseconds of `duration`.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_keep_their_milliseconds() {
        for (seconds, nanos, expected) in
            [(0, 0, 0), (1, 999_999_999, 1_999), (-1, 500_000_000, -500), (1_700_000_000, 7_000_000, 1_700_000_000_007)]
        {
            let timestamp = Timestamp::from(NumericDate::from_unix(seconds, nanos));
            assert_eq!(timestamp.as_unix_millis(), expected);
            assert_eq!(Timestamp::from(timestamp.to_date()), timestamp);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(last.millis_since(first), i64::MAX);
        assert_eq!(Timestamp::from(NumericDate::from_unix(i64::MAX, 0)), last);
    }
}
