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
    renewed: bool,
}

impl Admission {
    pub(crate) fn new(gate: &Gate, caller: Verified) -> Self {
        Self { gate: gate.clone(), caller, renewed: false }
    }

    /// The same admission behind a further guard of its gate.
    pub(crate) fn renewed(&self) -> Self {
        Self { renewed: true, ..self.clone() }
    }

    /// The caller if `gate` let it in; the admission of another gate does not count.
    #[must_use]
    pub fn by(&self, gate: &Gate) -> Option<&Verified> {
        self.gate.is_same(gate).then_some(&self.caller)
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
        if self.renewed { &[] } else { self.caller.response_headers() }
    }
}
