//! The page in a real browser: a test clicks through it, in two tabs and in two browsers, and reads what it says.
//!
//! It needs Chromium and its driver, in Debian the packages `chromium` and `chromium-driver`. Where they are missing, the tests
//! count as ignored, and this is reported. With `PORTCULLIS_LIVE=1` they fail instead. The pictures are in
//! `target/screenshots`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod account;
mod browser;
mod driver;
mod forms;
mod looks;
mod refresh;
mod service;
mod tabs;
mod webdriver;

use std::future::Future;

use libtest_mimic::{Arguments, Trial};

use crate::driver::Driver;

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");
    let missing = if required { None } else { Driver::missing() };
    if let Some(missing) = missing {
        eprintln!("SKIPPED browser: {missing}");
    }
    let trials = trials().into_iter().map(|trial| trial.with_ignored_flag(missing.is_some()));
    libtest_mimic::run(&arguments, trials.collect()).exit()
}

fn trials() -> Vec<Trial> {
    vec![
        trial("errors_are_shown_next_to_their_fields", forms::errors_are_shown_next_to_their_fields),
        trial("failures_of_the_service_are_explained", forms::failures_of_the_service_are_explained),
        trial("user_registers_with_the_keyboard", forms::user_registers_with_the_keyboard),
        trial("scripts_cannot_read_tokens", account::scripts_cannot_read_tokens),
        trial("names_and_labels_stay_text", account::names_and_labels_stay_text),
        trial("ended_session_says_so", account::ended_session_says_so),
        trial("new_password_ends_other_sessions", account::new_password_ends_other_sessions),
        trial("two_tabs_share_one_refresh", refresh::two_tabs_share_one_refresh),
        trial("failed_refresh_keeps_the_login", refresh::failed_refresh_keeps_the_login),
        trial("refused_requests_are_sent_twice_at_most", refresh::refused_requests_are_sent_twice_at_most),
        trial("logout_reaches_other_tabs", tabs::logout_reaches_other_tabs),
        trial("policy_forbids_foreign_content", looks::policy_forbids_foreign_content),
        trial("page_fits_screens_and_schemes", looks::page_fits_screens_and_schemes),
    ]
}

fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, || {
        tokio::runtime::Runtime::new()?.block_on(test());
        Ok(())
    })
}
