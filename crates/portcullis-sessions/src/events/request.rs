//! Requests with reports, and the answers, the same for every framework.

use std::borrow::Cow;

use portcullis::adapter::{HeaderList, RequestView};
use portcullis::error::Unavailable;
use serde_json::json;

/// The parts of a request that a receiver of reports looks at. With the features `axum` and `actix` it is an extractor, which
/// refuses nothing. `Debug` shows no value.
#[derive(Clone, Debug)]
pub struct EventRequest(HeaderList);

const FIELDS: [&str; 2] = ["authorization", "content-type"];

/// The longest body that is read, in bytes. A token has at most 16,384.
pub(crate) const MAX_BODY_BYTES: usize = 32 * 1024;

/// What a receiver gets instead of a body that is longer.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) static TOO_LONG: [u8; MAX_BODY_BYTES + 1] = [0; MAX_BODY_BYTES + 1];

impl EventRequest {
    /// Copies these parts of `request`.
    pub fn of(request: &dyn RequestView) -> Self {
        let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
        for name in FIELDS {
            request.header(name, &mut |value| fields.push((name, value.to_vec())));
        }
        Self(HeaderList::new(request.method(), fields))
    }
}

impl RequestView for EventRequest {
    fn header<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.header(name, visit);
    }

    fn method(&self) -> Cow<'_, str> {
        self.0.method()
    }
}

/// The answer to a report, the same for every framework. With the features `axum` and `actix`, handlers return it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventResponse {
    /// The status code.
    pub status: u16,
    /// The header fields; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl EventResponse {
    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: vec![no_store()], body: String::new() }
    }

    /// An answer with a JSON object.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![no_store(), ("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    /// The answer while keys or the store are unavailable. The sender tries again.
    pub(super) fn unavailable(status: u16, error: Unavailable) -> Self {
        let error = portcullis::AuthError::from(error);
        let body = json!({"error": error.code(), "error_description": error.description()});
        let mut response = Self::json(status, &body);
        response.headers.insert(0, ("retry-after", "5".to_owned()));
        response
    }
}

fn no_store() -> (&'static str, String) {
    ("cache-control", "no-store".to_owned())
}

/// The only value of a field. `None` if it is absent, appears twice, or cannot be read as text.
pub(super) fn only<'r>(request: &'r dyn RequestView, name: &str) -> Option<&'r str> {
    let (mut first, mut count) = (None, 0);
    request.header(name, &mut |value| {
        first = first.or(Some(value));
        count += 1;
    });
    first.filter(|_| count == 1).and_then(|value| std::str::from_utf8(value).ok())
}

/// Whether the body has this media type, with any parameters.
pub(super) fn has_type(request: &dyn RequestView, expected: &str) -> bool {
    let value = only(request, "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}
