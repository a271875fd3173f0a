//! How long a response stays fresh, by its `Cache-Control` (RFC 9111), within our own bounds.

use std::time::Duration;

use headers::{CacheControl, HeaderMapExt as _};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::keys::remote::settings::Settings;

/// The response's lifetime: `max-age` clamped to the band of the settings. What forbids caching gets the band's lower
/// end, because asking again for every request would take the provider down; what can't be read gets the default.
/// `Age` and `Expires` are not looked at.
pub(super) fn lifetime(headers: &HeaderMap, settings: &Settings) -> Duration {
    let asked = match headers.typed_get::<CacheControl>() {
        Some(control) if control.no_store() || control.no_cache() => Duration::ZERO,
        Some(control) => control.max_age().unwrap_or(settings.lifetime),
        None => settings.lifetime,
    };
    asked.clamp(settings.lifetime_min, settings.lifetime_max)
}

/// `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date that is read against the response's own `Date`; `None`
/// where it can't be read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get(DATE)?.to_str().ok().and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn max_age_is_clamped_to_the_band() {
        let seconds = |control: &str| lifetime(&headers(&[("cache-control", control)]), &Settings::default()).as_secs();
        for (control, expected) in [
            ("max-age=300", 300),
            ("public, max-age=900, must-revalidate", 900),
            ("max-age=15", 60),
            ("max-age=0", 60),
            ("max-age=31536000", 3_600),
            ("max-age=9223372036854775808", 3_600),
            ("no-store", 60),
            ("no-cache, max-age=900", 60),
            ("private", 600),
            ("s-maxage=5", 600),
            // What can't be read is as if it were not there.
            ("max-age=99999999999999999999999", 600),
            ("max-age=abc", 600),
            ("max-age=-1", 600),
            ("max-age=1.5", 600),
            ("", 600),
        ] {
            assert_eq!(seconds(control), expected, "{control:?}");
        }
        assert_eq!(lifetime(&HeaderMap::new(), &Settings::default()).as_secs(), 600);
        let old = headers(&[("cache-control", "max-age=3600"), ("age", "3000"), ("expires", "0")]);
        assert_eq!(lifetime(&old, &Settings::default()).as_secs(), 3_600);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |value: &str| {
            let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
            retry_after(&headers(&[("retry-after", value), date])).map(|delay| delay.as_secs())
        };
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        for unreadable in ["-1", "soon", "", "1.5", "99999999999999999999999"] {
            assert_eq!(seconds(unreadable), None, "{unreadable:?}");
        }
    }
}
