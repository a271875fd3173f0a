//! The lifetime of a response by its `Cache-Control` (RFC 9111), within configured bounds.

use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, HeaderMap};

use crate::keys::remote::settings::FetchSettings;

/// Returns the lifetime of a response: its `max-age`, within the configured bounds. A response that forbids caching gets
/// the lower bound, because one fetch per request would overload the issuer. A response without a readable `max-age`
/// gets the default. `Age` and `Expires` are ignored.
pub(super) fn lifetime(headers: &HeaderMap, settings: &FetchSettings) -> Duration {
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for directive in outside_quotes(value) {
            match Directive::parse(directive) {
                Directive::NoStore => return settings.min_lifetime,
                Directive::MaxAge(age) => max_age = Some(age),
                Directive::Other => {}
            }
        }
    }
    max_age.unwrap_or(settings.lifetime).clamp(settings.min_lifetime, settings.max_lifetime)
}

enum Directive {
    /// `no-store`, or `no-cache` for the whole response.
    NoStore,
    /// The last one counts.
    MaxAge(Duration),
    Other,
}

impl Directive {
    fn parse(text: &str) -> Self {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let is = |expected: &str| name.trim().eq_ignore_ascii_case(expected);
        match value {
            None if is("no-store") || is("no-cache") => Self::NoStore,
            Some(seconds) if is("max-age") => {
                let seconds = seconds.trim().trim_matches('"');
                let is_number = seconds.bytes().all(|byte| byte.is_ascii_digit());
                let seconds = if is_number { seconds.parse().ok() } else { None };
                seconds.map_or(Self::Other, |seconds| Self::MaxAge(Duration::from_secs(seconds)))
            }
            _ => Self::Other,
        }
    }
}

/// Splits a field at its commas, except those in quoted strings.
fn outside_quotes(field: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    field.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
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
            ("Max-Age=900", 900),
            ("max-age = \"900\"", 900),
            ("max-age=900, max-age=1200", 1_200),
            ("max-age=900, NO-STORE", 60),
            ("max-age=+900", 600),
            ("max-age=", 600),
            ("max-age", 600),
            // A field that the client must not cache, and a quoted text.
            ("no-cache=\"set-cookie\", max-age=900", 900),
            ("extension=\"a, no-store, max-age=700\", max-age=900", 900),
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
        let two = headers(&[("cache-control", "public"), ("cache-control", "max-age=900")]);
        assert_eq!(lifetime(&two, &FetchSettings::default()).as_secs(), 900);
        let old = headers(&[("cache-control", "max-age=3600"), ("age", "3000"), ("expires", "0")]);
        assert_eq!(lifetime(&old, &FetchSettings::default()).as_secs(), 3_600);
    }
}
