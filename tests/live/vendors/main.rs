//! The presets against the providers' own verifiers: the same tokens, and the verdicts compared one by one.
//!
//! A verifier for node or Python is a process that is told its settings and then asked about one token after another. A
//! verdict that differs from ours must stand in `tests/live/DEVIATIONS.md` with the reason why; one that stands there
//! and no longer differs fails the test as well.
//!
//! `PORTCULLIS_LIVE=1` installs the packages, and then nothing is skipped: what can't run fails. Without it, whatever
//! is missing is said and its tests count as ignored.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod auth0;
mod azure;
mod cases;
mod clerk;
mod clerk_claims;
mod cognito;
mod compare;
mod deviations;
mod judge;
mod node;
#[path = "../npm.rs"]
mod npm;
mod python;

use libtest_mimic::{Arguments, Trial};

/// A vendor's comparison: its name, itself, and what it lacks to run.
type Vendor<'a> = (&'a str, fn(), &'a Option<String>);

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");
    let unless_required = |missing: fn() -> Option<String>| if required { None } else { missing() };
    let node = unless_required(node::missing);
    let python = unless_required(python::missing);

    let vendors: [Vendor<'_>; 5] = [
        ("auth0_s_own_verifier_agrees", auth0::agrees, &node),
        ("clerk_s_own_verifier_agrees", clerk::agrees, &node),
        ("clerk_s_own_sdk_reads_the_same_from_claims", clerk_claims::agrees, &node),
        ("cognito_s_own_verifier_agrees", cognito::agrees, &node),
        ("a_verifier_for_entra_id_agrees", azure::agrees, &python),
    ];
    let mut trials: Vec<Trial> = vendors
        .map(|(name, agrees, missing)| {
            if let Some(missing) = missing {
                eprintln!("SKIPPED vendors: {name}: {missing}");
            }
            trial(name, agrees).with_ignored_flag(missing.is_some())
        })
        .into();
    trials.push(trial("a_deviation_is_told_by_name_and_by_both_verdicts", deviations::told_by_name_and_verdicts));
    trials.push(trial("every_vendor_of_the_list_of_deviations_is_compared", deviations::every_vendor_is_compared));
    libtest_mimic::run(&arguments, trials).exit()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
