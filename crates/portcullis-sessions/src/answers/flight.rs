//! Questions that are being asked.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answers::name::Name;

/// The questions that callers wait for.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Name, Arc<Question>>>);

/// A question that callers share.
#[derive(Default)]
pub(super) struct Question {
    /// Held by the caller that asks. If it goes away, the next one asks.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// How often the store could not answer.
    pub(super) failures: AtomicU64,
}

/// One caller's share of a question. The question is forgotten when no caller is left.
pub(super) struct Flight<'a> {
    in_flight: &'a InFlight,
    pub(super) name: Name,
    pub(super) question: Arc<Question>,
}

impl InFlight {
    pub(super) fn join(&self, name: Name) -> Flight<'_> {
        let question = Arc::clone(self.questions().entry(name.clone()).or_default());
        Flight { in_flight: self, name, question }
    }

    /// The number of questions.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.questions().len()
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<Name, Arc<Question>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut questions = self.in_flight.questions();
        // Two references are this one and the one of the map. No other is made without the lock.
        if questions.get(&self.name).is_some_and(|question| Arc::strong_count(question) == 2) {
            questions.remove(&self.name);
        }
    }
}
