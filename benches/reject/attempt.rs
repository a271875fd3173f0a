//! A request that a gate refuses.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use portcullis::adapter::HeaderList;
use portcullis::{Gate, Policy};

/// A request that a gate refuses.
pub(crate) struct Attempt {
    pub(crate) gate: Gate,
    pub(crate) request: HeaderList,
    pub(crate) policy: Policy,
}

impl Attempt {
    pub(crate) fn bearer(gate: &Gate, token: &str) -> Self {
        Self::new(gate, [("authorization", format!("Bearer {token}"))])
    }

    pub(crate) fn new<const N: usize>(gate: &Gate, fields: [(&str, String); N]) -> Self {
        Self { gate: gate.clone(), request: HeaderList::new("GET", fields), policy: Policy::authenticated() }
    }

    /// Polls once: a refusal without a signature check never waits. One that waits counts as passed.
    pub(crate) fn passes(&self) -> bool {
        let admission = pin!(self.gate.admit(&self.request, &self.policy));
        match admission.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(admitted)) => {
                black_box(admitted);
                true
            }
            Poll::Ready(Err(denied)) => {
                black_box(denied);
                false
            }
            Poll::Pending => true,
        }
    }
}
