//! What a gate counts.

use std::sync::Arc;

use crate::credential::Scheme;
use crate::error::AuthError;
use crate::measure::handles::{Counters, Histograms, Stopwatch};
use crate::measure::labels::{Outcome, SchemeLabel, SessionCheckOutcome};
use crate::measure::table;
use crate::measure::verdict::Verdict;

/// The metrics of a gate. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct GateMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The configured issuers, sorted.
    issuers: Vec<String>,
    /// One for each [`IssuerLabel`].
    verifications: Vec<Counters<(Verdict, SchemeLabel)>>,
    durations: Histograms<(Outcome,)>,
    authorization_refusals: Counters<Verdict>,
    session_checks: Counters<(SessionCheckOutcome,)>,
}

/// The label `issuer`: never text of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct IssuerLabel(usize);

impl IssuerLabel {
    /// No token was verified, or the caller has no issuer.
    const NONE: Self = Self(0);
    /// An issuer that a rule, a directory or a custom verifier accepted.
    const OTHER: Self = Self(1);
    const FIRST_CONFIGURED: usize = 2;
    const VALUES: [&'static str; Self::FIRST_CONFIGURED] = ["none", "other"];
}

impl GateMetrics {
    /// The metrics of a gate that accepts these issuers.
    pub(crate) fn new(mut issuers: Vec<String>) -> Self {
        issuers.sort_unstable();
        issuers.dedup();
        let labels = IssuerLabel::VALUES.into_iter().chain(issuers.iter().map(String::as_str));
        let verifications = labels.map(|issuer| Counters::new(&table::VERIFICATION).with("issuer", issuer)).collect();
        Self(Arc::new(Inner {
            verifications,
            issuers,
            durations: Histograms::new(&table::VERIFICATION_DURATION),
            authorization_refusals: Counters::new(&table::AUTHORIZATION_REFUSAL),
            session_checks: Counters::new(&table::SESSION_CHECK),
        }))
    }

    /// The label for `issuer`, that of a verified caller.
    pub(crate) fn label_of(&self, issuer: Option<&str>) -> IssuerLabel {
        let Some(issuer) = issuer else { return IssuerLabel::NONE };
        match self.0.issuers.binary_search_by(|known| known.as_str().cmp(issuer)) {
            Ok(position) => IssuerLabel(IssuerLabel::FIRST_CONFIGURED + position),
            Err(_) => IssuerLabel::OTHER,
        }
    }

    /// Counts a caller of `issuer`.
    pub(crate) fn accepted(&self, scheme: Scheme, issuer: Option<&str>) {
        self.decided(Verdict::Accepted, Some(scheme), self.label_of(issuer));
    }

    pub(crate) fn anonymous(&self) {
        self.decided(Verdict::Anonymous, None, IssuerLabel::NONE);
    }

    pub(crate) fn refused(&self, error: &AuthError, scheme: Option<Scheme>, issuer: IssuerLabel) {
        self.decided(Verdict::of(error), scheme, issuer);
    }

    /// Counts the refusal of a caller that was let in before.
    pub(crate) fn refused_later(&self, error: &AuthError) {
        self.0.authorization_refusals.increment(Verdict::of(error));
    }

    /// Counts the time of a verification with this result.
    pub(crate) fn took(&self, stopwatch: Stopwatch, verdict: Verdict) {
        self.0.durations.record((verdict.outcome_label(),), stopwatch.elapsed());
    }

    /// The counters of session checks.
    pub(crate) fn session_checks(&self) -> &Counters<(SessionCheckOutcome,)> {
        &self.0.session_checks
    }

    fn decided(&self, verdict: Verdict, scheme: Option<Scheme>, issuer: IssuerLabel) {
        if let Some(counters) = self.0.verifications.get(issuer.0) {
            counters.increment((verdict, scheme.into()));
        }
    }
}
