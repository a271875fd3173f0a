//! What the services of both frameworks share.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use portcullis::possession::{Dpop, DpopNonces};
use portcullis::tickets::Tickets;
use portcullis::{Gate, ResourceMetadata, TokenSource};
use portcullis_testing::TestIssuer;
use tokio::time::Interval;

use crate::API;

#[derive(Clone)]
pub(super) struct Service {
    pub(super) gate: Gate,
    /// For tokens that are bound to a key.
    pub(super) bound: Gate,
    pub(super) tickets: Tickets,
}

impl Service {
    pub(super) fn new(issuer: &TestIssuer) -> Self {
        let sources = [TokenSource::authorization(), TokenSource::websocket_protocol()];
        let metadata = ResourceMetadata::new(format!("{API}/mcp")).unwrap();
        let dpop = Dpop::required().with_nonces(DpopNonces::generate().unwrap());
        Self {
            gate: issuer.gate().with_token_sources(sources).with_resource_metadata(metadata),
            bound: issuer.gate().with_public_url(API).unwrap().with_dpop(dpop).unwrap(),
            tickets: Tickets::default(),
        }
    }

    /// An event every 20 milliseconds.
    pub(super) fn ticks<T>(&self, event: fn() -> T) -> Ticks<T> {
        Ticks { interval: tokio::time::interval(Duration::from_millis(20)), event }
    }
}

pub(super) struct Ticks<T> {
    interval: Interval,
    event: fn() -> T,
}

impl<T> Stream for Ticks<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(self.interval.poll_tick(context));
        Poll::Ready(Some((self.event)()))
    }
}
