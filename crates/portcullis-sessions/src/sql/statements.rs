//! The statements, with the names of the tables and the placeholders of the database.

use std::sync::Arc;

use super::api_keys::ApiKeyStatements;
use super::database::Dialect;

pub(super) struct Statements {
    pub(super) api_keys: ApiKeyStatements,
    pub(super) insert_session: Arc<str>,
    pub(super) session_by_id: Arc<str>,
    pub(super) session_by_family: Arc<str>,
    pub(super) open_sessions: Arc<str>,
    pub(super) replace_session: Arc<str>,
    pub(super) end_session: Arc<str>,
    pub(super) end_session_of: Arc<str>,
    pub(super) end_all_of: Arc<str>,
    pub(super) end_others_of: Arc<str>,
    pub(super) deny: Arc<str>,
    pub(super) deny_before: Arc<str>,
    pub(super) denials: Arc<str>,
    pub(super) insert_purpose_token: Arc<str>,
    pub(super) purpose_token: Arc<str>,
    pub(super) take_purpose_token: Arc<str>,
    pub(super) insert_proof: Arc<str>,
    pub(super) renew_proof: Arc<str>,
    pub(super) remove_expired_proofs: Arc<str>,
    /// One for each table whose rows expire.
    pub(super) remove_expired: [Arc<str>; 2],
    /// The same for the tables of deny-lists.
    pub(super) remove_expired_denials: [Arc<str>; 2],
    #[cfg(feature = "issuer")]
    pub(super) key_ring: Arc<str>,
    #[cfg(feature = "issuer")]
    pub(super) insert_key_ring: Arc<str>,
    #[cfg(feature = "issuer")]
    pub(super) replace_key_ring: Arc<str>,
}

/// The columns that never change.
pub(super) const FIXED: [&str; 5] = ["id", "family", "subject", "created_at", "ends_at"];
/// The other columns.
pub(super) const CHANGING: [&str; 13] = [
    "version",
    "current_hash",
    "previous_hash",
    "rotated_at",
    "key_version",
    "auth_time",
    "acr",
    "amr",
    "label",
    "last_used_at",
    "expires_at",
    "ended_at",
    "end_reason",
];

/// How many entries of a deny-list one statement looks for.
pub(super) const DENIALS_AT_ONCE: usize = 5;

impl Statements {
    pub(super) fn new(dialect: Dialect, prefix: &str) -> Self {
        let sql = |template: &str| -> Arc<str> { placeholders(dialect, &tables(template, prefix)).into() };
        let columns = [&FIXED[..], &CHANGING[..]].concat();
        let (names, marks) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
        let assignments = CHANGING.map(|column| format!("{column} = ?")).join(", ");
        let select = format!("SELECT {names} FROM {{sessions}} WHERE");
        let end = "UPDATE {sessions} SET ended_at = ?, end_reason = ?, version = version + 1 \
                   WHERE ended_at IS NULL AND expires_at > ? AND";
        // Adds a row, or keeps the later of the times in these columns.
        let later = |table: &str, columns: &[&str]| {
            let (names, marks) = (columns.join(", "), vec!["?"; columns.len() + 1].join(", "));
            let insert = format!("INSERT INTO {table} (token, {names}) VALUES ({marks}) ");
            let each = |of: &dyn Fn(&str) -> String| columns.iter().map(|name| of(name)).collect::<Vec<_>>().join(", ");
            let update = match dialect {
                Dialect::MySql => {
                    let greatest = each(&|name| format!("{name} = GREATEST({name}, VALUES({name}))"));
                    format!("ON DUPLICATE KEY UPDATE {greatest}")
                }
                Dialect::Postgres => {
                    let greatest = each(&|name| format!("{name} = GREATEST({table}.{name}, excluded.{name})"));
                    format!("ON CONFLICT (token) DO UPDATE SET {greatest}")
                }
                Dialect::Sqlite => {
                    let greatest = each(&|name| format!("{name} = MAX({name}, excluded.{name})"));
                    format!("ON CONFLICT (token) DO UPDATE SET {greatest}")
                }
            };
            sql(&(insert + &update))
        };
        let marks_of_denials = ["?"; DENIALS_AT_ONCE].join(", ");
        let remove = |table: &str, key: &str| sql(&removal(dialect, table, key, "expires_at"));
        Self {
            api_keys: ApiKeyStatements::new(dialect, prefix),
            insert_session: sql(&format!("INSERT INTO {{sessions}} ({names}) VALUES ({marks})")),
            session_by_id: sql(&format!("{select} id = ?")),
            session_by_family: sql(&format!("{select} family = ?")),
            open_sessions: sql(&format!("{select} subject = ? AND expires_at > ? AND ended_at IS NULL")),
            replace_session: sql(&format!("UPDATE {{sessions}} SET {assignments} WHERE id = ? AND version = ?")),
            end_session: sql(&format!("{end} id = ?")),
            end_session_of: sql(&format!("{end} subject = ? AND id = ?")),
            end_all_of: sql(&format!("{end} subject = ?")),
            end_others_of: sql(&format!("{end} subject = ? AND id <> ?")),
            deny: later("{revoked_tokens}", &["expires_at"]),
            deny_before: later("{revoked_before}", &["issued_before", "expires_at"]),
            denials: sql(&format!(
                "SELECT token, issued_before, expires_at FROM {{revoked_before}} WHERE token IN ({marks_of_denials}) \
                 UNION ALL SELECT token, NULL, expires_at FROM {{revoked_tokens}} WHERE token IN ({marks_of_denials})"
            )),
            insert_purpose_token: sql(
                "INSERT INTO {purpose_tokens} (token, purpose, subject, binding, expires_at) VALUES (?, ?, ?, ?, ?)",
            ),
            purpose_token: sql("SELECT purpose, subject, binding, expires_at FROM {purpose_tokens} WHERE token = ?"),
            take_purpose_token: sql("DELETE FROM {purpose_tokens} WHERE token = ?"),
            insert_proof: sql(match dialect {
                Dialect::MySql => "INSERT IGNORE INTO {used_proofs} (proof, expires_at) VALUES (?, ?)",
                Dialect::Postgres | Dialect::Sqlite => {
                    "INSERT INTO {used_proofs} (proof, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
                }
            }),
            renew_proof: sql("UPDATE {used_proofs} SET expires_at = ? WHERE proof = ? AND expires_at < ?"),
            remove_expired_proofs: remove("{used_proofs}", "proof"),
            remove_expired: [remove("{sessions}", "id"), remove("{purpose_tokens}", "token")],
            remove_expired_denials: [remove("{revoked_tokens}", "token"), remove("{revoked_before}", "token")],
            #[cfg(feature = "issuer")]
            key_ring: sql("SELECT version, sealed FROM {key_ring} WHERE id = 1"),
            #[cfg(feature = "issuer")]
            insert_key_ring: sql("INSERT INTO {key_ring} (id, version, sealed) VALUES (1, ?, ?)"),
            #[cfg(feature = "issuer")]
            replace_key_ring: sql("UPDATE {key_ring} SET version = ?, sealed = ? WHERE id = 1 AND version = ?"),
        }
    }
}

/// Makes the statement that removes rows whose time in `column` is before a value, those with the earliest times, and at most a
/// second value of them.
pub(super) fn removal(dialect: Dialect, table: &str, key: &str, column: &str) -> String {
    let earliest = format!("WHERE {column} < ? ORDER BY {column} LIMIT ?");
    let lock = match dialect {
        Dialect::MySql => return format!("DELETE FROM {table} {earliest}"),
        // Without the lock, PostgreSQL would also remove a row that another transaction renewed between the selection and the
        // removal. On the locked row, it compares the time again.
        Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} {earliest}{lock})")
}

/// Puts in the names of the tables.
pub(super) fn tables(template: &str, prefix: &str) -> String {
    let names = [
        "sessions",
        "revoked_tokens",
        "revoked_before",
        "used_proofs",
        "purpose_tokens",
        "key_ring",
        "api_keys",
        "schema",
    ];
    names.iter().fold(template.to_owned(), |sql, table| {
        sql.replace(&format!("{{{table}}}"), &format!("{prefix}portcullis_{table}"))
    })
}

/// Numbers the placeholders where the database needs that.
pub(super) fn placeholders(dialect: Dialect, sql: &str) -> String {
    if dialect != Dialect::Postgres {
        return sql.to_owned();
    }
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    (1..).zip(parts).fold(first, |sql, (number, part)| format!("{sql}${number}{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_fit_their_database() {
        let of = |dialect| Statements::new(dialect, "api_");
        let remove = "DELETE FROM api_portcullis_revoked_tokens WHERE";
        assert_eq!(
            &*of(Dialect::MySql).remove_expired_denials[0],
            format!("{remove} expires_at < ? ORDER BY expires_at LIMIT ?")
        );
        let inner = "SELECT token FROM api_portcullis_revoked_tokens WHERE";
        assert_eq!(
            &*of(Dialect::Postgres).remove_expired_denials[0],
            format!("{remove} token IN ({inner} expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)")
        );
        let removes = |statements: Statements| {
            let of_keys = statements.api_keys.remove_ended;
            let (expired, denials) = (statements.remove_expired, statements.remove_expired_denials);
            [&expired[..], &denials[..], &of_keys[..], &[statements.remove_expired_proofs]].concat()
        };
        assert!(removes(of(Dialect::Postgres)).iter().all(|sql| sql.ends_with(" LIMIT $2 FOR UPDATE SKIP LOCKED)")));
        assert!(removes(of(Dialect::Sqlite)).iter().all(|sql| sql.ends_with(" LIMIT ?)")));
        let marks = |sql: &str| sql.matches('?').count();
        let sqlite = of(Dialect::Sqlite);
        assert_eq!((marks(&sqlite.insert_session), marks(&sqlite.replace_session)), (18, 15));
        assert_eq!((marks(&sqlite.deny), marks(&sqlite.deny_before), marks(&sqlite.denials)), (2, 3, 10));
        assert!(of(Dialect::Postgres).insert_session.ends_with("$17, $18)"));
    }
}
