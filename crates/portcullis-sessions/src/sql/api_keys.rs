//! API keys in an SQL database.

use std::sync::Arc;

use portcullis::async_trait;
use portcullis::error::Unavailable;

use super::database::{Dialect, Row, Value};
use super::statements::{placeholders, removal, tables};
use super::{SqlStore, hash_from, is_never_stored, time};
use crate::api_keys::{ApiKeyStore, StoredApiKey, StoredPreviousSecret, WhichApiKeys};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

pub(super) struct ApiKeyStatements {
    pub(super) insert: Arc<str>,
    pub(super) by_id: Arc<str>,
    pub(super) by_hash: Arc<str>,
    pub(super) of_owner: Arc<str>,
    pub(super) replace_secret: Arc<str>,
    pub(super) revoke: Arc<str>,
    pub(super) revoke_of: Arc<str>,
    pub(super) revoke_all: Arc<str>,
    pub(super) note_use: Arc<str>,
    pub(super) note_use_of_previous: Arc<str>,
    /// By expiry and by revocation.
    pub(super) remove_ended: [Arc<str>; 2],
}

/// The columns that never change.
const FIXED: [&str; 5] = ["id", "owner", "label", "scopes", "created_at"];
/// The columns that a rotation sets, in the order of [`secrets`].
const SECRETS: [&str; 7] =
    ["version", "hash", "issued_at", "expires_at", "previous_hash", "previous_expires_at", "previous_used_at"];
const STATE: [&str; 2] = ["last_used_at", "revoked_at"];

impl ApiKeyStatements {
    pub(super) fn new(dialect: Dialect, prefix: &str) -> Self {
        let sql = |template: &str| -> Arc<str> { placeholders(dialect, &tables(template, prefix)).into() };
        let columns = [&FIXED[..], &SECRETS[..], &STATE[..]].concat();
        let (names, marks) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
        let assignments = SECRETS.map(|column| format!("{column} = ?")).join(", ");
        let select = format!("SELECT {names} FROM {{api_keys}} WHERE");
        let revoke = "UPDATE {api_keys} SET revoked_at = ?, version = version + 1 WHERE revoked_at IS NULL AND";
        let remove = |column: &str| sql(&removal(dialect, "{api_keys}", "id", column));
        Self {
            insert: sql(&format!("INSERT INTO {{api_keys}} ({names}) VALUES ({marks})")),
            by_id: sql(&format!("{select} id = ?")),
            // Two selections, so that each uses its index on every database.
            by_hash: sql(&format!("{select} hash = ? UNION ALL {select} previous_hash = ?")),
            of_owner: sql(&format!("{select} owner = ?")),
            replace_secret: sql(&format!(
                "UPDATE {{api_keys}} SET {assignments} WHERE id = ? AND version = ? AND revoked_at IS NULL"
            )),
            revoke: sql(&format!("{revoke} id = ?")),
            revoke_of: sql(&format!("{revoke} owner = ? AND id = ?")),
            revoke_all: sql(&format!("{revoke} owner = ?")),
            note_use: sql(
                "UPDATE {api_keys} SET last_used_at = ? WHERE hash = ? AND (last_used_at IS NULL OR last_used_at < ?)",
            ),
            note_use_of_previous: sql("UPDATE {api_keys} SET previous_used_at = ?, \
                 last_used_at = CASE WHEN last_used_at > ? THEN last_used_at ELSE ? END \
                 WHERE previous_hash = ? AND (previous_used_at IS NULL OR previous_used_at < ?)"),
            remove_ended: [remove("expires_at"), remove("revoked_at")],
        }
    }
}

#[async_trait]
impl ApiKeyStore for SqlStore {
    async fn insert_api_key(&self, key: &StoredApiKey) -> Result<(), Unavailable> {
        let (scopes, hashes) = (key.scopes.join(" "), Hashes::of(key));
        let mut values = vec![
            Value::Text(&key.id),
            Value::Text(&key.owner),
            Value::Text(&key.label),
            Value::Text(&scopes),
            time(key.created_at),
        ];
        values.extend(secrets(key, &hashes));
        values.extend([optional_time(key.last_used_at), optional_time(key.revoked_at)]);
        self.execute(&self.statements.api_keys.insert, &values).await.map(drop)
    }

    async fn find_api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Unavailable> {
        if is_never_stored(id) {
            return Ok(None);
        }
        let rows = self.fetch(&self.statements.api_keys.by_id, &[Value::Text(id)]).await?;
        rows.first().map(read).transpose()
    }

    async fn find_api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredApiKey>, Unavailable> {
        let hash = hash.to_text();
        let rows = self.fetch(&self.statements.api_keys.by_hash, &[Value::Text(&hash), Value::Text(&hash)]).await?;
        rows.first().map(read).transpose()
    }

    async fn api_keys_of(&self, owner: &str) -> Result<Vec<StoredApiKey>, Unavailable> {
        if is_never_stored(owner) {
            return Ok(Vec::new());
        }
        let rows = self.fetch(&self.statements.api_keys.of_owner, &[Value::Text(owner)]).await?;
        rows.iter().map(read).collect()
    }

    async fn replace_api_key_secret(&self, key: &StoredApiKey) -> Result<bool, Unavailable> {
        let hashes = Hashes::of(key);
        let mut values = secrets(key, &hashes).to_vec();
        values.extend([Value::Text(&key.id), Value::Int(key.version.saturating_sub(1))]);
        Ok(self.execute(&self.statements.api_keys.replace_secret, &values).await? > 0)
    }

    async fn revoke_api_keys(&self, which: WhichApiKeys<'_>, at: Timestamp) -> Result<u64, Unavailable> {
        let statements = &self.statements.api_keys;
        let (statement, selected): (_, &[&str]) = match &which {
            WhichApiKeys::Key(id) => (&statements.revoke, &[*id]),
            WhichApiKeys::KeyOf { owner, id } => (&statements.revoke_of, &[*owner, *id]),
            WhichApiKeys::AllOf(owner) => (&statements.revoke_all, &[*owner]),
        };
        if selected.iter().any(|text| is_never_stored(text)) {
            return Ok(0);
        }
        let mut values = vec![time(at)];
        values.extend(selected.iter().map(|text| Value::Text(text)));
        self.execute(statement, &values).await
    }

    async fn note_api_key_use(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Unavailable> {
        let (hash, at) = (hash.to_text(), time(at));
        let hash = Value::Text(&hash);
        let changed = self.execute(&self.statements.api_keys.note_use, &[at, hash, at]).await?;
        if changed == 0 {
            let values = [at, at, at, hash, at];
            self.execute(&self.statements.api_keys.note_use_of_previous, &values).await?;
        }
        Ok(())
    }

    async fn remove_ended_api_keys(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.remove_of(&self.statements.api_keys.remove_ended, before, limit).await
    }
}

/// The hashes of a key as text.
struct Hashes {
    current: String,
    previous: Option<String>,
}

impl Hashes {
    fn of(key: &StoredApiKey) -> Self {
        Self { current: key.hash.to_text(), previous: key.previous.map(|previous| previous.hash.to_text()) }
    }
}

/// The values in the order of [`SECRETS`].
fn secrets<'a>(key: &StoredApiKey, hashes: &'a Hashes) -> [Value<'a>; 7] {
    let previous = key.previous;
    [
        Value::Int(key.version),
        Value::Text(&hashes.current),
        time(key.issued_at),
        optional_time(key.expires_at),
        Value::OptionalText(hashes.previous.as_deref()),
        optional_time(previous.map(|previous| previous.expires_at)),
        optional_time(previous.and_then(|previous| previous.last_used_at)),
    ]
}

fn optional_time<'a>(timestamp: Option<Timestamp>) -> Value<'a> {
    Value::OptionalInt(timestamp.map(Timestamp::as_unix_millis))
}

fn read(row: &Row) -> Result<StoredApiKey, Unavailable> {
    let required_time = |column| row.int(column).map(Timestamp::from_unix_millis);
    let time = |column| Ok::<_, Unavailable>(row.optional_int(column)?.map(Timestamp::from_unix_millis));
    let previous = match row.optional_text("previous_hash")? {
        Some(hash) => Some(StoredPreviousSecret {
            hash: hash_from(&hash)?,
            expires_at: required_time("previous_expires_at")?,
            last_used_at: time("previous_used_at")?,
        }),
        None => None,
    };
    Ok(StoredApiKey {
        id: row.text("id")?,
        hash: hash_from(&row.text("hash")?)?,
        owner: row.text("owner")?,
        label: row.text("label")?,
        scopes: row.text("scopes")?.split_ascii_whitespace().map(str::to_owned).collect(),
        version: row.int("version")?,
        created_at: required_time("created_at")?,
        issued_at: required_time("issued_at")?,
        expires_at: time("expires_at")?,
        previous,
        last_used_at: time("last_used_at")?,
        revoked_at: time("revoked_at")?,
    })
}
