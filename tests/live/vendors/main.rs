//! Compares the presets with the vendors' own verifiers, token by token.
//!
//! A vendor's verifier for node or Python runs as a process. It gets its settings and then one token after another. Every
//! verdict that differs from ours must be in `tests/live/DEVIATIONS.md`, with the reason. A row there that no longer
//! applies fails the test, too.
//!
//! `PORTCULLIS_LIVE=1` installs the packages, and then a test that cannot run fails. Without it, a verifier that is not
//! installed is reported, and its tests count as ignored.

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
mod dpop;
mod judge;
mod node;
#[path = "../npm.rs"]
mod npm;
#[path = "../python.rs"]
mod python;

use libtest_mimic::{Arguments, Trial};

/// A comparison with a vendor: its name, the test, and why it cannot run.
type Vendor<'a> = (&'a str, fn(), &'a Option<String>);

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");
    let unless_required = |missing: fn() -> Option<String>| if required { None } else { missing() };
    let node = unless_required(node::missing);
    let python = unless_required(python::missing);

    let vendors: [Vendor<'_>; 6] = [
        ("auth0_verifier_agrees", auth0::agrees, &node),
        ("clerk_verifier_agrees", clerk::agrees, &node),
        ("clerk_sdk_reads_the_same_claims", clerk_claims::agrees, &node),
        ("cognito_verifier_agrees", cognito::agrees, &node),
        ("dpop_proofs_have_the_same_verdicts", dpop::agrees, &node),
        ("entra_id_verifier_agrees", azure::agrees, &python),
    ];
    let mut trials: Vec<Trial> = vendors
        .map(|(name, agrees, missing)| {
            if let Some(missing) = missing {
                eprintln!("SKIPPED vendors: {name}: {missing}");
            }
            trial(name, agrees).with_ignored_flag(missing.is_some())
        })
        .into();
    trials.push(trial("deviations_match_by_name_and_verdicts", deviations::match_by_name_and_verdicts));
    trials.push(trial("every_listed_vendor_is_compared", deviations::every_vendor_is_compared));
    libtest_mimic::run(&arguments, trials).exit()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
