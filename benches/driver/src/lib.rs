//! Scenarios in which an issuer is slow, down, attacked, or rotates its keys. They are the same for all token verifiers, and
//! use the same server on this machine.
//!
//! A verifier implements [`Contender`], and [`compare`] prints one row per scenario.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench may panic"
)]

mod finding;
mod load;
mod scenarios;
mod serving;
mod table;

use std::process::ExitCode;
use std::time::Duration;

pub use crate::serving::{BareCheck, Stand, token_of};

use crate::finding::Scenario;

/// A verifier that fetches its keys.
pub trait Contender: Send + Sync + Sized + 'static {
    /// Builds the verifier as its documentation says.
    fn build(settings: &IssuerSettings) -> impl Future<Output = Result<Self, NotBuilt>>;

    /// Verifies a token.
    fn verify(&self, token: &str) -> impl Future<Output = Answer> + Send;
}

/// The description of a contender in the table.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name and version.
    pub name: &'static str,
    /// Its settings, in a few words.
    pub settings: &'static str,
    /// Whether a broken limit makes the run fail.
    pub must_hold: bool,
}

/// The issuer, its keys, and the audience of its tokens.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The `iss` of its tokens. The URL of its metadata starts with it.
    pub issuer: String,
    /// The `aud` of its tokens.
    pub audience: String,
    /// The URL of its key set.
    pub jwks_url: String,
    /// The lifetime of keys. `None` means the default of the contender.
    pub lifetime: Option<Duration>,
}

/// Why a contender was not built.
#[derive(Clone, Debug)]
pub enum NotBuilt {
    /// Building failed, and may succeed later.
    Failed(String),
    /// The contender has no option for the settings.
    NoSuchOption(&'static str),
}

/// The result of a verification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The token is accepted.
    Accepted,
    /// The caller is told that the token is invalid.
    Refused,
    /// The caller is told to try again later.
    Unavailable,
}

/// An outcome, and its duration if the contender measures it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The result of the verification.
    pub outcome: Outcome,
    /// The duration, for a contender in another process. `None` means that the driver measures it.
    pub took: Option<Duration>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, took: None }
    }
}

/// The result of a contender in one scenario, as texts.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// The numbers of requests for metadata and JWKS, of accepted, refused and unavailable tokens, and the times: until the event
    /// of the scenario, p50 and p99. `Err` says why the scenario does not apply.
    pub cells: Result<[String; 7], String>,
    /// The limits that are broken.
    pub broken: Vec<String>,
}

/// Runs all scenarios with `C`, and returns what was measured. The limits are those of this library.
pub fn measure<C: Contender>() -> Vec<Measured> {
    let check = scenarios::cost_of_check();
    Scenario::ALL.map(|scenario| table::measured(&scenarios::run::<C>(scenario, check))).into()
}

/// Runs all scenarios with `C` and prints a table. Fails when a limit is broken that must hold.
pub fn compare<C: Contender>(about: About) -> ExitCode {
    println!("{}: {}", about.name, about.settings);
    let check = scenarios::cost_of_check();
    println!("a bare RS256 check takes {}", finding::show(check));
    table::head();
    let mut all_hold = true;
    for scenario in Scenario::ALL {
        let row = table::measured(&scenarios::run::<C>(scenario, check));
        table::row(about.name, &row);
        all_hold &= row.broken.is_empty();
    }
    if all_hold || !about.must_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
