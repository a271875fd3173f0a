//! What a gate tells the service about its decisions, for metrics and audit logs.

use std::fmt;
use std::sync::Arc;

use crate::catch_panic::catch_panic_in;
use crate::credential::RequestView;
use crate::error::AuthError;
use crate::gate::{Denied, Gate};
use crate::verifier::Verified;

/// What a gate decided about a request, as the functions of [`Gate::with_observer`] see it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// The decision.
    pub outcome: Outcome<'a>,
    /// The request; `None` for a token that no HTTP request presents, and for refusals of [`Gate::refuse`] and
    /// [`Gate::authorize`].
    pub request: Option<&'a dyn RequestView>,
}

/// A decision of a gate.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The caller is let in.
    Accepted(&'a Verified),
    /// The request has no credential, and may go on without one.
    Anonymous,
    /// The request is refused.
    Refused(&'a AuthError),
}

/// A function of [`Gate::with_observer`].
#[derive(Clone)]
pub(super) struct Observer(pub(super) Arc<Observe>);

type Observe = dyn Fn(&Observed<'_>) + Send + Sync;

impl Gate {
    /// Tells the observers that a request may go on, with its caller if it has one, and counts it. An error means that an
    /// observer panicked: then the request is refused, and counted as that.
    pub(super) fn pass(&self, caller: Option<&Verified>, request: Option<&dyn RequestView>) -> Result<(), Denied> {
        self.observe(caller.map_or(Outcome::Anonymous, Outcome::Accepted), request)?;
        // The issuer is read only to be counted.
        if !cfg!(feature = "metrics") {
            return Ok(());
        }
        match caller {
            Some(caller) => self.0.metrics.accepted(caller.scheme(), caller.issuer()),
            None => self.0.metrics.anonymous(),
        }
        Ok(())
    }

    /// Tells the observers. An error means that one of them panicked.
    pub(super) fn observe(&self, outcome: Outcome<'_>, request: Option<&dyn RequestView>) -> Result<(), Denied> {
        if self.0.observers.is_empty() {
            return Ok(());
        }
        let told = catch_panic_in(|| {
            self.0.observers.iter().for_each(|Observer(observe)| observe(&Observed { outcome, request }));
        });
        told.map_err(|_| Denied::panicked("the code that observes decisions panicked"))
    }
}

impl fmt::Debug for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
