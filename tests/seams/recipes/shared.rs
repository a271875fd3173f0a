//! Recipes that are the same on every framework: they change the gate.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use portcullis::adapter::Outcome;
use portcullis::error::Unavailable;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::{AuthError, Gate, TokenSource, Verified, async_trait};

pub(crate) fn with_request_ids(gate: Gate) -> Gate {
    gate.with_refusals(|refused, refusal| {
        // A client can send any value, so it is checked before it is sent back.
        let is_plain = |id: &&str| {
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let id = refused.header("x-request-id").filter(is_plain).unwrap_or("none");
        refusal.body = format!(r#"{{"error":"{}","request_id":"{id}"}}"#, refused.code());
    })
}

/// The users who may not go on, although their tokens are still valid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspended(Arc<RwLock<HashSet<String>>>);

#[async_trait]
impl SessionCheck for Suspended {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        // Ask your database here, with a time limit. An `Unavailable` is a 503, and the caller is not let in.
        let suspended = self.0.read().map_err(|_| Unavailable::new())?;
        let subject = caller.subject().unwrap_or_default();
        if suspended.contains(subject) { Err(SessionError::Revoked) } else { Ok(()) }
    }
}

impl Suspended {
    pub(crate) fn suspend(&self, subject: &str) {
        self.0.write().unwrap().insert(subject.to_owned());
    }
}

pub(crate) fn with_websockets(gate: Gate) -> Gate {
    gate.with_token_sources([TokenSource::authorization(), TokenSource::websocket_protocol()])
}

/// Serves a connection until `work` ends or the token expires, and for at most ten seconds after a revocation.
pub(crate) async fn while_allowed<T>(
    gate: &Gate,
    caller: &Verified,
    work: impl Future<Output = T>,
) -> Result<T, AuthError> {
    gate.watch(caller).within(Duration::from_secs(10)).run(work).await
}

/// Counts decisions by their label.
#[derive(Clone, Default)]
pub(crate) struct Outcomes(Arc<Mutex<HashMap<String, u64>>>);

impl Outcomes {
    fn add(&self, label: &str) {
        *self.0.lock().unwrap().entry(label.to_owned()).or_default() += 1;
    }

    pub(crate) fn count(&self, label: &str) -> u64 {
        self.0.lock().unwrap().get(label).copied().unwrap_or_default()
    }
}

pub(crate) fn with_metrics(gate: Gate, outcomes: Outcomes) -> Gate {
    gate.with_observer(move |observed| {
        // Labels come from closed lists, and from the codes of a custom verifier. A client cannot make new ones.
        let label = match observed.outcome {
            Outcome::Accepted(_) => "accepted",
            Outcome::Anonymous => "anonymous",
            Outcome::Refused(error) => match error.reason() {
                Some(reason) => reason.as_str(),
                None => error.code(),
            },
        };
        outcomes.add(label);
    })
}
