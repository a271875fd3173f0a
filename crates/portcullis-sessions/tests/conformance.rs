//! The suite of stores, on each store of this crate.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the helpers of tests fail and print as tests do")]

use std::io::Write;

use portcullis_sessions::api_keys::ApiKeyStore;
use portcullis_sessions::conformance::Report;
use portcullis_sessions::{MemoryStore, RedisStore, SessionStore, SqlStore, conformance};

/// Runs the suite and prints its table.
async fn passes_on(name: &str, store: impl SessionStore + 'static) {
    assert_passed(name, &conformance::run(store).await, 34);
}

/// Runs the suite of API keys and prints its table.
async fn api_keys_pass_on(name: &str, store: impl ApiKeyStore + 'static) {
    assert_passed(name, &conformance::run_on_api_keys(store).await, 13);
}

fn assert_passed(name: &str, report: &Report, cases: usize) {
    println!("{name}\n{report}");
    assert!(report.passed(), "{name}\n{report}");
    assert!(report.results().count() >= cases);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_passes() {
    passes_on("memory", MemoryStore::new()).await;
    api_keys_pass_on("API keys in memory", MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_passes() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
    let store = SqlStore::builder(&url).table_prefix("api_").connect().await.unwrap();
    passes_on("sqlite", store.clone()).await;
    api_keys_pass_on("API keys in sqlite", store).await;
    // What was stored is there for the next process.
    SqlStore::builder(&url).table_prefix("api_").connect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mysql_passes() {
    passes_on_server("PORTCULLIS_TEST_MYSQL_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_passes() {
    passes_on_server("PORTCULLIS_TEST_POSTGRES_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_passes() {
    passes_on_redis("PORTCULLIS_TEST_REDIS_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_cluster_passes() {
    passes_on_redis("PORTCULLIS_TEST_REDIS_CLUSTER_URL").await;
}

/// Runs the suite on the SQL server that a variable names. It makes tables with the prefix `suite_` there.
async fn passes_on_server(variable: &str) {
    let Some(url) = server(variable) else { return };
    // Several machines start at once.
    let connect = || SqlStore::builder(&url).table_prefix("suite_").connect();
    let machines = tokio::join!(connect(), connect(), connect());
    machines.0.unwrap();
    machines.1.unwrap();
    let store = machines.2.unwrap();
    passes_on(variable, store.clone()).await;
    api_keys_pass_on(variable, store).await;
}

/// Runs the suite on the Redis server that a variable names. It makes keys with the prefix `suite:` there.
async fn passes_on_redis(variable: &str) {
    let Some(url) = server(variable) else { return };
    let store = RedisStore::builder(&url).key_prefix("suite:").connect().await.unwrap();
    passes_on(variable, store).await;
}

/// The server that a variable names. Prints a line if it is not set, also when the output of tests is captured.
fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        let line = format!("SKIPPED sessions: {variable} is not set\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    url
}

/// The address 0.0.0.0 reaches this machine, and counts as another one. The server has no certificate for it.
#[tokio::test]
async fn unverified_server_needs_the_dangerous_parameter() {
    for variable in ["PORTCULLIS_TEST_MYSQL_URL", "PORTCULLIS_TEST_POSTGRES_URL"] {
        let Some(url) = server(variable) else { continue };
        let url = url.replace("localhost", "0.0.0.0").replace("127.0.0.1", "0.0.0.0");
        let refused = SqlStore::builder(&url).connect().await.unwrap_err().to_string();
        assert!(refused.starts_with("url: the server could not be verified: "), "{variable}: {refused}");
        let url = format!("{url}{}dangerous_unverified_server=true", if url.contains('?') { "&" } else { "?" });
        SqlStore::builder(&url).table_prefix("unverified_").connect().await.unwrap();
    }
}

/// A suite that passes on every store shows nothing. Each of these stores has one fault that real stores had.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faulty_stores_fail() {
    let table = [
        (Fault::ReplacesAnyVersion, "of_fifty_replacements_one_succeeds"),
        (Fault::ReplacesInTwoSteps, "two_hundred_refreshes_of_one_token_are_one_family"),
        (Fault::EndKeepsTheVersion, "end_beats_a_replacement_from_before"),
        (Fault::EndsEverything, "logging_out_selects_the_right_sessions"),
        (Fault::ForgetsThePreviousToken, "twenty_requests_of_one_page_stay_signed_in"),
        (Fault::FoldsCase, "names_are_compared_exactly"),
        (Fault::TakesTwice, "crash_in_a_redemption_never_redeems_twice"),
        (Fault::IgnoresTheLimit, "expired_rows_are_removed_in_batches"),
        (Fault::LosesRevocations, "later_expiry_of_a_revoked_token_counts"),
        (Fault::ReportsNoEnd, "one_theft_is_reported_once"),
        (Fault::LosesRevocations, "fifty_machines_deny_at_once"),
        (Fault::ForgetsTheLaterTime, "later_times_of_an_entry_count"),
        (Fault::ReadsFiveNames, "entries_are_found_by_their_names"),
        (Fault::IgnoresTheLimit, "expired_entries_are_removed_in_batches"),
    ];
    for (fault, case) in table {
        let report = conformance::run(faulty::Faulty::new(fault)).await;
        let failed: Vec<&str> = report.results().filter(|(_, result)| result.is_err()).map(|(name, _)| name).collect();
        assert!(failed.contains(&case), "{fault:?} failed only {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faulty_stores_of_api_keys_fail() {
    let table = [
        (KeyFault::ReplacesAnyVersion, "of_fifty_new_secrets_one_is_stored"),
        (KeyFault::ReplacesInTwoSteps, "racing_rotations_leave_two_secrets"),
        (KeyFault::RevocationKeepsTheVersion, "revocation_selects_the_right_api_keys"),
        (KeyFault::RevokesForAnyOwner, "revocation_selects_the_right_api_keys"),
        (KeyFault::ReportsNoRevocation, "revoked_api_key_is_refused_on_every_machine"),
        (KeyFault::ForgetsThePreviousSecret, "clocks_of_rotations_may_differ_by_five_seconds"),
        (KeyFault::FoldsCase, "owners_of_api_keys_are_compared_exactly"),
        (KeyFault::UsesGoBack, "last_use_of_an_api_key_never_goes_back"),
        (KeyFault::IgnoresTheLimit, "ended_api_keys_are_removed_in_batches"),
        (KeyFault::MiscountsRemovals, "ended_api_keys_are_removed_in_batches"),
    ];
    for (fault, case) in table {
        let report = conformance::run_on_api_keys(faulty_keys::Faulty::new(fault)).await;
        let failed: Vec<&str> = report.results().filter(|(_, result)| result.is_err()).map(|(name, _)| name).collect();
        assert!(failed.contains(&case), "{fault:?} failed only {failed:?}");
    }
}

use faulty::Fault;
use faulty_keys::KeyFault;

mod faulty_keys {
    use std::time::Duration;

    use portcullis::async_trait;
    use portcullis::error::Unavailable;
    use portcullis_sessions::api_keys::{ApiKeyStore, StoredApiKey, WhichApiKeys};
    use portcullis_sessions::{MemoryStore, Timestamp, TokenHash};

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum KeyFault {
        ReplacesAnyVersion,
        ReplacesInTwoSteps,
        RevocationKeepsTheVersion,
        RevokesForAnyOwner,
        ReportsNoRevocation,
        ForgetsThePreviousSecret,
        FoldsCase,
        UsesGoBack,
        IgnoresTheLimit,
        MiscountsRemovals,
    }

    /// A store in memory with one fault.
    #[derive(Debug)]
    pub(crate) struct Faulty {
        inner: MemoryStore,
        fault: KeyFault,
    }

    impl Faulty {
        pub(crate) fn new(fault: KeyFault) -> Self {
            Self { inner: MemoryStore::new(), fault }
        }

        fn owner(&self, owner: &str) -> String {
            if self.fault == KeyFault::FoldsCase { owner.to_lowercase() } else { owner.to_owned() }
        }

        /// Replaces the contents of a key.
        async fn force(&self, key: StoredApiKey) -> Result<bool, Unavailable> {
            let long_ago = Timestamp::from_unix_millis(0);
            let Some(stored) = self.inner.find_api_key(&key.id).await? else { return Ok(false) };
            let ended = StoredApiKey { version: stored.version + 1, expires_at: Some(long_ago), ..stored };
            self.inner.replace_api_key_secret(&ended).await?;
            self.inner.remove_ended_api_keys(Timestamp::from_unix_millis(1), u32::MAX).await?;
            self.inner.insert_api_key(&key).await?;
            Ok(true)
        }
    }

    #[async_trait]
    impl ApiKeyStore for Faulty {
        async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable> {
            self.inner.insert_api_key(&StoredApiKey { owner: self.owner(&key.owner), ..key.clone() }).await
        }

        async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable> {
            self.inner.find_api_key(id).await
        }

        async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
            let found = self.inner.find_api_key_by_hash(hash).await?;
            Ok(found.filter(|key| self.fault != KeyFault::ForgetsThePreviousSecret || key.hash == *hash))
        }

        async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
            self.inner.api_keys_of(&self.owner(owner)).await
        }

        async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable> {
            match self.fault {
                KeyFault::ReplacesAnyVersion => self.force(key.clone()).await,
                KeyFault::ReplacesInTwoSteps => {
                    let stored = self.inner.find_api_key(&key.id).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let fits = stored.is_some_and(|stored| stored.version == key.version - 1);
                    Ok(fits && self.force(key.clone()).await?)
                }
                _ => self.inner.replace_api_key_secret(key).await,
            }
        }

        async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable> {
            let owner;
            let which = match which {
                WhichApiKeys::KeyOf { id, .. } if self.fault == KeyFault::RevokesForAnyOwner => WhichApiKeys::Key(id),
                WhichApiKeys::AllOf(name) => {
                    owner = self.owner(name);
                    WhichApiKeys::AllOf(&owner)
                }
                other => other,
            };
            let count = self.inner.revoke_api_keys(which, at).await?;
            match (self.fault, which) {
                (KeyFault::ReportsNoRevocation, _) => Ok(0),
                (KeyFault::RevocationKeepsTheVersion, WhichApiKeys::Key(id) | WhichApiKeys::KeyOf { id, .. }) => {
                    if let Some(stored) = self.inner.find_api_key(id).await?.filter(|_| count > 0) {
                        let before = Timestamp::from_unix_millis(i64::MAX);
                        self.inner.remove_ended_api_keys(before, u32::MAX).await?;
                        self.inner.insert_api_key(&StoredApiKey { version: stored.version - 1, ..stored }).await?;
                    }
                    Ok(count)
                }
                _ => Ok(count),
            }
        }

        async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable> {
            if self.fault == KeyFault::UsesGoBack
                && let Some(key) = self.inner.find_api_key_by_hash(hash).await?
            {
                return self.force(StoredApiKey { last_used_at: Some(at), ..key }).await.map(drop);
            }
            self.inner.note_api_key_use(hash, at).await
        }

        async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
            match self.fault {
                KeyFault::IgnoresTheLimit => self.inner.remove_ended_api_keys(before, u32::MAX).await,
                KeyFault::MiscountsRemovals => {
                    let count = self.inner.remove_ended_api_keys(before, limit).await?;
                    Ok(count / 2)
                }
                _ => self.inner.remove_ended_api_keys(before, limit).await,
            }
        }
    }
}

mod faulty {
    use portcullis::async_trait;
    use portcullis::error::Unavailable;
    use portcullis_sessions::{
        DenyListStore, Ended, MemoryStore, SessionStore, StoredDenial, StoredPurposeToken, StoredSession, Timestamp,
        TokenHash, Which,
    };

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum Fault {
        ReplacesAnyVersion,
        ReplacesInTwoSteps,
        EndKeepsTheVersion,
        EndsEverything,
        ForgetsThePreviousToken,
        FoldsCase,
        TakesTwice,
        IgnoresTheLimit,
        LosesRevocations,
        ReportsNoEnd,
        ForgetsTheLaterTime,
        ReadsFiveNames,
    }

    /// A store in memory with one fault.
    #[derive(Debug)]
    pub(crate) struct Faulty {
        inner: MemoryStore,
        fault: Fault,
    }

    impl Faulty {
        pub(crate) fn new(fault: Fault) -> Self {
            Self { inner: MemoryStore::new(), fault }
        }

        /// Writes a session over any version in the store.
        async fn force(&self, session: &StoredSession) -> Result<bool, Unavailable> {
            let Some(stored) = self.inner.find(&session.id).await? else { return Ok(false) };
            let mut forced = StoredSession { version: stored.version + 1, ..session.clone() };
            while !self.inner.replace(&forced).await? {
                forced.version += 1;
            }
            Ok(true)
        }

        fn name(&self, name: &str) -> String {
            if self.fault == Fault::FoldsCase { name.to_lowercase() } else { name.to_owned() }
        }
    }

    #[async_trait]
    impl SessionStore for Faulty {
        async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
            self.inner.insert(&StoredSession { subject: self.name(&session.subject), ..session.clone() }).await
        }

        async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
            self.inner.find(id).await
        }

        async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
            self.inner.find_by_family(family).await
        }

        async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
            self.inner.open_sessions(&self.name(subject), now).await
        }

        async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
            match self.fault {
                Fault::ReplacesAnyVersion => self.force(session).await,
                Fault::ReplacesInTwoSteps => {
                    let stored = self.inner.find(&session.id).await?;
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    let fits = stored.is_some_and(|stored| stored.version == session.version - 1);
                    Ok(fits && self.force(session).await?)
                }
                Fault::EndKeepsTheVersion => {
                    // An end leaves the version, so a rotation that read the session before succeeds.
                    let Some(stored) = self.inner.find(&session.id).await? else { return Ok(false) };
                    let since_the_end = i64::from(stored.ended.is_some());
                    if stored.version - since_the_end != session.version - 1 {
                        return Ok(false);
                    }
                    self.inner.replace(&StoredSession { version: stored.version + 1, ..session.clone() }).await
                }
                Fault::ForgetsThePreviousToken => {
                    self.inner.replace(&StoredSession { previous: None, ..session.clone() }).await
                }
                _ => self.inner.replace(session).await,
            }
        }

        async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
            let which = match which {
                Which::OthersOf { subject, .. } if self.fault == Fault::EndsEverything => Which::AllOf(subject),
                other => other,
            };
            let count = self.inner.end(which, ended).await?;
            Ok(if self.fault == Fault::ReportsNoEnd { 0 } else { count })
        }

        async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
            self.inner.insert_purpose_token(token).await
        }

        async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
            self.inner.find_purpose_token(token).await
        }

        async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
            if self.fault == Fault::TakesTwice {
                return Ok(self.inner.find_purpose_token(token).await?.is_some());
            }
            self.inner.take_purpose_token(token).await
        }

        async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
            let limit = if self.fault == Fault::IgnoresTheLimit { u32::MAX } else { limit };
            self.inner.remove_expired(before, limit).await
        }
    }

    #[async_trait]
    impl DenyListStore for Faulty {
        async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
            let known = self.inner.denials(&[denial.name]).await?;
            match (self.fault, known.first()) {
                (Fault::LosesRevocations, Some(_)) => Ok(()),
                (Fault::ForgetsTheLaterTime, Some(known)) => {
                    let expires_at = known.expires_at.max(denial.expires_at);
                    self.inner.remove_expired_denials(Timestamp::from_unix_millis(i64::MAX), u32::MAX).await?;
                    self.inner.deny(&StoredDenial { expires_at, ..*denial }).await
                }
                _ => self.inner.deny(denial).await,
            }
        }

        async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
            let limit = if self.fault == Fault::ReadsFiveNames { 5 } else { names.len() };
            self.inner.denials(names.get(..limit.min(names.len())).unwrap_or_default()).await
        }

        async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
            let limit = if self.fault == Fault::IgnoresTheLimit { u32::MAX } else { limit };
            self.inner.remove_expired_denials(before, limit).await
        }
    }
}
