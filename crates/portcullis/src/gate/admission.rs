//! A caller that a gate let in.

use crate::gate::Gate;
use crate::verifier::Verified;

/// A caller that a gate let in. It is kept with the request, so that an extractor behind a guard does not verify again.
///
/// The adapters' guards put it among the request's extensions. Your own middleware behind them can read it there, for
/// example to log who calls what.
#[derive(Clone, Debug)]
pub struct Admission {
    gate: Gate,
    caller: Verified,
    /// The number of guards of the gate that the request has passed.
    guards: u32,
}

impl Admission {
    pub(crate) fn new(gate: &Gate, caller: Verified) -> Self {
        Self { gate: gate.clone(), caller, guards: 0 }
    }

    /// What an adapter's extractor keeps with the request, among its extensions, for other extractors of the request. A DPoP
    /// proof or a ticket serves one request, but only once ([`Gate::with_dpop`], `Gate::with_tickets`).
    ///
    /// `caller` is what [`Gate::extract`] returned for the request and `known`. `None` means that there is nothing to keep:
    /// `known` is the admission of this gate, or nothing of the request serves only once.
    #[must_use]
    pub fn to_keep(gate: &Gate, caller: &Verified, known: Option<&Self>) -> Option<Self> {
        let is_known = known.is_some_and(|known| known.by(gate).is_some());
        (!is_known && gate.admits_once(caller)).then(|| Self::new(gate, caller.clone()))
    }

    /// The same admission behind a guard of its gate.
    pub(crate) fn behind_guard(self) -> Self {
        Self { guards: self.guards.saturating_add(1), ..self }
    }

    /// The caller if `gate` let it in; the admission of another gate does not count.
    #[must_use]
    pub fn by(&self, gate: &Gate) -> Option<&Verified> {
        self.gate.is_same(gate).then_some(&self.caller)
    }

    /// The gate that let the caller in.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Verified {
        &self.caller
    }

    /// The header fields that this guard adds to the response ([`Verified::response_headers`]). Empty if a guard of the same
    /// gate further out adds them already.
    #[must_use]
    pub fn response_headers(&self) -> &[(String, String)] {
        if self.guards > 1 { &[] } else { self.caller.response_headers() }
    }
}
