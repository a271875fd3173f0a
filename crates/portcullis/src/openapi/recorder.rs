//! Which guards a request passes, for the comparison of a document with them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::gate::Gate;
use crate::guard::Guard;
use crate::policy::Policy;
use crate::verifier::Verified;

/// The guards and extractors that the requests passed, at a gate of
/// [`dangerous::admit_everyone_and_record`](crate::dangerous::admit_everyone_and_record).
#[derive(Clone)]
pub struct GuardRecorder {
    caller: Arc<Verified>,
    guards: Arc<Mutex<Vec<Guard>>>,
}

impl GuardRecorder {
    pub(crate) fn new(caller: Verified) -> Self {
        Self { caller: Arc::new(caller), guards: Arc::default() }
    }

    /// Returns the guards since the last call, the outermost first. An extractor counts as the guard that it would be.
    #[must_use]
    pub fn take(&self) -> Vec<Guard> {
        std::mem::take(&mut *self.guards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn record(&self, gate: &Gate, policy: &Policy, is_optional: bool) -> Verified {
        let guard = Guard::new(gate.clone()).require(policy.clone());
        let guard = if is_optional { guard.optional() } else { guard };
        self.guards.lock().unwrap_or_else(PoisonError::into_inner).push(guard);
        Verified::clone(&self.caller)
    }
}

impl fmt::Debug for GuardRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The guards have the gate, which has this recorder.
        f.write_str("GuardRecorder { .. }")
    }
}
