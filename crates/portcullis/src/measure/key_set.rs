//! What a set of fetched keys counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::measure::handles::{Counters, Gauge, Histograms};
use crate::measure::labels::{Document, FetchOutcome};
use crate::measure::table;

/// The metrics of one set of fetched keys.
#[derive(Debug)]
pub(crate) struct KeySetMetrics {
    fetches: Counters<(FetchOutcome, Document)>,
    durations: Histograms<(FetchOutcome,)>,
    held: Gauge,
    age: Gauge,
    /// The second in which the gauges were set last; 0 means never.
    set_in: AtomicU64,
}

impl KeySetMetrics {
    /// The metrics of keys that the configuration names by a URL on `host`.
    pub(crate) fn new(host: &str) -> Self {
        Self {
            fetches: Counters::new(&table::KEYS_FETCH).with("host", host),
            durations: Histograms::new(&table::KEYS_FETCH_DURATION).with("host", host),
            held: Gauge::new(&table::KEYS_HELD).with("host", host),
            age: Gauge::new(&table::KEYS_AGE).with("host", host),
            set_in: AtomicU64::new(0),
        }
    }

    pub(crate) fn fetched(&self, outcome: FetchOutcome, document: Document, took: Duration) {
        self.fetches.increment((outcome, document));
        self.durations.record((outcome,), took);
    }

    /// Sets the gauges: `held` usable keys that were fetched `age` ago. Without an age, there are no keys yet.
    pub(crate) fn set(&self, held: usize, age: Option<Duration>) {
        self.held.set(held);
        if let Some(age) = age {
            self.age.set_duration(age);
        }
    }

    /// Sets the gauges, at most once a second, because each verification calls it. `now` is a time of the monotonic clock.
    pub(crate) fn used(&self, now: Duration, held: usize, age: Option<Duration>) {
        let second = now.as_secs().saturating_add(1);
        if self.set_in.load(Ordering::Relaxed) != second {
            self.set_in.store(second, Ordering::Relaxed);
            self.set(held, age);
        }
    }
}
