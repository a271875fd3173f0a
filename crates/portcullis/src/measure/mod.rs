//! What is counted, and the labels under which it is counted.
//!
//! Call sites count always. Without the feature `metrics`, counting does nothing, so that they need no conditions. Each label
//! has a closed list of values, or values of the configuration.

mod gate;
mod handles;
#[cfg(feature = "remote")]
mod key_set;
mod labels;
pub(crate) mod table;
mod verdict;

pub(crate) use gate::{GateMetrics, IssuerLabel};
#[cfg(feature = "remote")]
pub(crate) use handles::Histograms;
pub(crate) use handles::{Counters, Gauge, Stopwatch};
#[cfg(feature = "remote")]
pub(crate) use key_set::KeySetMetrics;
#[cfg(feature = "remote")]
pub(crate) use labels::{Document, FetchOutcome, FromCache, IntrospectionOutcome, QuestionOutcome};
pub(crate) use labels::{InsertOutcome, Label, SchemeLabel, SessionCheckOutcome, TokenCacheOutcome};
pub(crate) use verdict::Verdict;
