//! What happens to callers while a provider is slow, down, attacked, or rotating its keys: the same scenarios for every
//! verifier of tokens, against the same server on this machine.
//!
//! A verifier is driven through [`Contender`], and [`compare`] prints a row for each scenario.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench may stop where it stands"
)]

mod finding;
mod load;
mod scenarios;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use crate::finding::Scenario;

/// A verifier that fetches its keys.
pub trait Contender: Send + Sync + Sized + 'static {
    /// Builds it as its documentation says.
    fn build(provider: &Provider) -> impl Future<Output = Result<Self, NotBuilt>>;

    /// Verifies a token.
    fn verify(&self, token: &str) -> impl Future<Output = Answer> + Send;
}

/// Who is who in the table.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The name and version.
    pub name: &'static str,
    /// How it is set, in a few words.
    pub settings: &'static str,
    /// Whether a broken limit makes the run fail.
    pub must_hold: bool,
}

/// Where the keys are, and what tokens are made for.
#[derive(Clone, Debug)]
pub struct Provider {
    /// `iss` of its tokens; its metadata is below it.
    pub issuer: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// Its key set.
    pub jwks_url: String,
    /// How long keys are to be fresh; `None` for the contender's default.
    pub lifetime: Option<Duration>,
}

/// Why a contender was not built.
#[derive(Clone, Debug)]
pub enum NotBuilt {
    /// It failed, and may be tried again.
    Failed(String),
    /// It has no option for what was asked.
    NoSuchOption(&'static str),
}

/// What became of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The caller is let in.
    Accepted,
    /// The caller is told that the token is bad.
    Refused,
    /// The caller is told to come back.
    Unavailable,
}

/// An outcome, and how long it took where only the contender knows.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What became of the token.
    pub outcome: Outcome,
    /// How long it took, for a contender in a process of its own.
    pub took: Option<Duration>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, took: None }
    }
}

/// Drives `C` through all scenarios and prints a table; fails when a limit is broken that must hold.
pub fn compare<C: Contender>(about: About) -> ExitCode {
    println!("{}: {}", about.name, about.settings);
    table::head();
    let mut all_hold = true;
    for scenario in Scenario::ALL {
        let row = scenarios::run::<C>(scenario);
        table::row(about.name, &row);
        all_hold &= row.holds();
    }
    if all_hold || !about.must_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
