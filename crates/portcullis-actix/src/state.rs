//! Where an extractor finds its gate.

use actix_web::{HttpMessage, HttpRequest, web};
use portcullis::adapter::Admission;
use portcullis::{Gate, Refusal};

use crate::rejection::Rejection;

/// Returns the gate of the innermost middleware, or else the gate in `app_data`. Without a gate the answer is 500.
pub(crate) fn find_gate(request: &HttpRequest) -> Result<Gate, Rejection> {
    // A middleware that has no caller adds its gate, and one that has a caller removes the gates of those further out.
    let extensions = request.extensions();
    if let Some(gate) = extensions.get::<Gate>().or_else(|| Some(extensions.get::<Admission>()?.gate())) {
        return Ok(gate.clone());
    }
    drop(extensions);
    let shared = request.app_data::<web::Data<Gate>>().map(|gate| gate.get_ref());
    match (request.app_data::<Gate>(), shared) {
        // Actix finds the innermost value of each type, but does not say which of the two is the inner one.
        (Some(gate), Some(shared)) if !gate.is_same(shared) => {
            Err(misconfigured("app_data holds a Gate and another web::Data<Gate>: keep to one of the two types"))
        }
        (Some(gate), _) | (None, Some(gate)) => Ok(gate.clone()),
        (None, None) => Err(misconfigured(
            "no Gate and no web::Data<Gate> in app_data: give the App one, with .app_data(gate.clone())",
        )),
    }
}

/// Returns the caller that a middleware let in.
pub(crate) fn find_admission(request: &HttpRequest) -> Option<Admission> {
    request.extensions().get::<Admission>().cloned()
}

/// Keeps the caller for other extractors of the request.
pub(crate) fn keep(request: &HttpRequest, admission: Option<Admission>) {
    if let Some(admission) = admission {
        request.extensions_mut().insert(admission);
    }
}

fn misconfigured(problem: &'static str) -> Rejection {
    Refusal::misconfigured(problem).into()
}
