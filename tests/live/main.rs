//! Both example servers against tokens of other people's OpenID providers, whose keys they find by themselves.
//!
//! The providers have to be installed. `PORTCULLIS_LIVE=1` does so, and then nothing is skipped: what can't run fails.
//! Without it, whatever is missing is said and the tests that need it count as ignored. `README.md` has the providers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

/// Functions of modules with their names.
macro_rules! named {
    ($($module:ident::$test:ident),* $(,)?) => {
        [$((stringify!($test), $module::$test)),*]
    };
}

mod debian;
mod glewlwyd;
mod http;
mod node;
mod npm;
mod outage;
mod presets;
mod process;
mod provider;
mod rotation;
mod scenarios;
mod services;
mod table;

use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::http::Answer;
use crate::provider::{MAKES, Make};
use crate::scenarios::{Alone, LIFETIME, Live, Shared};

const API: &str = "https://api.test";

const SHARED: [Shared; 9] = named![
    scenarios::a_good_token_is_let_in,
    scenarios::keys_in_a_file_serve_as_well,
    scenarios::a_token_for_another_audience_is_refused,
    scenarios::a_token_for_no_audience_is_refused,
    scenarios::a_token_without_the_scope_is_forbidden,
    scenarios::a_changed_token_is_refused,
    scenarios::no_token_is_asked_for_one,
    scenarios::a_greeting_is_for_everyone_but_bad_tokens,
    scenarios::no_token_reaches_a_log,
];

const ALONE: [Alone; 5] = named![
    scenarios::a_good_token_is_let_in_whatever_its_algorithm,
    scenarios::a_token_that_expired_is_refused,
    rotation::a_new_key_is_accepted_at_once_and_a_withdrawn_one_no_longer,
    outage::an_outage_is_no_fault_of_the_callers,
    table::the_readme_tells_what_its_tokens_look_like,
];

/// Without a provider.
const PRESETS: [(&str, fn()); 9] = named![
    presets::a_public_key_alone_makes_a_resource_server_of_clerk_that_connects_nowhere,
    presets::a_publishable_key_makes_a_resource_server_of_clerk,
    presets::options_hold_for_any_provider,
    presets::two_variables_make_a_resource_server_of_auth0,
    presets::two_variables_make_a_resource_server_of_authok,
    presets::two_variables_make_a_resource_server_of_azure,
    presets::variables_that_do_not_suffice_are_named,
    presets::with_no_provider_the_printed_lines_show_what_they_say,
    presets::two_providers_at_once_are_a_mistake_that_names_both,
];

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");

    let mut trials: Vec<_> = PRESETS.into_iter().map(|(name, test)| trial(name.to_owned(), test)).collect();
    for make in MAKES {
        let missing = if required { None } else { (make.missing)() };
        if let Some(missing) = &missing {
            eprintln!("SKIPPED live: {}: {missing}", make.name);
        }
        trials.extend(trials_of(make).map(|trial| trial.with_ignored_flag(missing.is_some())));
    }
    libtest_mimic::run(&arguments, trials).exit()
}

fn trials_of(make: &'static Make) -> impl Iterator<Item = Trial> {
    let live = Arc::new(LazyLock::new(move || Live::start(make, LIFETIME)));
    let named = move |name| format!("{}::{name}", make.name);
    let shared = SHARED.iter().chain(make.own).map(move |&(name, test)| {
        let live = Arc::clone(&live);
        trial(named(name), move || test(&live))
    });
    shared.chain(ALONE.into_iter().map(move |(name, test)| trial(named(name), move || test(make))))
}

fn trial(name: String, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

fn assert_bad_token(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = challenge(answer);
    assert!(challenge.starts_with(r#"Bearer realm="api", error="invalid_token""#), "{challenge}");
    assert_eq!(answer.json()["error"], "invalid_token");
    assert_eq!(answer.json()["reason"], reason);
}

fn challenge(answer: &Answer) -> &str {
    match answer.all("www-authenticate")[..] {
        [challenge] => challenge,
        _ => panic!("not one challenge: {answer:?}"),
    }
}
