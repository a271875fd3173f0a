//! Compares a vendor's verdicts with ours.

use std::collections::HashSet;
use std::process::Command;

use portcullis::{Gate, Policy};
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
    println!(
        "{vendor}: {} tokens, judged {} times: {} accepted by both, {} refused by both, {} deviations",
        tokens.len(),
        names.len(),
        tally.accepted,
        tally.refused,
        tally.deviations.len()
    );
    assert!(tokens.len() >= enough, "{} tokens are too few", tokens.len());
    assert!(tally.accepted >= enough / 20, "{} good tokens are too few", tally.accepted);
    let faults = Deviations::of(vendor).faults(&tally.deviations);
    assert!(faults.is_empty(), "{vendor}: {} do not agree with DEVIATIONS.md:\n{}", faults.len(), faults.join("\n"));
}

/// Returns `accepted` or the reason of our refusal.
fn ours(runtime: &Runtime, corpus: &Corpus, token: &str) -> String {
    let verdict = runtime
        .block_on(corpus.gate.verify(token))
        .map_err(portcullis::AuthError::from)
        .and_then(|caller| corpus.policy.check(&caller));
    match verdict {
        Ok(()) => "accepted".to_owned(),
        // The keys were fetched before, and do not have the token's key. A service answers 503 until the next fetch.
        Err(portcullis::AuthError::Unavailable(unavailable)) if unavailable.limited => "unknown_key".to_owned(),
        Err(error) => {
            assert!(error.status() < 500, "no verdict of ours: {error}");
            error.reason().map_or_else(|| error.code().to_owned(), |reason| reason.as_str().to_owned())
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// The deviations, each with the vendor's message.
    deviations: Vec<(Deviation, String)>,
}

impl Tally {
    fn count(&mut self, verdicts: Deviation, why: &str) {
        match (verdicts.accepted, verdicts.ours == "accepted") {
            (true, true) => self.accepted += 1,
            (false, false) => self.refused += 1,
            _ => self.deviations.push((verdicts, why.to_owned())),
        }
    }
}
