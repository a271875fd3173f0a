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

/// Lists tests under their own names.
macro_rules! trials {
    ($($module:ident::$test:ident,)*) => { vec![$(trial(stringify!($test), $module::$test)),*] };
}

fn trials() -> Vec<Trial> {
    trials![
        forms::errors_are_shown_next_to_their_fields,
        forms::failures_of_the_service_are_explained,
        forms::user_registers_with_the_keyboard,
        account::scripts_cannot_read_tokens,
        account::names_and_labels_stay_text,
        account::ended_session_says_so,
        account::new_password_ends_other_sessions,
        refresh::two_tabs_share_one_refresh,
        refresh::failed_refresh_keeps_the_login,
        refresh::refused_requests_are_sent_twice_at_most,
        tabs::logout_reaches_other_tabs,
        looks::policy_forbids_foreign_content,
        looks::page_fits_screens_and_schemes,
    ]
}

fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, || {
        tokio::runtime::Runtime::new()?.block_on(test());
        Ok(())
    })
}
