//! Times in settings.

use std::time::Duration;

/// Reads minutes as a plain number, or a number with a unit: `90s`, `15m`, `12h`, `7d`.
pub(super) fn minutes(text: &str) -> Option<Duration> {
    read(text, 60)
}

/// Reads seconds as a plain number, or a number with a unit.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    read(text, 1)
}

fn read(text: &str, seconds_of_plain: u64) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    let with_unit = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = with_unit.unwrap_or((text, seconds_of_plain));
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_and_units_are_read() {
        for (text, expected) in [
            ("15", Some(900)),
            ("0", Some(0)),
            ("90s", Some(90)),
            ("90 s", Some(90)),
            ("15m", Some(900)),
            ("12h", Some(43_200)),
            ("7d", Some(604_800)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5", None),
            ("15 minutes", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(minutes(text), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(seconds("10"), Some(Duration::from_secs(10)));
    }
}
