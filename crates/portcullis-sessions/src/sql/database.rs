//! The connections to one of the databases, and the few operations that statements need.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis::error::Unavailable;
use sqlx::{AssertSqlSafe, Row as _};

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub(super) enum Database {
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// The kind of a database. Statements differ by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(dead_code, reason = "each needs a feature")]
pub(super) enum Dialect {
    MySql,
    Postgres,
    Sqlite,
}

/// A value for a placeholder.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(i64),
    OptionalInt(Option<i64>),
    Text(&'a str),
    OptionalText(Option<&'a str>),
}

/// A row of a result.
pub(super) enum Row {
    #[cfg(feature = "mysql")]
    MySql(sqlx::mysql::MySqlRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
}

/// Runs the same expression for each database.
macro_rules! on_each {
    ($enum:ident, $value:expr, $name:ident => $result:expr) => {
        match $value {
            #[cfg(feature = "mysql")]
            $enum::MySql($name) => $result,
            #[cfg(feature = "postgres")]
            $enum::Postgres($name) => $result,
            #[cfg(feature = "sqlite")]
            $enum::Sqlite($name) => $result,
        }
    };
}

macro_rules! query {
    ($statement:expr, $values:expr) => {{
        // Statements have names of tables, which were validated, and placeholders.
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone($statement)));
        for value in $values {
            query = match *value {
                Value::Int(value) => query.bind(value),
                Value::OptionalInt(value) => query.bind(value),
                Value::Text(value) => query.bind(value.to_owned()),
                Value::OptionalText(value) => query.bind(value.map(str::to_owned)),
            };
        }
        query
    }};
}

impl Database {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "mysql")]
            Self::MySql(_) => Dialect::MySql,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs a statement that changes rows or tables. Returns the number of rows that it changed.
    pub(super) async fn execute(&self, statement: &Arc<str>, values: &[Value<'_>]) -> Result<u64, sqlx::Error> {
        // Of two statements that wait for each other, the database undoes one, which can be repeated.
        for _ in 0..REPEATED_AFTER_DEADLOCKS {
            match self.execute_once(statement, values).await {
                Err(error) if is_deadlock(&error) => {}
                result => return result,
            }
        }
        self.execute_once(statement, values).await
    }

    async fn execute_once(&self, statement: &Arc<str>, values: &[Value<'_>]) -> Result<u64, sqlx::Error> {
        on_each!(Self, self, pool => Ok(query!(statement, values).execute(pool).await?.rows_affected()))
    }

    /// Returns the rows that a selection finds. It locks no rows, so no deadlock undoes it.
    pub(super) async fn fetch(&self, statement: &Arc<str>, values: &[Value<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            #[cfg(feature = "mysql")]
            Self::MySql(pool) => {
                Ok(query!(statement, values).fetch_all(pool).await?.into_iter().map(Row::MySql).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => {
                Ok(query!(statement, values).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect())
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool) => {
                Ok(query!(statement, values).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect())
            }
        }
    }
}

/// How often a statement is repeated that the database undid.
const REPEATED_AFTER_DEADLOCKS: usize = 8;

/// Whether the database undid the statement because of a deadlock: SQLSTATE 40001 on MySQL, 40P01 on PostgreSQL.
fn is_deadlock(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(&*code, "40001" | "40P01"))
}

/// Whether the error is `SQLITE_BUSY`, which has several extended codes: <https://sqlite.org/rescode.html#busy>.
#[cfg(feature = "sqlite")]
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    code(error).and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code)
}

impl Row {
    pub(super) fn int(&self, column: &str) -> Result<i64, Unavailable> {
        on_each!(Self, self, row => row.try_get(column)).map_err(unreadable)
    }

    pub(super) fn optional_int(&self, column: &str) -> Result<Option<i64>, Unavailable> {
        on_each!(Self, self, row => row.try_get(column)).map_err(unreadable)
    }

    pub(super) fn text(&self, column: &str) -> Result<String, Unavailable> {
        self.optional_text(column)?.ok_or_else(|| Unavailable::new().with_source("a column has no value"))
    }

    pub(super) fn optional_text(&self, column: &str) -> Result<Option<String>, Unavailable> {
        match self {
            // Unchecked, because names are VARBINARY. They still have to be UTF-8.
            #[cfg(feature = "mysql")]
            Self::MySql(row) => row.try_get_unchecked(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }
}

fn unreadable(error: sqlx::Error) -> Unavailable {
    Unavailable::new().with_source(error)
}
