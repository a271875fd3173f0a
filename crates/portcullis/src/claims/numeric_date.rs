//! Dates in tokens (RFC 7519 §2, NumericDate).

use std::time::Duration;

/// Seconds since 1970-01-01T00:00:00Z, in 64 bits, with a fraction.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NumericDate {
    seconds: i64,
    nanos: u32,
}

impl NumericDate {
    /// Makes the date `seconds` and `nanos` after 1970-01-01T00:00:00Z. More than 999,999,999 nanoseconds count as that.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos: nanos.min(999_999_999) }
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after [`seconds`](Self::seconds), at most 999,999,999.
    #[must_use]
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Adds `duration`. Dates after the last one count as the last one.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = self.nanos + duration.subsec_nanos();
        let carry = i64::from(nanos / 1_000_000_000);
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self { seconds: self.seconds.saturating_add(seconds).saturating_add(carry), nanos: nanos % 1_000_000_000 }
    }

    /// Returns the time since `earlier`, or zero when `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let nanos = |date: Self| i128::from(date.seconds) * 1_000_000_000 + i128::from(date.nanos);
        let since = u128::try_from(nanos(self) - nanos(earlier)).unwrap_or_default();
        let seconds = u64::try_from(since / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, u32::try_from(since % 1_000_000_000).unwrap_or_default())
    }

    /// Reads the JSON text of a number. Returns `None` for other values and for numbers outside 64 bits.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        if let Ok(seconds) = serde_json::from_str::<i64>(json) {
            return Some(Self { seconds, nanos: 0 });
        }
        let value: f64 = serde_json::from_str(json).ok()?;
        let whole = value.floor();
        // Both bounds are exact as f64, and NaN and infinities fail the comparison.
        if !(-9.0e18..=9.0e18).contains(&whole) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range by the check above")]
        Some(Self::from_unix(whole as i64, ((value - whole) * 1e9) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_fractions_and_exponents_are_dates() {
        for (json, seconds, nanos) in [
            ("0", 0, 0),
            ("1300819380", 1_300_819_380, 0),
            ("4294967296", 4_294_967_296, 0),
            ("9223372036854775807", i64::MAX, 0),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
            ("1.25", 1, 250_000_000),
            ("1.3e9", 1_300_000_000, 0),
        ] {
            let date = NumericDate::parse(json).unwrap();
            assert_eq!((date.seconds(), date.subsec_nanos()), (seconds, nanos), "{json}");
        }
    }

    #[test]
    fn numbers_outside_64_bits_are_not_dates() {
        for json in ["9223372036854775808", "1e19", "-1e19", "1e308", "1e999", "\"1\"", "null", "true", "[]", "", "NaN"]
        {
            assert_eq!(NumericDate::parse(json), None, "{json}");
        }
    }

    #[test]
    fn time_between_dates_is_never_negative() {
        let date = NumericDate::from_unix;
        assert_eq!(date(7, 0).saturating_since(date(5, 500_000_000)), Duration::from_millis(1_500));
        assert_eq!(date(5, 0).saturating_since(date(7, 0)), Duration::ZERO);
        assert_eq!(date(i64::MAX, 0).saturating_since(date(i64::MIN, 0)), Duration::from_secs(u64::MAX));
    }

    #[test]
    fn adding_never_overflows() {
        let late = NumericDate::from_unix(i64::MAX, 999_999_999);
        assert_eq!(late.saturating_add(Duration::MAX).seconds(), i64::MAX);
        let half = Duration::from_millis(500);
        assert_eq!(NumericDate::from_unix(1, 600_000_000).saturating_add(half), NumericDate::from_unix(2, 100_000_000));
    }
}
