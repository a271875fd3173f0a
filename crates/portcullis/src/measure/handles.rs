//! Handles of metrics, which are kept so that a request does not look them up.
//!
//! A handle belongs to one recorder. A service may install its recorder after the gate is made, so handles are registered when
//! they are used first, and again when the recorder has changed.

#[cfg(feature = "metrics")]
pub(crate) use kept::{Family, Stopwatch};
#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::{Family, Stopwatch};

#[cfg(feature = "metrics")]
use ::metrics as kinds;
#[cfg(not(feature = "metrics"))]
use nothing as kinds;

/// A counter for each combination of labels.
pub(crate) type Counters<S> = Family<kinds::Counter, S>;
/// A gauge.
pub(crate) type Gauge = Family<kinds::Gauge, ()>;
/// A histogram of durations for each combination of labels.
pub(crate) type Histograms<S> = Family<kinds::Histogram, S>;

#[cfg(feature = "metrics")]
mod kept {
    use std::fmt;
    use std::marker::PhantomData;
    use std::ptr::from_ref;
    use std::sync::{Arc, OnceLock};
    use std::time::{Duration, Instant};

    use ::metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, with_recorder};
    use arc_swap::ArcSwapOption;

    use crate::catch_panic::catch_panic_in;
    use crate::measure::labels::Slot;
    use crate::measure::table::Metric;

    static METADATA: Metadata<'static> = Metadata::new("portcullis", Level::INFO, Some("portcullis"));

    /// The handles of one metric: one for each combination of closed labels. All have the same configured labels.
    pub(crate) struct Family<H, S> {
        metric: &'static Metric,
        configured: Vec<(&'static str, String)>,
        current: ArcSwapOption<OfRecorder<H>>,
        slots: PhantomData<fn(S)>,
    }

    /// The handles of one recorder.
    struct OfRecorder<H> {
        /// The address of the recorder.
        recorder: usize,
        handles: Box<[OnceLock<H>]>,
    }

    pub(crate) trait Handle {
        fn register(recorder: &dyn Recorder, key: &Key) -> Self;
    }

    impl<H: Handle, S: Slot> Family<H, S> {
        pub(crate) fn new(metric: &'static Metric) -> Self {
            Self { metric, configured: Vec::new(), current: ArcSwapOption::empty(), slots: PhantomData }
        }

        /// With a label whose value is from the configuration.
        pub(crate) fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
            self.configured.push((label, value.into()));
            self
        }

        /// Runs `record` with a handle of the current recorder. A recorder is foreign code, so its panic is caught.
        fn use_handle(&self, slot: S, record: impl FnOnce(&H)) {
            let used = catch_panic_in(|| {
                with_recorder(|recorder| {
                    let address = from_ref(recorder).cast::<()>().addr();
                    let current = self.current.load();
                    match &*current {
                        Some(known) if known.recorder == address => {
                            self.record_with(known, slot, recorder, record);
                        }
                        _ => {
                            let handles = std::iter::repeat_with(OnceLock::new).take(S::COUNT).collect();
                            let new = Arc::new(OfRecorder { recorder: address, handles });
                            self.current.store(Some(Arc::clone(&new)));
                            self.record_with(&new, slot, recorder, record);
                        }
                    }
                });
            });
            if used.is_err() {
                tracing::error!(metric = self.metric.name, "the recorder of metrics panicked");
            }
        }

        fn record_with(&self, known: &OfRecorder<H>, slot: S, recorder: &dyn Recorder, record: impl FnOnce(&H)) {
            if let Some(handle) = known.handles.get(slot.index()) {
                record(handle.get_or_init(|| {
                    // The exporter writes the unit into the name, so the name must not depend on a call of the service.
                    self.metric.describe(recorder);
                    H::register(recorder, &self.key(slot))
                }));
            }
        }

        #[cold]
        fn key(&self, slot: S) -> Key {
            let closed = slot.labels().into_iter().map(|(label, value)| Label::from_static_parts(label, value));
            let configured = self.configured.iter().map(|(label, value)| Label::new(*label, value.clone()));
            Key::from_parts(self.metric.name, closed.chain(configured).collect::<Vec<_>>())
        }
    }

    impl<S: Slot> Family<Counter, S> {
        pub(crate) fn increment(&self, slot: S) {
            self.use_handle(slot, |counter| counter.increment(1));
        }
    }

    impl Family<Gauge, ()> {
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
        pub(crate) fn set(&self, value: usize) {
            self.use_handle((), |gauge| gauge.set(value as f64));
        }

        #[cfg(feature = "remote")]
        pub(crate) fn set_duration(&self, value: Duration) {
            self.use_handle((), |gauge| gauge.set(value.as_secs_f64()));
        }
    }

    impl<S: Slot> Family<Histogram, S> {
        pub(crate) fn record(&self, slot: S, duration: Duration) {
            self.use_handle(slot, |histogram| histogram.record(duration.as_secs_f64()));
        }
    }

    impl Handle for Counter {
        fn register(recorder: &dyn Recorder, key: &Key) -> Self {
            recorder.register_counter(key, &METADATA)
        }
    }

    impl Handle for Gauge {
        fn register(recorder: &dyn Recorder, key: &Key) -> Self {
            recorder.register_gauge(key, &METADATA)
        }
    }

    impl Handle for Histogram {
        fn register(recorder: &dyn Recorder, key: &Key) -> Self {
            recorder.register_histogram(key, &METADATA)
        }
    }

    /// Measures how long something takes.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Stopwatch(Instant);

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }

        pub(crate) fn elapsed(self) -> Duration {
            self.0.elapsed()
        }
    }

    impl<H, S> fmt::Debug for Family<H, S> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Family").field("metric", &self.metric.name).finish_non_exhaustive()
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod nothing {
    use std::fmt;
    use std::marker::PhantomData;
    use std::time::Duration;

    use crate::measure::labels::Slot;
    use crate::measure::table::Metric;

    pub(crate) enum Counter {}
    pub(crate) enum Gauge {}
    pub(crate) enum Histogram {}

    /// Counts nothing.
    pub(crate) struct Family<H, S>(PhantomData<fn(H, S)>);

    impl<H, S: Slot> Family<H, S> {
        pub(crate) fn new(_: &'static Metric) -> Self {
            Self(PhantomData)
        }

        pub(crate) fn with(self, _: &'static str, _: impl Into<String>) -> Self {
            self
        }
    }

    impl<S: Slot> Family<Counter, S> {
        pub(crate) fn increment(&self, _: S) {}
    }

    impl Family<Gauge, ()> {
        pub(crate) fn set(&self, _: usize) {}

        pub(crate) fn set_duration(&self, _: Duration) {}
    }

    impl<S: Slot> Family<Histogram, S> {
        pub(crate) fn record(&self, _: S, _: Duration) {}
    }

    /// Measures nothing.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Stopwatch;

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn elapsed(self) -> Duration {
            Duration::ZERO
        }
    }

    impl<H, S> fmt::Debug for Family<H, S> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Family")
        }
    }
}

#[cfg(test)]
#[cfg(feature = "metrics")]
mod tests {
    use std::sync::{Arc, Mutex};

    use ::metrics::{
        Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
    };

    use super::Counters;
    use crate::measure::labels::{Label, TokenCacheOutcome};
    use crate::measure::table;

    /// Counts registrations and increments. One that panics does so in each registration.
    #[derive(Default)]
    struct Counting {
        panics: bool,
        registered: Mutex<Vec<String>>,
        counted: Arc<Mutex<u64>>,
    }

    struct Handle(Arc<Mutex<u64>>);

    impl CounterFn for Handle {
        fn increment(&self, value: u64) {
            *self.0.lock().unwrap() += value;
        }

        fn absolute(&self, _: u64) {}
    }

    impl Recorder for Counting {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            assert!(!self.panics, "an error in the recorder");
            self.registered.lock().unwrap().push(key.to_string());
            Counter::from_arc(Arc::new(Handle(Arc::clone(&self.counted))))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn handles_are_registered_once_for_each_recorder() {
        let counters = Counters::new(&table::TOKEN_CACHE).with("host", "a.example");
        // Without a recorder, nothing is counted.
        counters.increment((TokenCacheOutcome::Hit,));
        let recorders = [Counting::default(), Counting::default()];
        for recorder in &recorders {
            with_local_recorder(recorder, || {
                (0..3).for_each(|_| counters.increment((TokenCacheOutcome::Hit,)));
                counters.increment((TokenCacheOutcome::Miss,));
            });
        }
        for recorder in recorders {
            assert_eq!(*recorder.counted.lock().unwrap(), 4);
            let registered = recorder.registered.lock().unwrap();
            let key = |outcome| format!("Key(portcullis.token_cache, [outcome = {outcome}, host = a.example])");
            assert_eq!(*registered, TokenCacheOutcome::VALUES.iter().map(key).collect::<Vec<_>>());
        }
    }

    #[test]
    fn panic_of_a_recorder_is_caught() {
        let counters = Counters::new(&table::TOKEN_CACHE);
        let recorder = Counting { panics: true, ..Counting::default() };
        with_local_recorder(&recorder, || counters.increment((TokenCacheOutcome::Hit,)));
    }
}
