//! A store in an SQL database.

mod api_keys;
mod connect;
mod database;
mod deny_list;
#[cfg(feature = "issuer")]
mod key_ring;
mod replay;
mod schema;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use portcullis::async_trait;
use portcullis::error::Unavailable;

pub use self::connect::{SqlStoreBuilder, SqlStoreError};
use self::database::{Database, Row, Value};
use self::statements::Statements;
use crate::deny_list::DenyListStore;
use crate::session::{AuthFacts, EndReason};
use crate::store::{Ended, PreviousToken, SessionStore, StoredPurposeToken, StoredSession, Which};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

/// A store in an SQL database: SQLite in a file, and with the features `mysql` and `postgres` also MySQL, MariaDB and
/// PostgreSQL servers.
///
/// ```no_run
/// use portcullis_sessions::{Sessions, SqlStore, SuccessorKeys};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [0; 32];
/// let store = SqlStore::builder("sqlite:sessions.db").table_prefix("api_").connect().await?;
/// let sessions = Sessions::builder(store, SuccessorKeys::new(1, &secret)?).build()?;
/// # Ok(()) }
/// ```
///
/// A server on another machine has to use TLS with a certificate for its name, from a public certificate authority or from
/// the one in the file that the URL names: `?ssl-ca=FILE` (MySQL), `?sslrootcert=FILE` (PostgreSQL). A weaker mode in the
/// URL is an error, unless it also has `dangerous_unverified_server=true`, for example for a database without TLS in the same
/// private network. Anyone in that network can then read and change the data. Servers on this machine may do without TLS.
///
/// It is a [`ReplayStore`](portcullis::possession::ReplayStore) of DPoP proofs: `Dpop::required().with_replay_store(store)`. It removes
/// them itself, from 10 seconds after their window on, for clocks that differ.
///
/// It makes its tables when it connects. With the feature `issuer`, it also keeps the signing keys that several machines
/// share, encrypted: `KeyRing::builder().open(store.clone(), secret)`. Every operation on sessions is a single statement, so
/// none needs a transaction. A database that acknowledges a commit has to keep it through a crash, as all three do by default;
/// on SQLite this store demands it (`synchronous = FULL`). A setting that delays commits
/// (`innodb_flush_log_at_trx_commit = 2`, `synchronous_commit = off`) can lose the last rotation in a crash of the machine, and
/// then the session ends at its next refresh.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    statements: Arc<Statements>,
    /// The number of DPoP proofs that were presented.
    proofs: Arc<AtomicU32>,
}

impl SqlStore {
    /// Starts the settings of a store at `url`: `sqlite:sessions.db`, `mysql://user:password@host/database` or
    /// `postgres://user:password@host/database`.
    #[must_use]
    pub fn builder(url: &str) -> SqlStoreBuilder {
        SqlStoreBuilder::new(url)
    }

    fn new(database: Database, prefix: &str) -> Self {
        let statements = Arc::new(Statements::new(database.dialect(), prefix));
        Self { database, statements, proofs: Arc::default() }
    }

    async fn execute(&self, statement: &Arc<str>, values: &[Value<'_>]) -> Result<u64, Unavailable> {
        self.database.execute(statement, values).await.map_err(unavailable)
    }

    /// Runs statements that remove what ended before `before`, at most `limit` rows each.
    async fn remove_of(&self, statements: &[Arc<str>], before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        let mut removed = 0;
        for statement in statements {
            removed += self.execute(statement, &[time(before), Value::Int(limit.into())]).await?;
        }
        Ok(removed)
    }

    async fn fetch(&self, statement: &Arc<str>, values: &[Value<'_>]) -> Result<Vec<Row>, Unavailable> {
        self.database.fetch(statement, values).await.map_err(unavailable)
    }
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        let family = session.family.to_text();
        let columns = Columns::of(session);
        let mut values = vec![
            Value::Text(&session.id),
            Value::Text(&family),
            Value::Text(&session.subject),
            time(session.created_at),
            time(session.ends_at),
        ];
        values.extend(columns.values());
        self.execute(&self.statements.insert_session, &values).await.map(drop)
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        if is_never_stored(id) {
            return Ok(None);
        }
        let rows = self.fetch(&self.statements.session_by_id, &[Value::Text(id)]).await?;
        rows.first().map(read_session).transpose()
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        let rows = self.fetch(&self.statements.session_by_family, &[Value::Text(&family.to_text())]).await?;
        rows.first().map(read_session).transpose()
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        if is_never_stored(subject) {
            return Ok(Vec::new());
        }
        let rows = self.fetch(&self.statements.open_sessions, &[Value::Text(subject), time(now)]).await?;
        rows.iter().map(read_session).collect()
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        let columns = Columns::of(session);
        let mut values = columns.values();
        values.extend([Value::Text(&session.id), Value::Int(session.version.saturating_sub(1))]);
        Ok(self.execute(&self.statements.replace_session, &values).await? > 0)
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        let (statement, selected): (_, &[&str]) = match &which {
            Which::Session(id) => (&self.statements.end_session, &[*id]),
            Which::SessionOf { subject, id } => (&self.statements.end_session_of, &[*subject, *id]),
            Which::AllOf(subject) => (&self.statements.end_all_of, &[*subject]),
            // No session is excepted then.
            Which::OthersOf { subject, keep } if is_never_stored(keep) => (&self.statements.end_all_of, &[*subject]),
            Which::OthersOf { subject, keep } => (&self.statements.end_others_of, &[*subject, *keep]),
        };
        if selected.iter().any(|text| is_never_stored(text)) {
            return Ok(0);
        }
        let mut values = vec![time(ended.at), Value::Text(ended.reason.as_str()), time(ended.at)];
        values.extend(selected.iter().map(|text| Value::Text(text)));
        self.execute(statement, &values).await
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        let values = [
            Value::Text(&token.hash.to_text()),
            Value::Text(&token.purpose),
            Value::Text(&token.subject),
            Value::Text(&token.binding.to_text()),
            time(token.expires_at),
        ];
        self.execute(&self.statements.insert_purpose_token, &values).await.map(drop)
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        let rows = self.fetch(&self.statements.purpose_token, &[Value::Text(&token.to_text())]).await?;
        rows.first().map(|row| read_purpose_token(*token, row)).transpose()
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        Ok(self.execute(&self.statements.take_purpose_token, &[Value::Text(&token.to_text())]).await? > 0)
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        let removed = self.remove_of(&self.statements.remove_expired, before, limit).await?;
        Ok(removed + self.remove_expired_denials(before, limit).await?)
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("dialect", &self.database.dialect()).finish_non_exhaustive()
    }
}

/// The columns that a replacement may change, as text where the database has text.
struct Columns<'a> {
    session: &'a StoredSession,
    current: String,
    previous: Option<String>,
    amr: String,
}

impl<'a> Columns<'a> {
    fn of(session: &'a StoredSession) -> Self {
        Self {
            session,
            current: session.current.to_text(),
            previous: session.previous.map(|previous| previous.hash.to_text()),
            amr: serde_json::Value::from(session.facts.amr.clone()).to_string(),
        }
    }

    /// The values in the order of [`statements::CHANGING`].
    fn values(&self) -> Vec<Value<'_>> {
        let Self { session, current, previous, amr } = self;
        vec![
            Value::Int(session.version),
            Value::Text(current),
            Value::OptionalText(previous.as_deref()),
            Value::OptionalInt(session.previous.map(|previous| previous.rotated_at.as_unix_millis())),
            Value::OptionalInt(session.previous.map(|previous| previous.key_version.into())),
            time(Timestamp::from(session.facts.auth_time)),
            Value::OptionalText(session.facts.acr.as_deref()),
            Value::Text(amr),
            Value::OptionalText(session.label.as_deref()),
            time(session.last_used_at),
            time(session.expires_at),
            Value::OptionalInt(session.ended.map(|ended| ended.at.as_unix_millis())),
            Value::OptionalText(session.ended.map(|ended| ended.reason.as_str())),
        ]
    }
}

fn time<'a>(timestamp: Timestamp) -> Value<'a> {
    Value::Int(timestamp.as_unix_millis())
}

/// Reads the columns of [`statements::FIXED`] and [`statements::CHANGING`].
fn read_session(row: &Row) -> Result<StoredSession, Unavailable> {
    let required_time = |column| row.int(column).map(Timestamp::from_unix_millis);
    let previous = match row.optional_text("previous_hash")? {
        Some(hash) => Some(PreviousToken {
            hash: hash_from(&hash)?,
            rotated_at: required_time("rotated_at")?,
            key_version: u32::try_from(row.int("key_version")?).map_err(|_| unreadable())?,
        }),
        None => None,
    };
    let ended = match row.optional_int("ended_at")? {
        Some(at) => Some(Ended {
            at: Timestamp::from_unix_millis(at),
            // The name of a later version is also an end.
            reason: row
                .optional_text("end_reason")?
                .and_then(|name| EndReason::from_name(&name))
                .unwrap_or(EndReason::Revoked),
        }),
        None => None,
    };
    let facts = AuthFacts {
        auth_time: required_time("auth_time")?.to_date(),
        acr: row.optional_text("acr")?,
        amr: serde_json::from_str(&row.text("amr")?).map_err(|_| unreadable())?,
    };
    Ok(StoredSession {
        id: row.text("id")?,
        family: hash_from(&row.text("family")?)?,
        subject: row.text("subject")?,
        created_at: required_time("created_at")?,
        ends_at: required_time("ends_at")?,
        version: row.int("version")?,
        current: hash_from(&row.text("current_hash")?)?,
        previous,
        facts,
        label: row.optional_text("label")?,
        last_used_at: required_time("last_used_at")?,
        expires_at: required_time("expires_at")?,
        ended,
    })
}

/// Reads purpose, subject, binding and expiry.
fn read_purpose_token(hash: TokenHash, row: &Row) -> Result<StoredPurposeToken, Unavailable> {
    Ok(StoredPurposeToken {
        hash,
        purpose: row.text("purpose")?,
        subject: row.text("subject")?,
        binding: hash_from(&row.text("binding")?)?,
        expires_at: Timestamp::from_unix_millis(row.int("expires_at")?),
    })
}

/// PostgreSQL refuses a statement with such a text. Names and subjects have no control characters, so there is no such row.
fn is_never_stored(text: &str) -> bool {
    text.contains('\0')
}

fn hash_from(text: &str) -> Result<TokenHash, Unavailable> {
    TokenHash::from_text(text).ok_or_else(unreadable)
}

fn unreadable() -> Unavailable {
    Unavailable::new().with_source("the database has a row that cannot be read")
}

fn unavailable(error: sqlx::Error) -> Unavailable {
    Unavailable::new().with_source(error)
}

#[cfg(feature = "sqlite")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny_list::StoredDenial;

    async fn store() -> (SqlStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (open(&folder).await, folder)
    }

    async fn open(folder: &tempfile::TempDir) -> SqlStore {
        let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
        SqlStore::builder(&url).connect().await.unwrap()
    }

    #[tokio::test]
    async fn every_statement_uses_an_index() {
        let (_, folder) = store().await;
        // SQLite plans with the tables that its connection knows. Connections of this store are opened when all of them exist.
        let store = open(&folder).await;
        let statements = &*store.statements;
        let single = [
            &statements.session_by_id,
            &statements.session_by_family,
            &statements.open_sessions,
            &statements.replace_session,
            &statements.end_session,
            &statements.end_session_of,
            &statements.end_all_of,
            &statements.end_others_of,
            &statements.denials,
            &statements.purpose_token,
            &statements.take_purpose_token,
            &statements.renew_proof,
            &statements.remove_expired_proofs,
        ];
        #[cfg(feature = "issuer")]
        let single = single.into_iter().chain([&statements.key_ring, &statements.replace_key_ring]);
        let removals = statements.remove_expired.iter().chain(&statements.remove_expired_denials);
        let api_keys = &statements.api_keys;
        let of_api_keys = [
            &api_keys.by_id,
            &api_keys.by_hash,
            &api_keys.of_owner,
            &api_keys.replace_secret,
            &api_keys.revoke,
            &api_keys.revoke_of,
            &api_keys.revoke_all,
            &api_keys.note_use,
            &api_keys.note_use_of_previous,
        ];
        let single = single.into_iter().chain(of_api_keys).chain(&api_keys.remove_ended);
        for statement in single.chain(removals) {
            let plan: Arc<str> = format!("EXPLAIN QUERY PLAN {statement}").into();
            let marks = vec![Value::Int(1); statement.matches('?').count()];
            let steps = store.fetch(&plan, &marks).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|step| step.text("detail").unwrap()).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH")), "{statement}: {steps:?}");
            assert!(
                !steps.iter().any(|step| step.starts_with("SCAN") || step.contains("TEMP")),
                "{statement}: {steps:?}"
            );
        }
        let removal = Arc::from(format!("EXPLAIN QUERY PLAN {}", statements.remove_expired[0]));
        let steps = store.fetch(&removal, &[Value::Int(1), Value::Int(1)]).await.unwrap();
        assert!(steps.iter().any(|step| step.text("detail").unwrap().contains("_by_expiry")));
    }

    #[tokio::test]
    async fn rows_of_a_later_version_are_read() {
        let (store, _folder) = store().await;
        let token = crate::RefreshToken::generate().unwrap();
        let rules = crate::rules::Rules {
            idle: std::time::Duration::from_secs(60),
            absolute: std::time::Duration::from_secs(60),
            grace: std::time::Duration::ZERO,
        };
        let session = rules.begin("s1".to_owned(), "alice", &token, Timestamp::from_unix_millis(0));
        store.insert(&session).await.unwrap();
        let ended = "UPDATE portcullis_sessions SET ended_at = 5, end_reason = 'a later reason'";
        store.execute(&Arc::from(ended), &[]).await.unwrap();
        assert_eq!(store.find("s1").await.unwrap().unwrap().ended.unwrap().reason, EndReason::Revoked);
        // An unreadable row is an error of the service, and no answer about the session.
        store.execute(&Arc::from("UPDATE portcullis_sessions SET current_hash = 'x'"), &[]).await.unwrap();
        assert!(store.find("s1").await.is_err());
    }

    #[tokio::test]
    async fn tables_of_the_version_before_are_completed() {
        let (store, folder) = store().await;
        let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
        let versions = async |store: &SqlStore| {
            let rows = store.fetch(&Arc::from("SELECT version FROM portcullis_schema"), &[]).await.unwrap();
            rows.iter().map(|row| row.int("version").unwrap()).collect::<Vec<_>>()
        };
        let tables = Arc::from("SELECT name AS detail FROM sqlite_schema WHERE name = 'portcullis_key_ring'");
        // Version 1 had no table of the key ring.
        for statement in ["DROP TABLE portcullis_key_ring", "UPDATE portcullis_schema SET version = 1"] {
            store.execute(&Arc::from(statement), &[]).await.unwrap();
        }
        let name = TokenHash::of("test", &[b"a token"]);
        let denial = StoredDenial { name, issued_before: None, expires_at: Timestamp::from_unix_millis(0) };
        store.deny(&denial).await.unwrap();

        let upgraded = SqlStore::builder(&url).connect().await.unwrap();
        assert_eq!(versions(&upgraded).await, [1, 4]);
        assert_eq!(upgraded.fetch(&tables, &[]).await.unwrap().len(), 1);
        assert_eq!(upgraded.denials(&[name]).await.unwrap(), [denial], "what was stored is still there");

        // Tables of this version are not made again, because the account may lack the right to do that.
        store.execute(&Arc::from("DROP TABLE portcullis_key_ring"), &[]).await.unwrap();
        let again = SqlStore::builder(&url).connect().await.unwrap();
        assert_eq!(again.fetch(&tables, &[]).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn unreadable_version_is_an_error() {
        let (store, folder) = store().await;
        store.execute(&Arc::from("INSERT INTO portcullis_schema (version) VALUES ('x')"), &[]).await.unwrap();
        let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
        let error = SqlStore::builder(&url).connect().await.unwrap_err();
        assert!(matches!(error, SqlStoreError::Unavailable(_)), "{error}");
    }

    #[tokio::test]
    async fn tables_of_a_later_version_are_refused() {
        let (store, folder) = store().await;
        store.execute(&Arc::from("INSERT INTO portcullis_schema (version) VALUES (5)"), &[]).await.unwrap();
        let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
        let error = SqlStore::builder(&url).connect().await.unwrap_err().to_string();
        assert!(error.starts_with("database: the tables have version 5"), "{error}");
    }

    #[tokio::test]
    async fn database_holds_no_token() {
        let (store, folder) = store().await;
        let sessions =
            crate::Sessions::builder(store.clone(), crate::SuccessorKeys::generate().unwrap()).build().unwrap();
        let facts = AuthFacts::at(portcullis::claims::NumericDate::from_unix(0, 0));
        let first = sessions.start("alice", facts).await.unwrap().refresh_token;
        let second = sessions.refresh(first.as_str()).await.unwrap().refresh_token;
        let purpose = sessions.purpose_tokens("reset", std::time::Duration::from_secs(60)).unwrap();
        let purpose = purpose.issue("alice", b"the hash of a password").await.unwrap();
        sessions.revoke_token("the name of a token", portcullis::claims::NumericDate::from_unix(0, 0)).await.unwrap();
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("alice"));
        for secret in
            [first.as_str(), second.as_str(), purpose.as_str(), "the hash of a password", "the name of a token"]
        {
            // Not even a half of it.
            for part in [&secret[..secret.len() / 2], &secret[secret.len() / 2..], &secret[5..]] {
                assert!(!holds(part), "{part}");
            }
        }
    }
}
