//! Tests both example servers with tokens of other OpenID providers, whose keys the servers find by discovery, and services
//! behind a proxy.
//!
//! `PORTCULLIS_LIVE=1` installs the providers, and then a test that cannot run fails. Without it, a provider that is not
//! installed is reported, and its tests count as ignored. `README.md` lists the providers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

/// Lists functions of modules with their names.
macro_rules! named {
    ($($module:ident::$test:ident),* $(,)?) => {
        [$((stringify!($test), $module::$test)),*]
    };
}

mod authlib;
mod better_auth;
mod bound;
mod browser;
#[path = "../certificates.rs"]
mod certificates;
mod debian;
mod django;
#[path = "../../examples/sessions/tests/browser/driver.rs"]
mod driver;
mod glewlwyd;
mod http;
mod introspection;
mod login;
#[path = "../monitoring.rs"]
mod monitoring;
mod nginx;
mod node;
mod npm;
mod outage;
mod presets;
mod process;
mod program;
mod prometheus;
mod provider;
mod python;
mod rotation;
#[path = "../running.rs"]
mod running;
mod scenarios;
mod services;
mod swagger;
mod table;
#[path = "../../examples/sessions/tests/browser/webdriver.rs"]
#[allow(dead_code, reason = "the tests of another page use more of it")]
mod webdriver;

use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::django::Django;
use crate::http::Answer;
use crate::provider::{PROVIDER_KINDS, ProviderKind};
use crate::scenarios::{LIFETIME, Live, SeparateTest, SharedTest};

const API: &str = "https://api.test";

const SHARED: [SharedTest; 9] = named![
    scenarios::good_token_is_accepted,
    scenarios::keys_from_a_file_work,
    scenarios::other_audience_is_refused,
    scenarios::missing_audience_is_refused,
    scenarios::missing_scope_is_forbidden,
    scenarios::changed_token_is_refused,
    scenarios::missing_token_is_refused,
    scenarios::optional_route_refuses_bad_tokens,
    scenarios::tokens_are_not_logged,
];

const SEPARATE: [SeparateTest; 5] = named![
    scenarios::every_algorithm_is_accepted,
    scenarios::expired_token_is_refused,
    rotation::new_keys_work_and_withdrawn_keys_do_not,
    outage::outage_is_answered_with_503,
    table::readme_describes_the_tokens,
];

/// The tests without an OpenID provider.
const PRESETS: [(&str, fn()); 9] = named![
    presets::clerk_works_offline_with_a_public_key,
    presets::clerk_works_with_a_publishable_key,
    presets::options_apply_to_every_preset,
    presets::auth0_works_with_two_variables,
    presets::authok_works_with_two_variables,
    presets::azure_works_with_two_variables,
    presets::incomplete_variables_are_named,
    presets::printed_commands_work_without_a_provider,
    presets::two_providers_are_an_error_that_names_both,
];

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");

    let is_skipped = |name: &str, missing: fn() -> Option<String>| {
        let missing = if required { None } else { missing() };
        if let Some(missing) = &missing {
            eprintln!("SKIPPED live: {name}: {missing}");
        }
        missing.is_some()
    };

    let mut trials: Vec<_> = PRESETS.into_iter().map(|(name, test)| trial(name.to_owned(), test)).collect();
    for (group, tests, missing) in [
        ("nginx", &nginx::TESTS[..], nginx::missing as fn() -> _),
        ("better_auth", &better_auth::TESTS, || node::PACKAGES.missing()),
        ("browser", &browser::TESTS, || driver::Driver::missing().map(str::to_owned)),
        ("prometheus", &prometheus::TESTS, prometheus::missing),
        ("swagger", &swagger::TESTS, || driver::Driver::missing().map(str::to_owned)),
        ("swagger", &swagger::TESTS_OF_FILES, || node::PACKAGES.missing()),
    ] {
        let is_skipped = is_skipped(group, missing);
        let named = tests.iter().map(|&(name, test)| trial(format!("{group}::{name}"), test));
        trials.extend(named.map(|trial| trial.with_ignored_flag(is_skipped)));
    }
    let django = Arc::new(LazyLock::new(|| Django::start(LIFETIME)));
    let is_django_skipped = is_skipped("django", python::missing);
    trials.extend(django::TESTS.map(|(name, test)| {
        let django = Arc::clone(&django);
        trial(format!("django::{name}"), move || test(&django)).with_ignored_flag(is_django_skipped)
    }));
    for kind in PROVIDER_KINDS {
        let is_skipped = is_skipped(kind.name, kind.missing);
        trials.extend(trials_of(kind).map(|trial| trial.with_ignored_flag(is_skipped)));
    }
    libtest_mimic::run(&arguments, trials).exit()
}

fn trials_of(kind: &'static ProviderKind) -> impl Iterator<Item = Trial> {
    let live = Arc::new(LazyLock::new(move || Live::start(kind, LIFETIME)));
    let named = move |name| format!("{}::{name}", kind.name);
    let shared = SHARED.iter().chain(kind.own).map(move |&(name, test)| {
        let live = Arc::clone(&live);
        trial(named(name), move || test(&live))
    });
    shared.chain(SEPARATE.into_iter().map(move |(name, test)| trial(named(name), move || test(kind))))
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
