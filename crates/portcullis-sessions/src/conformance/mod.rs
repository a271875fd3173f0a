//! The suite that every store has to pass.
//!
//! Run it on your own [`SessionStore`] in a test. Each case uses new names, so the store may have other contents. Only one
//! run may use a database at a time. It needs a multi-threaded tokio runtime, so that requests really race.
//!
//! ```
//! use portcullis_sessions::{MemoryStore, conformance};
//!
//! # #[tokio::main] async fn main() {
//! let report = conformance::run(MemoryStore::new()).await;
//! println!("{report}");
//! assert!(report.passed(), "{report}");
//! # }
//! ```

mod api_key_cases;
mod at_once;
mod crash_cases;
mod crashing;
mod deny_cases;
mod race_cases;
mod replay_cases;
mod session_cases;
mod store_cases;

use std::fmt;
use std::sync::Arc;

use portcullis::possession::ReplayStore;

use crate::api_keys::ApiKeyStore;
use crate::{DenyListStore, SessionStore};

/// The results of all cases, in the order in which they ran. Prints one line for each.
#[derive(Clone, Debug)]
pub struct Report {
    results: Vec<(&'static str, Result<(), String>)>,
}

impl Report {
    /// Whether every case passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.results.is_empty() && self.results.iter().all(|(_, result)| result.is_ok())
    }

    /// Returns the name of each case, and what went wrong.
    pub fn results(&self) -> impl Iterator<Item = (&'static str, Result<(), &str>)> {
        self.results.iter().map(|(name, result)| (*name, result.as_ref().map(|&()| ()).map_err(String::as_str)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, result) in self.results() {
            match result {
                Ok(()) => writeln!(f, "passed  {name}")?,
                Err(problem) => writeln!(f, "FAILED  {name}: {problem}")?,
            }
        }
        Ok(())
    }
}

/// Runs cases on a store, one after the other.
macro_rules! cases {
    ($store:ident, $results:ident, $($module:ident: $($case:ident)*;)*) => {$($(
        let result = $module::$case($store.clone()).await.map_err(|problem| with_causes(&*problem));
        $results.push((stringify!($case), result));
    )*)*};
}

/// Runs all cases on `store`, one after the other.
pub async fn run(store: impl SessionStore + 'static) -> Report {
    let store: Arc<dyn SessionStore> = Arc::new(store);
    let mut results = Vec::new();
    cases! {
        store, results,
        store_cases:
            sessions_are_returned_as_stored
            names_are_unique
            names_are_compared_exactly
            names_with_a_nul_are_unknown
            of_fifty_replacements_one_succeeds
            end_selects_the_right_sessions
            end_beats_a_replacement_from_before
            later_expiry_of_a_revoked_token_counts
            of_fifty_takers_one_gets_the_purpose_token
            expired_rows_are_removed_in_batches;
        session_cases:
            used_token_outside_the_grace_ends_the_family
            unused_successor_makes_the_old_token_orphaned
            logging_out_selects_the_right_sessions
            lifetimes_end_sessions
            control_characters_are_refused_or_removed
            purpose_tokens_die_with_the_state
            key_rotation_keeps_sessions_in_grace
            clocks_may_differ_by_five_seconds;
        race_cases:
            two_hundred_refreshes_of_one_token_are_one_family
            twenty_requests_of_one_page_stay_signed_in
            one_theft_is_reported_once
            nothing_survives_a_racing_log_out
            racing_logins_respect_the_maximum;
        crash_cases:
            crash_in_a_login_loses_nothing
            crash_in_a_refresh_loses_nothing
            crash_in_a_step_up_loses_nothing
            crash_in_a_log_out_opens_nothing
            crash_in_a_theft_admits_no_old_token
            crash_in_a_redemption_never_redeems_twice;
    }
    results.extend(run_on_deny_list(store).await.results);
    Report { results }
}

/// Runs the cases about deny-lists, which are among those of [`run`], on a store that has no sessions.
///
/// ```
/// use portcullis_sessions::{MemoryStore, conformance};
///
/// # #[tokio::main] async fn main() {
/// let report = conformance::run_on_deny_list(MemoryStore::new()).await;
/// assert!(report.passed(), "{report}");
/// # }
/// ```
pub async fn run_on_deny_list(store: impl DenyListStore + 'static) -> Report {
    let store: Arc<dyn DenyListStore> = Arc::new(store);
    let mut results = Vec::new();
    cases! {
        store, results,
        deny_cases:
            later_times_of_an_entry_count
            entries_are_found_by_their_names
            fifty_machines_deny_at_once
            expired_entries_are_removed_in_batches
            renewed_entries_are_not_removed
            denied_token_is_refused_on_other_machines;
    }
    Report { results }
}

/// Runs the cases of stores of used DPoP proofs that several machines share, on `SqlStore`, `RedisStore` or your own
/// [`ReplayStore`].
///
/// ```
/// use portcullis::possession::ReplayStore;
/// use portcullis_sessions::conformance;
///
/// async fn test(store: impl ReplayStore + 'static) {
///     let report = conformance::run_on_replay_store(store).await;
///     assert!(report.passed(), "{report}");
/// }
/// ```
pub async fn run_on_replay_store(store: impl ReplayStore + 'static) -> Report {
    let store: Arc<dyn ReplayStore> = Arc::new(store);
    let mut results = Vec::new();
    cases! {
        store, results,
        replay_cases:
            of_fifty_uses_of_a_proof_one_is_new
            proofs_are_told_apart
            used_proof_stays_until_its_last_moment
            clocks_of_gates_may_differ;
    }
    Report { results }
}

/// Runs the cases of stores of API keys.
///
/// ```
/// use portcullis_sessions::{MemoryStore, conformance};
///
/// # #[tokio::main] async fn main() {
/// let report = conformance::run_on_api_keys(MemoryStore::new()).await;
/// assert!(report.passed(), "{report}");
/// # }
/// ```
pub async fn run_on_api_keys(store: impl ApiKeyStore + 'static) -> Report {
    let store: Arc<dyn ApiKeyStore> = Arc::new(store);
    let mut results = Vec::new();
    cases! {
        store, results,
        api_key_cases:
            api_keys_are_returned_as_stored
            names_of_api_keys_are_unique
            owners_of_api_keys_are_compared_exactly
            api_keys_with_a_nul_are_unknown
            of_fifty_new_secrets_one_is_stored
            revocation_selects_the_right_api_keys
            revocation_beats_a_rotation_from_before
            last_use_of_an_api_key_never_goes_back
            ended_api_keys_are_removed_in_batches
            revoked_api_key_is_refused_on_every_machine
            clocks_of_rotations_may_differ_by_five_seconds
            racing_rotations_leave_two_secrets
            no_secret_survives_a_racing_revocation;
    }
    Report { results }
}

/// The text of an error and of what caused it: a store that is unavailable has the reason there.
fn with_causes(problem: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(problem.source(), |cause| cause.source());
    causes.fold(problem.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// What a case returns.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Fails the case unless the condition holds.
macro_rules! check {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+).into());
        }
    };
}
use check;
