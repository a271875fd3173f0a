//! The requests of one fetch, for diagnosis.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::header::DATE;
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
        let date = response.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
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
