//! Responses, within limits of size, and why a request failed.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

/// The longest part of a redirect's target that is shown in an error, in characters.
const MAX_SHOWN_LOCATION_CHARS: usize = 200;

/// Why a request failed. Its text contains nothing of a response except the target of a redirect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestFailure {
    #[error("the request failed: {0}")]
    Http(String),
    #[error("status {status} instead of 200{}", advice(*status, .location.as_deref()))]
    Status { status: u16, location: Option<String>, retry_after: Option<Duration> },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the file with the bearer token cannot be used: {0}")]
    TokenFile(std::io::Error),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
}

impl RequestFailure {
    /// When another attempt makes sense, if the response says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Reads the whole body of a response with status 200, before any of it is parsed.
pub(crate) async fn read_body(
    mut response: Response,
    max_body_bytes: usize,
) -> Result<(HeaderMap, Vec<u8>), RequestFailure> {
    if response.status() != StatusCode::OK {
        let retry_after = retry_after(response.headers());
        let location = response.headers().get(LOCATION).and_then(|location| shown_location(response.url(), location));
        return Err(RequestFailure::Status { status: response.status().as_u16(), location, retry_after });
    }
    let too_large = RequestFailure::TooLarge(max_body_bytes);
    if response.content_length().is_some_and(|length| length > max_body_bytes as u64) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http_error)? {
        if body.len() + chunk.len() > max_body_bytes {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.headers().clone(), body))
}

/// Returns the `Retry-After` (RFC 9110 §10.2.3): seconds, or a date relative to the response's own `Date`. `None` means
/// that it is missing or can't be read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get(DATE)?.to_str().ok().and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// Removes the query, which may contain a credential, so that the URL can be shown.
pub(crate) fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

/// Formats the error without URLs, because they may contain credentials.
pub(crate) fn http_error(error: reqwest::Error) -> RequestFailure {
    RequestFailure::Http(full_text(&error.without_url()))
}

/// Formats an error with all its sources, because its own text is often only "error sending request".
pub(crate) fn full_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// What to do about a status, in the words of the error.
fn advice(status: u16, location: Option<&str>) -> String {
    match (status, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            format!(": a redirect to {location}, which is not followed; configure the final URL")
        }
        (301 | 302 | 303 | 307 | 308, None) => ": a redirect without a readable Location".to_owned(),
        (401 | 403, _) => {
            ": it needs a credential; the option header sends one to hosts that the configuration names".to_owned()
        }
        (404 | 410, _) => ": there is nothing at this URL".to_owned(),
        (406, _) => ": it has no format that the request accepts; set the field accept by the option header".to_owned(),
        (407, _) => ": the proxy needs a credential; write it in the URL of the proxy".to_owned(),
        (429, _) => ": there were too many requests".to_owned(),
        _ => String::new(),
    }
}

/// Returns the absolute URL of a `Location`, without what may be a credential, and not too long.
fn shown_location(base: &Url, location: &HeaderValue) -> Option<String> {
    let mut url = without_query(&base.join(location.to_str().ok()?).ok()?);
    url.set_fragment(None);
    let _without_user = url.set_username("").and_then(|()| url.set_password(None));
    Some(String::from(url).chars().take(MAX_SHOWN_LOCATION_CHARS).collect())
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
