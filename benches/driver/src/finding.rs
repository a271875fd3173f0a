//! The scenarios and their results.

use std::time::Duration;

use crate::load::Tally;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scenario {
    FirstRequests,
    ForgedKeys,
    RefreshHangs,
    RefreshFails,
    Rotation,
    SlowStart,
    Withdrawal,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::FirstRequests,
        Self::ForgedKeys,
        Self::RefreshHangs,
        Self::RefreshFails,
        Self::Rotation,
        Self::SlowStart,
        Self::Withdrawal,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::FirstRequests => "1 first requests",
            Self::ForgedKeys => "2 forged kids",
            Self::RefreshHangs => "3a refresh hangs",
            Self::RefreshFails => "3b refresh fails",
            Self::Rotation => "4 rotation",
            Self::SlowStart => "5 failing start",
            Self::Withdrawal => "6 withdrawn key",
        }
    }
}

/// The result of one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) finding: Result<Finding, String>,
}

#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// The numbers of requests for the metadata and for the keys.
    pub(crate) requests: [usize; 2],
    /// The outcomes of all tokens, with the forged ones.
    pub(crate) tally: Tally,
    /// The time until all callers have an answer, or until the event that the scenario waits for.
    pub(crate) time: Option<Duration>,
    /// The latency of callers with good tokens.
    pub(crate) latency: Option<Latency>,
    /// The broken limits, except those on time.
    pub(crate) broken: Vec<String>,
    /// The broken limits on time. Another process on this machine can cause them.
    pub(crate) late: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Row {
    /// Whether only limits on time are broken.
    pub(crate) fn is_only_late(&self) -> bool {
        self.finding.as_ref().is_ok_and(|finding| finding.broken.is_empty() && !finding.late.is_empty())
    }
}

impl Latency {
    pub(crate) fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let at = |percent: usize| samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { p50: at(50)?, p99: at(99)? })
    }
}

/// Formats a duration with about three digits.
pub(crate) fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        micros if micros < 1e3 => format!("{micros:.0} us"),
        micros if micros < 1e5 => format!("{:.1} ms", micros / 1e3),
        micros if micros < 1e6 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    }
}
