//! The tables.

use std::sync::Arc;

use super::database::{Database, Dialect, Value};
use super::statements::tables;

/// The version of the tables below.
const VERSION: i64 = 1;

/// What the tables of a database need before this version can use them.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the tables have version {0}, and this program knows versions up to {VERSION}")]
    Newer(i64),
}

/// Makes the tables that are missing. Several machines may do this at once.
pub(super) async fn migrate(database: &Database, prefix: &str) -> Result<(), SchemaError> {
    let sql = |template: &str| -> Arc<str> { tables(template, prefix).into() };
    let dialect = database.dialect();
    let script = match dialect {
        Dialect::MySql => include_str!("schema_mysql.sql"),
        Dialect::Postgres => include_str!("schema_postgres.sql"),
        Dialect::Sqlite => include_str!("schema_sqlite.sql"),
    };
    for statement in script.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let statement = sql(statement);
        // On PostgreSQL, two machines that make one table at once can fail although they say IF NOT EXISTS. The table is
        // there at the second attempt.
        if database.execute(&statement, &[]).await.is_err() {
            database.execute(&statement, &[]).await?;
        }
    }
    let insert = match dialect {
        Dialect::MySql => "INSERT IGNORE INTO {schema} (version) VALUES (1)",
        Dialect::Postgres | Dialect::Sqlite => "INSERT INTO {schema} (version) VALUES (1) ON CONFLICT DO NOTHING",
    };
    database.execute(&sql(insert), &[]).await?;
    let newer = sql(match dialect {
        Dialect::Postgres => "SELECT version FROM {schema} WHERE version > $1 ORDER BY version DESC",
        Dialect::MySql | Dialect::Sqlite => "SELECT version FROM {schema} WHERE version > ? ORDER BY version DESC",
    });
    let rows = database.fetch(&newer, &[Value::Int(VERSION)]).await?;
    match rows.first().map(|row| row.int(0)) {
        Some(Ok(version)) => Err(SchemaError::Newer(version)),
        _ => Ok(()),
    }
}
