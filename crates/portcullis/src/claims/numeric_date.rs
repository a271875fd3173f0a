//! Dates in tokens (RFC 7519 §2, NumericDate).

use std::fmt;
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
    #[inline]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let (seconds, nanos) = (self.seconds.saturating_add(seconds), self.nanos + duration.subsec_nanos());
        match nanos.checked_sub(1_000_000_000) {
            None => Self { seconds, nanos },
            Some(nanos) => Self { seconds: seconds.saturating_add(1), nanos },
        }
    }

    /// Returns the time since `earlier`, or zero when `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let nanos = |date: Self| i128::from(date.seconds) * 1_000_000_000 + i128::from(date.nanos);
        let since = u128::try_from(nanos(self) - nanos(earlier)).unwrap_or_default();
        let seconds = u64::try_from(since / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, u32::try_from(since % 1_000_000_000).unwrap_or_default())
    }

    /// Returns how far the date is from `now`, in one unit: `3 minutes ago`, `in 2 hours`, `now`.
    ///
    /// ```
    /// use portcullis::claims::NumericDate;
    ///
    /// let [then, now] = [1_700_000_000, 1_700_000_200].map(|seconds| NumericDate::from_unix(seconds, 0));
    /// assert_eq!(then.relative_to(now), "3 minutes ago");
    /// assert_eq!(now.relative_to(then), "in 3 minutes");
    /// ```
    #[must_use]
    pub fn relative_to(self, now: Self) -> String {
        const UNITS: [(u64, u64, &str); 4] =
            [(2 * 86_400, 86_400, "day"), (3_600, 3_600, "hour"), (60, 60, "minute"), (1, 1, "second")];
        let seconds = i128::from(now.seconds) - i128::from(self.seconds);
        let distance = u64::try_from(seconds.unsigned_abs()).unwrap_or(u64::MAX);
        let Some((_, unit, name)) = UNITS.into_iter().find(|(least, _, _)| distance >= *least) else {
            return "now".to_owned();
        };
        let count = distance / unit;
        let plural = if count == 1 { "" } else { "s" };
        if seconds > 0 { format!("{count} {name}{plural} ago") } else { format!("in {count} {name}{plural}") }
    }

    /// Reads the JSON text of a number. Returns `None` for other values and for numbers outside 64 bits.
    #[inline]
    pub(crate) fn parse(json: &str) -> Option<Self> {
        match small_integer(json) {
            Some(seconds) => Some(Self { seconds, nanos: 0 }),
            None => Self::parse_any(json),
        }
    }

    #[cold]
    fn parse_any(json: &str) -> Option<Self> {
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

/// Writes the date as RFC 3339 has it, in UTC and whole seconds: `2023-11-14T22:13:20Z`. A date outside the years 0 to 9999 is
/// written in seconds.
impl fmt::Display for NumericDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIRST: i64 = -62_167_219_200;
        const LAST: i64 = 253_402_300_799;
        if !(FIRST..=LAST).contains(&self.seconds) {
            return write!(f, "{} seconds after 1970", self.seconds);
        }
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        // The calendar repeats after 146,097 days. Years that begin in March have the leap day at their end.
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Reads one to eighteen digits without a leading zero, as nearly all dates have. Its callers read three dates, with one copy of
/// its code.
#[inline(never)]
fn small_integer(json: &str) -> Option<i64> {
    let digits = json.as_bytes();
    if digits.len() > 18 || matches!(digits, [] | [b'0', ..]) {
        return None;
    }
    // Without a branch for each digit.
    let (value, has_other) = digits.iter().fold((0, false), |(value, has_other): (i64, bool), digit| {
        let digit = digit.wrapping_sub(b'0');
        (value * 10 + i64::from(digit), has_other | (digit > 9))
    });
    (!has_other).then_some(value)
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
            ("999999999999999999", 999_999_999_999_999_999, 0),
            ("1000000000000000000", 1_000_000_000_000_000_000, 0),
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
        for json in [
            "9223372036854775808",
            "1e19",
            "-1e19",
            "1e308",
            "1e999",
            "\"1\"",
            "null",
            "true",
            "[]",
            "",
            "NaN",
            "01",
            "1_0",
        ] {
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

    #[test]
    fn dates_are_written_as_rfc_3339_has_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (253_402_300_800, "253402300800 seconds after 1970"),
            (i64::MIN, "-9223372036854775808 seconds after 1970"),
        ] {
            assert_eq!(NumericDate::from_unix(seconds, 7).to_string(), expected);
        }
    }

    #[test]
    fn distances_have_one_unit() {
        let words = |date: i64, now: i64| NumericDate::from_unix(date, 0).relative_to(NumericDate::from_unix(now, 0));
        for (seconds, expected) in [
            (1, "1 second ago"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (200, "3 minutes ago"),
            (7_200, "2 hours ago"),
            (172_799, "47 hours ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(words(0, seconds), expected);
        }
        assert_eq!((words(5, 5), words(90, 0)), ("now".to_owned(), "in 1 minute".to_owned()));
        assert_eq!(words(i64::MIN, i64::MAX), "213503982334601 days ago");
    }
}
