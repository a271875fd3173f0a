//! Where an extractor finds its gate.

use std::sync::Arc;

use http::request::Parts;
use portcullis::{Gate, Refusal};

use crate::rejection::Rejection;

/// State that may hold a gate. Implement it for the application's own state:
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
/// It holds for `Arc<AppState>` then too, which axum's `FromRef` can't be made to.
#[diagnostic::on_unimplemented(
    message = "the router's state `{Self}` is not known to hold a gate",
    note = "implement `HasGate` for the state, or use `Gate` itself as the state"
)]
pub trait HasGate {
    /// The gate; `None` leaves it to the request's extensions.
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

/// The innermost layer's gate, else the state's, else the answer 500.
pub(crate) fn find_gate<'a, S: HasGate>(parts: &'a Parts, state: &'a S) -> Result<&'a Gate, Rejection> {
    parts.extensions.get::<Gate>().or_else(|| state.gate()).ok_or_else(|| {
        let problem =
            "no gate in the request's extensions or in the router's state: give the router one, with .with_state(gate)";
        Refusal::misconfigured(problem).into()
    })
}
