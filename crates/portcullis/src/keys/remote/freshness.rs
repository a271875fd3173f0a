//! The lifetime of a response by its `Cache-Control` (RFC 9111), within configured bounds.

use std::time::Duration;

use headers::{CacheControl, HeaderMapExt as _};
use reqwest::header::HeaderMap;

use crate::keys::remote::settings::FetchSettings;

/// Returns the lifetime of a response: its `max-age`, within the configured bounds. A response that forbids caching gets
/// the lower bound, because one fetch per request would overload the issuer. A response without a readable `max-age`
/// gets the default. `Age` and `Expires` are ignored.
pub(super) fn lifetime(headers: &HeaderMap, settings: &FetchSettings) -> Duration {
    let requested = match headers.typed_get::<CacheControl>() {
        Some(control) if control.no_store() || control.no_cache() => Duration::ZERO,
        Some(control) => control.max_age().unwrap_or(settings.lifetime),
        None => settings.lifetime,
    };
    requested.clamp(settings.min_lifetime, settings.max_lifetime)
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
    fn max_age_is_kept_within_bounds() {
        let seconds =
            |control: &str| lifetime(&headers(&[("cache-control", control)]), &FetchSettings::default()).as_secs();
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
            // An unreadable value is ignored.
            ("max-age=99999999999999999999999", 600),
            ("max-age=abc", 600),
            ("max-age=-1", 600),
            ("max-age=1.5", 600),
            ("", 600),
        ] {
            assert_eq!(seconds(control), expected, "{control:?}");
        }
        assert_eq!(lifetime(&HeaderMap::new(), &FetchSettings::default()).as_secs(), 600);
        let old = headers(&[("cache-control", "max-age=3600"), ("age", "3000"), ("expires", "0")]);
        assert_eq!(lifetime(&old, &FetchSettings::default()).as_secs(), 3_600);
    }
}
