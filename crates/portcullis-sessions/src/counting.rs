//! What is counted. Without the feature `metrics`, counting does nothing, so that call sites need no conditions.

use portcullis::session::SessionError;
use portcullis::{AuthError, Verified};

use crate::error::SessionsError;
use crate::sessions::SignedIn;

/// One metric of this crate. All are counters with the label `outcome`.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

pub(crate) static REFRESH: Metric =
    Metric { name: "portcullis.session.refresh", description: "Refresh tokens that were presented." };
pub(crate) static API_KEY: Metric = Metric { name: "portcullis.api_key", description: "API keys that were presented." };
pub(crate) static DENY_LIST: Metric =
    Metric { name: "portcullis.deny_list", description: "Callers about whom a deny-list was asked." };

/// Counts a refresh token that was presented.
pub(crate) fn presented(result: &Result<SignedIn, SessionsError>) {
    let outcome = match result {
        Ok(signed_in) => signed_in.verdict.as_str(),
        Err(SessionsError::Refused(verdict)) => verdict.as_str(),
        Err(SessionsError::Unavailable(_)) => "unavailable",
        Err(SessionsError::OtherSubject) => "other_subject",
        // The service made an error, and the token was not judged.
        Err(SessionsError::InvalidInput { .. }) => return,
    };
    count(&REFRESH, outcome);
}

/// Counts an API key that was presented.
pub(crate) fn api_key(result: &Result<Verified, AuthError>) {
    let outcome = match result {
        Ok(_) => "accepted",
        // The reasons of API keys are a part of a closed list.
        Err(AuthError::InvalidToken(error)) => error.reason().as_str(),
        Err(AuthError::Unavailable(_)) => "unavailable",
        Err(_) => "error",
    };
    count(&API_KEY, outcome);
}

/// Counts an answer about a caller. `is_deniable` tells whether the token has what an entry could name.
pub(crate) fn deny_list(result: &Result<(), SessionError>, is_deniable: bool) {
    let outcome = match result {
        Ok(()) => "passed",
        Err(SessionError::Unavailable(_)) => "unavailable",
        Err(_) if is_deniable => "denied",
        Err(_) => "not_deniable",
    };
    count(&DENY_LIST, outcome);
}

#[cfg(feature = "metrics")]
fn count(metric: &'static Metric, outcome: &'static str) {
    // Next to a question to a store, finding the counter takes no time.
    metrics::counter!(metric.name, "outcome" => outcome).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count(metric: &'static Metric, _: &'static str) {
    let _ = (metric.name, metric.description);
}
