//! Compares a vendor's verdicts with ours.

use std::collections::HashSet;
use std::process::Command;

use portcullis::{AuthError, Gate, Policy};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cases::Case;
use crate::deviations::{Deviation, Deviations};
use crate::judge::Judge;

/// Tokens, and the settings with which both sides judge them.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// The prefix of the names of its tokens.
    pub(crate) name: &'static str,
    /// The settings for the vendor's program.
    pub(crate) settings: Value,
    /// Our gate.
    pub(crate) gate: Gate,
    /// Our policy, which the caller of a good token must meet.
    pub(crate) policy: Policy,
    pub(crate) cases: Vec<Case>,
}

/// Lets the vendor and our gate judge all tokens. Panics if the verdicts do not differ exactly as the list of deviations
/// says, or if there are fewer than `enough` different tokens.
pub(crate) fn compare(vendor: &str, program: impl Fn() -> Command, corpora: Vec<Corpus>, enough: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tally = Tally::default();
    let mut tokens = HashSet::new();
    let mut names = HashSet::new();
    for corpus in corpora {
        let mut judge = Judge::start(program(), &corpus.settings);
        for case in &corpus.cases {
            let name = format!("{}: {}", corpus.name, case.name);
            let theirs = judge.verdict(&case.token);
            let ours = ours(&runtime, &corpus, &case.token);
            tally.count(Deviation { case: name.clone(), accepted: theirs.accepted, ours }, &theirs.why);
            tokens.insert(case.token.clone());
            assert!(names.insert(name), "two tokens of {} are named {}", corpus.name, case.name);
        }
    }
    println!("{vendor}: {} tokens", tokens.len());
    assert!(tokens.len() >= enough, "{} tokens are too few", tokens.len());
    tally.check(vendor, enough);
}

fn ours(runtime: &Runtime, corpus: &Corpus, token: &str) -> String {
    let verdict = runtime.block_on(corpus.gate.verify(token)).map_err(AuthError::from);
    our_verdict(verdict.and_then(|caller| corpus.policy.check(&caller)))
}

/// Returns `accepted` or the reason of our refusal.
pub(crate) fn our_verdict<T>(verdict: Result<T, AuthError>) -> String {
    match verdict {
        Ok(_) => "accepted".to_owned(),
        // The keys were fetched before, and do not have the token's key. A service answers 503 until the next fetch.
        Err(AuthError::Unavailable(unavailable)) if unavailable.limited => "unknown_key".to_owned(),
        Err(error) => {
            assert!(error.status() < 500, "no verdict of ours: {error}");
            error.reason().map_or_else(|| error.code().to_owned(), |reason| reason.as_str().to_owned())
        }
    }
}

/// The verdicts of both sides.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: usize,
    refused: usize,
    /// The deviations, each with the vendor's message.
    deviations: Vec<(Deviation, String)>,
}

impl Tally {
    pub(crate) fn count(&mut self, verdicts: Deviation, why: &str) {
        match (verdicts.accepted, verdicts.ours == "accepted") {
            (true, true) => self.accepted += 1,
            (false, false) => self.refused += 1,
            _ => self.deviations.push((verdicts, why.to_owned())),
        }
    }

    /// Panics if the verdicts do not differ exactly as the list of deviations says, or if there are fewer than `enough`.
    pub(crate) fn check(&self, vendor: &str, enough: usize) {
        let Self { accepted, refused, deviations } = self;
        let all = accepted + refused + deviations.len();
        let deviating = deviations.len();
        println!(
            "{vendor}: {all} verdicts: {accepted} accepted by both, {refused} refused by both, {deviating} deviations"
        );
        assert!(all >= enough, "{all} verdicts are too few");
        assert!(*accepted >= enough / 20, "{accepted} accepted by both are too few");
        let faults = Deviations::of(vendor).faults(deviations);
        let (count, faults_text) = (faults.len(), faults.join("\n"));
        assert!(faults.is_empty(), "{vendor}: {count} do not agree with DEVIATIONS.md:\n{faults_text}");
    }
}
