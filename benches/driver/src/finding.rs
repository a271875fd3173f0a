//! What there is to find out, and what was found.

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

/// What was seen in one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) finding: Result<Finding, String>,
}

#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// Requests for the metadata and for the keys.
    pub(crate) requests: [usize; 2],
    /// Of all tokens, forged ones among them.
    pub(crate) tally: Tally,
    /// Until all were answered, or until what the scenario waits for.
    pub(crate) time: Option<Duration>,
    /// Of valid callers.
    pub(crate) latency: Option<Latency>,
    /// Limits that were broken, the ones on time apart: another process can break those.
    pub(crate) broken: Vec<String>,
    pub(crate) late: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Row {
    /// Whether all limits hold; one that does not apply holds.
    pub(crate) fn holds(&self) -> bool {
        self.finding.as_ref().map_or(true, |finding| finding.broken.is_empty() && finding.late.is_empty())
    }

    /// Whether nothing but limits on time are broken.
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

/// Three digits are enough.
pub(crate) fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        micros if micros < 1e3 => format!("{micros:.0} us"),
        micros if micros < 1e5 => format!("{:.1} ms", micros / 1e3),
        micros if micros < 1e6 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    }
}
