//! The requests of one fetch, for diagnosis.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::header::{AGE, DATE, HeaderMap};
use reqwest::{Response, Url};

use crate::keys::KeyRequest;
use crate::requests::without_query;

/// Keeps what happens to the requests of one fetch. They are sent one after the other.
#[derive(Debug, Default)]
pub(super) struct Trace(Mutex<Vec<KeyRequest>>);

impl Trace {
    /// Adds a request.
    pub(super) fn sent(&self, document: &'static str, url: &Url) {
        let url = without_query(url).into();
        let request = KeyRequest { document, url, status: None, date: None, answered_at: None, error: None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }

    /// Adds the head of the response to the last request.
    pub(super) fn answered(&self, response: &Response) {
        let date = date_of(response.headers());
        self.change_last(|request| {
            request.status = Some(response.status().as_u16());
            request.date = date;
            request.answered_at = Some(SystemTime::now());
        });
    }

    /// Adds why the last request failed.
    pub(super) fn failed(&self, error: String) {
        self.change_last(|request| request.error = Some(error));
    }

    pub(super) fn into_requests(self) -> Vec<KeyRequest> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_last(&self, change: impl FnOnce(&mut KeyRequest)) {
        if let Some(request) = self.0.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            change(request);
        }
    }
}

/// Returns when the response was made. `None` if a cache answered (RFC 9111 §5.1): the date of what it keeps says nothing about a
/// clock of now.
fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    let is_kept = headers.get(AGE).is_some_and(|age| age.as_bytes() != b"0");
    let date = headers.get(DATE).filter(|_| !is_kept)?;
    httpdate::parse_http_date(date.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_of_a_cached_response_is_left_out() {
        let date = |fields: &[(&'static str, &str)]| {
            let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            date_of(&fields.collect())
        };
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(date(&[now]).is_some() && date(&[now, ("age", "0")]).is_some());
        assert_eq!(
            [date(&[now, ("age", "4000")]), date(&[now, ("age", "x")]), date(&[("date", "x")]), date(&[])],
            [None; 4]
        );
    }
}
