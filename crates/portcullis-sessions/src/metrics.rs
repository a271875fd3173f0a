//! Metrics, through the facade of the crate [metrics](https://docs.rs/metrics).
//!
//! Names and labels are a contract:
//! [the page about metrics](https://docs.rs/portcullis/latest/portcullis/_docs/metrics/) of `portcullis`.

use ::metrics::{Unit, with_recorder};

use crate::counting::{API_KEY, DENY_LIST, REFRESH};

/// Tells the current recorder the unit and the description of each metric of this crate. Call it once, after the recorder was
/// installed, and `portcullis::metrics::describe` as well.
pub fn describe() {
    with_recorder(|recorder| {
        for metric in [&REFRESH, &API_KEY, &DENY_LIST] {
            recorder.describe_counter(metric.name.into(), Some(Unit::Count), metric.description.into());
        }
    });
}
