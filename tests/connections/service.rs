//! What the services of both frameworks share.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use portcullis::error::Unavailable;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::tickets::Tickets;
use portcullis::websocket::FirstMessage;
use portcullis::{Gate, TokenSource, Verified, Watch, async_trait};
use tokio::time::Interval;

/// How long a connection goes on after a revocation.
pub(crate) const BOUND: Duration = Duration::from_millis(400);

/// How long a connection waits for its first message.
pub(crate) const FIRST_LIMIT: Duration = Duration::from_millis(1_500);
/// The longest later message, in bytes.
pub(crate) const MAX_LATER: usize = 32 * 1024;

#[derive(Clone)]
pub(crate) struct Service {
    gate: Gate,
    tickets: Tickets,
    store: Store,
    open: Arc<AtomicUsize>,
}

impl Service {
    pub(crate) fn new(gate: Gate) -> Self {
        let store = Store::default();
        let sources = [TokenSource::authorization(), TokenSource::websocket_protocol()];
        let gate = gate.with_check(store.clone()).with_token_sources(sources);
        Self { gate, tickets: Tickets::default(), store, open: Arc::default() }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// The gate of the streams.
    pub(crate) fn streams(&self) -> Gate {
        self.gate.clone().with_tickets(&self.tickets)
    }

    pub(crate) fn first_message(&self) -> FirstMessage {
        FirstMessage::new(&self.gate).within(FIRST_LIMIT).max_later_bytes(MAX_LATER)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The number of connections whose handler has not ended.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self, caller: &Verified) -> Watch {
        self.gate.watch(caller).within(BOUND)
    }

    /// Counts a connection until the value is dropped.
    pub(crate) fn begin(&self) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(Arc::clone(&self.open))
    }

    /// An event every 20 milliseconds.
    pub(crate) fn ticks<T>(&self, event: fn() -> T) -> Ticks<T> {
        Ticks { interval: tokio::time::interval(Duration::from_millis(20)), event, _open: self.begin() }
    }
}

pub(crate) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Ticks<T> {
    interval: Interval,
    event: fn() -> T,
    _open: Open,
}

impl<T> Stream for Ticks<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(self.interval.poll_tick(context));
        Poll::Ready(Some((self.event)()))
    }
}

/// The users who are logged out, for all instances of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    revoked: Arc<Mutex<HashSet<String>>>,
    fails: Arc<AtomicBool>,
    questions: Arc<AtomicUsize>,
}

impl Store {
    pub(crate) fn revoke(&self, subject: &str) {
        self.revoked.lock().unwrap().insert(subject.to_owned());
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SessionCheck for Store {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(Unavailable::new().into());
        }
        let is_revoked = self.revoked.lock().unwrap().contains(caller.subject().unwrap_or_default());
        if is_revoked { Err(SessionError::Revoked) } else { Ok(()) }
    }
}
