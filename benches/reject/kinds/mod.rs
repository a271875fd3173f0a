//! What is sent. None of it makes a verifier check a signature.

mod fields;
mod forms;
mod headers;
mod payloads;

use portcullis::Gate;

use crate::attempt::Attempt;

/// The name of a kind, and what makes an attempt of it: from a gate, the issuers that its tokens may name, and a size in bytes.
pub(crate) type Kind = (&'static str, fn(&Gate, &[String], usize) -> Attempt);

pub(crate) fn all() -> impl Iterator<Item = Kind> {
    [forms::FORMS, headers::HEADERS, payloads::PAYLOADS, fields::FIELDS].concat().into_iter()
}
