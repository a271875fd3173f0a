//! Metrics, through the facade of the crate [metrics](https://docs.rs/metrics): what gates, verifiers and keys count.
//!
//! Names, labels and their values are a contract: [`_docs::metrics`](crate::_docs::metrics). Nothing has to be switched on but this
//! feature. The service installs a recorder, for example the one of `metrics-exporter-prometheus`, before or after it makes its
//! gate. What happens without a recorder is not counted.
//!
//! ```
//! // After the recorder was installed.
//! portcullis::metrics::describe();
//! ```

use ::metrics::with_recorder;

use crate::measure::table;

/// Buckets for the histograms of durations, in seconds: a verification takes microseconds, a fetch of keys up to seconds. An
/// exporter has other buckets or none, so the service passes these to it.
pub const DURATION_BUCKETS: [f64; 12] =
    [0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0];

/// Tells the current recorder the unit and the description of each metric of this crate, so that it knows them before they have a
/// value. Call it once, after the recorder was installed. Without it, the recorder is told when a metric has its first value.
pub fn describe() {
    with_recorder(|recorder| {
        for metric in table::ALL {
            metric.describe(recorder);
        }
    });
}
