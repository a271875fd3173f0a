//! What a receiver has seen, for monitoring.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis::claims::NumericDate;

use super::set::EventEffect;
use crate::timestamp::Timestamp;

/// What a receiver of events has seen in this process. A stream that has silently stopped shows in
/// [`last_verification`](Self::last_verification): ask the transmitter for verification events at regular times.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventStatus {
    /// The number of events that denied tokens.
    pub denied: u64,
    /// The number of events whose subject is unknown. They had no effect.
    pub unknown_subjects: u64,
    /// The number of events of another type than the receiver understands. They had no effect.
    pub unknown_events: u64,
    /// The number of events that were received before.
    pub repeated: u64,
    /// The number of tokens that were refused.
    pub refused: u64,
    /// When the last event was received.
    pub last_event_at: Option<NumericDate>,
    /// The last verification event.
    pub last_verification: Option<Verification>,
    /// The last status of the stream that the transmitter reported: `enabled`, `paused` or `disabled`.
    pub stream_status: Option<String>,
}

/// A verification event (Shared Signals Framework 1.0 §8.1.4): the transmitter shows that the stream works.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// When it was received.
    pub at: NumericDate,
    /// What the service gave to the transmitter when it asked for the event.
    pub state: Option<String>,
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("at", &self.at).finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(super) struct Status(Mutex<EventStatus>);

impl Status {
    pub(super) fn get(&self) -> EventStatus {
        self.lock().clone()
    }

    pub(super) fn refused(&self) {
        self.lock().refused += 1;
    }

    pub(super) fn record(&self, effect: &EventEffect, now: Timestamp) {
        let mut status = self.lock();
        status.last_event_at = Some(now.to_date());
        match effect {
            EventEffect::Denied => status.denied += 1,
            EventEffect::UnknownSubject => status.unknown_subjects += 1,
            EventEffect::UnknownEvent => status.unknown_events += 1,
            EventEffect::Repeated => status.repeated += 1,
            EventEffect::Verified { state } => {
                status.last_verification = Some(Verification { at: now.to_date(), state: state.clone() });
            }
            EventEffect::StreamUpdated { status: stream } => status.stream_status.clone_from(stream),
        }
    }

    fn lock(&self) -> MutexGuard<'_, EventStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
