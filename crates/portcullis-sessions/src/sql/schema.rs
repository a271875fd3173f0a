//! The tables, and how a database gets them.

use std::sync::Arc;

use portcullis::error::Unavailable;

use super::database::{Database, Dialect, Value};
use super::statements::{placeholders, tables};

/// The version of the tables below. Version 2 added the table of the key ring, version 3 those of subjects whose earlier
/// tokens are denied, and of used proofs, version 4 that of API keys.
const VERSION: i64 = 4;

/// Why the tables of a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the tables have version {0}, and this program knows versions up to {VERSION}")]
    Newer(i64),
    #[error(transparent)]
    Unreadable(Unavailable),
}

/// Makes the tables that are missing. Several machines may do this at once.
///
/// Tables that have this version already are left as they are, so an account without the right to make tables can use them.
pub(super) async fn migrate(database: &Database, prefix: &str) -> Result<(), SchemaError> {
    let dialect = database.dialect();
    let sql = |template: &str| -> Arc<str> { placeholders(dialect, &tables(template, prefix)).into() };
    let select = sql("SELECT version FROM {schema} ORDER BY version DESC");
    // The first statement fails on a new database, which has no tables yet.
    let rows = match database.fetch(&select, &[]).await {
        Ok(rows) => rows,
        Err(_) => {
            make(database, &SCHEMA, prefix).await?;
            database.fetch(&select, &[]).await?
        }
    };
    match rows.first().map(|row| row.int("version")).transpose().map_err(SchemaError::Unreadable)? {
        Some(VERSION) => return Ok(()),
        Some(newer @ VERSION..) => return Err(SchemaError::Newer(newer)),
        Some(_) | None => {}
    }
    for table in &TABLES {
        make(database, table, prefix).await?;
    }
    // After the tables: if this program dies before, the next one makes the rest.
    let insert = sql(match dialect {
        Dialect::MySql => "INSERT IGNORE INTO {schema} (version) VALUES (?)",
        Dialect::Postgres | Dialect::Sqlite => "INSERT INTO {schema} (version) VALUES (?) ON CONFLICT DO NOTHING",
    });
    database.execute(&insert, &[Value::Int(VERSION)]).await?;
    Ok(())
}

/// A table: its columns with the types of [`TYPES`], and its indexes.
struct Table {
    name: &'static str,
    columns: &'static str,
    indexes: &'static [(&'static str, &'static str)],
}

/// The versions whose tables a database has.
const SCHEMA: Table = Table { name: "schema", columns: "version BIGINT NOT NULL PRIMARY KEY", indexes: &[] };

const TABLES: [Table; 7] = [
    Table {
        name: "sessions",
        columns: "id {session} NOT NULL PRIMARY KEY, family {hash} NOT NULL UNIQUE, subject {subject} NOT NULL, \
                  created_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, version BIGINT NOT NULL, \
                  current_hash {hash} NOT NULL, previous_hash {hash}, rotated_at BIGINT, key_version BIGINT, \
                  auth_time BIGINT NOT NULL, acr {text}, amr TEXT NOT NULL, label {text}, \
                  last_used_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, ended_at BIGINT, end_reason {reason}",
        indexes: &[BY_EXPIRY, ("by_subject", "subject, expires_at")],
    },
    Table {
        name: "revoked_tokens",
        columns: "token {hash} NOT NULL PRIMARY KEY, expires_at BIGINT NOT NULL",
        indexes: &[BY_EXPIRY],
    },
    Table {
        name: "used_proofs",
        columns: "proof {hash} NOT NULL PRIMARY KEY, expires_at BIGINT NOT NULL",
        indexes: &[BY_EXPIRY],
    },
    Table {
        name: "revoked_before",
        columns: "token {hash} NOT NULL PRIMARY KEY, issued_before BIGINT NOT NULL, expires_at BIGINT NOT NULL",
        indexes: &[BY_EXPIRY],
    },
    Table {
        name: "purpose_tokens",
        columns: "token {hash} NOT NULL PRIMARY KEY, purpose {purpose} NOT NULL, subject {subject} NOT NULL, \
                  binding {hash} NOT NULL, expires_at BIGINT NOT NULL",
        indexes: &[BY_EXPIRY],
    },
    // One row, whose id is 1.
    Table {
        name: "key_ring",
        columns: "id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, sealed {long text} NOT NULL",
        indexes: &[],
    },
    Table {
        name: "api_keys",
        columns: "id {session} NOT NULL PRIMARY KEY, owner {subject} NOT NULL, label {text} NOT NULL, \
                  scopes {long text} NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL, \
                  hash {hash} NOT NULL UNIQUE, issued_at BIGINT NOT NULL, expires_at BIGINT, \
                  previous_hash {hash}, previous_expires_at BIGINT, previous_used_at BIGINT, \
                  last_used_at BIGINT, revoked_at BIGINT",
        indexes: &[BY_EXPIRY, ("by_revocation", "revoked_at"), ("by_owner", "owner"), ("by_previous", "previous_hash")],
    },
];

const BY_EXPIRY: (&str, &str) = ("by_expiry", "expires_at");

/// The types that differ between MySQL and the others. Names and hashes are binary there, because it ignores white space at
/// the end of text.
const TYPES: [(&str, &str, &str); 7] = [
    ("{session}", "VARBINARY(22)", "TEXT"),
    ("{hash}", "VARBINARY(43)", "TEXT"),
    ("{purpose}", "VARBINARY(64)", "TEXT"),
    ("{subject}", "VARBINARY(255)", "TEXT"),
    ("{reason}", "VARCHAR(16)", "TEXT"),
    ("{text}", "VARCHAR(255)", "TEXT"),
    ("{long text}", "MEDIUMTEXT", "TEXT"),
];

/// Makes a table and its indexes unless they exist.
async fn make(database: &Database, table: &Table, prefix: &str) -> Result<(), SchemaError> {
    for statement in table.statements(database.dialect()) {
        let statement = tables(&statement, prefix).into();
        // On PostgreSQL, two machines that make one table at once can fail although they say IF NOT EXISTS. The table is
        // there at the second attempt.
        if database.execute(&statement, &[]).await.is_err() {
            database.execute(&statement, &[]).await?;
        }
    }
    Ok(())
}

impl Table {
    fn statements(&self, dialect: Dialect) -> Vec<String> {
        let Self { name, columns, indexes } = self;
        let typed = |columns: &str| {
            TYPES.iter().fold(columns.to_owned(), |sql, (name, mysql, others)| {
                sql.replace(name, if dialect == Dialect::MySql { mysql } else { others })
            })
        };
        let create = format!("CREATE TABLE IF NOT EXISTS {{{name}}} ({}", typed(columns));
        let indexes = indexes.iter();
        match dialect {
            // MySQL has no CREATE INDEX IF NOT EXISTS.
            Dialect::MySql => {
                let keys: String = indexes.map(|(index, columns)| format!(", KEY {index} ({columns})")).collect();
                vec![format!("{create}{keys}) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")]
            }
            Dialect::Postgres | Dialect::Sqlite => {
                let end = if dialect == Dialect::Sqlite { ") WITHOUT ROWID" } else { ")" };
                let indexes = indexes.map(|(index, columns)| {
                    format!("CREATE INDEX IF NOT EXISTS {{{name}}}_{index} ON {{{name}}} ({columns})")
                });
                std::iter::once(format!("{create}{end}")).chain(indexes).collect()
            }
        }
    }
}
