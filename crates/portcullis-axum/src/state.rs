//! Where an extractor finds its gate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;
use portcullis::adapter::Admission;
use portcullis::{Gate, Refusal};

use crate::rejection::Rejection;

/// A router state that may hold a gate. To keep the gate in your own state type, implement it:
///
/// ```
/// use portcullis_axum::{Gate, HasGate};
///
/// struct AppState {
///     gate: Gate,
/// }
///
/// impl HasGate for AppState {
///     fn gate(&self) -> Option<&Gate> {
///         Some(&self.gate)
///     }
/// }
/// ```
///
/// `Arc<AppState>` then implements it too. axum's `FromRef` could not do that, because both types belong to other crates.
#[diagnostic::on_unimplemented(
    message = "the router's state `{Self}` is not known to hold a gate",
    note = "implement `HasGate` for the state (`None` if layers have the gate), or use `Gate` itself as the state"
)]
pub trait HasGate {
    /// Returns the gate. `None` means that only the request's extensions can have one.
    fn gate(&self) -> Option<&Gate>;
}

impl HasGate for Gate {
    fn gate(&self) -> Option<&Gate> {
        Some(self)
    }
}

impl HasGate for () {
    fn gate(&self) -> Option<&Gate> {
        None
    }
}

impl<S: HasGate + ?Sized> HasGate for Arc<S> {
    fn gate(&self) -> Option<&Gate> {
        (**self).gate()
    }
}

/// Returns the gate of the innermost layer, or else the gate of the state. Without a gate the answer is 500.
pub(crate) fn find_gate<'a, S: HasGate>(parts: &'a Parts, state: &'a S) -> Result<&'a Gate, Rejection> {
    // A layer that has no caller adds its gate, and one that has a caller removes the gates of layers further out.
    let of_layer = parts.extensions.get::<Gate>().or_else(|| Some(parts.extensions.get::<Admission>()?.gate()));
    if let Some(gate) = of_layer {
        return Ok(gate);
    }
    // A panic would drop the connection, and with it other requests that wait on it.
    let gate = catch_unwind(AssertUnwindSafe(|| state.gate()));
    gate.map_err(|_| Refusal::misconfigured("HasGate::gate panicked"))?.ok_or_else(|| {
        let problem =
            "no gate in the request's extensions or in the router's state: give the router one, with .with_state(gate)";
        Refusal::misconfigured(problem).into()
    })
}
