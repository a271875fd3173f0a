//! The bare operations of the drivers: read the row of a token, and write the next version if it has the version that was
//! read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, Row as _, SqlitePool};

/// The driver of a store, and the rows that are measured.
pub(crate) struct Bare {
    pub(crate) driver: Driver,
    pub(crate) rows: Vec<Row>,
}

pub(crate) enum Driver {
    Memory(Mutex<HashMap<String, (i64, Row)>>),
    Sqlite(SqlitePool, Statements),
    MySql(MySqlPool, Statements),
    Postgres(PgPool, Statements),
    Redis(MultiplexedConnection, redis::Script),
}

/// The names of a session.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) family: String,
}

pub(crate) struct Statements {
    select: Arc<str>,
    update: Arc<str>,
}

impl Statements {
    /// Makes the statements for a table of sessions. `placeholder` writes the placeholder with a number.
    pub(crate) fn new(table: &str, placeholder: fn(usize) -> String) -> Self {
        let columns = ["version", "current_hash", "previous_hash", "rotated_at", "key_version", "last_used_at"];
        let assignments: Vec<_> =
            (1..).zip(columns).map(|(number, column)| format!("{column} = {}", placeholder(number))).collect();
        let (assignments, id, version) = (assignments.join(", "), placeholder(7), placeholder(8));
        Self {
            select: format!("SELECT * FROM {table} WHERE family = {}", placeholder(1)).into(),
            update: format!("UPDATE {table} SET {assignments} WHERE id = {id} AND version = {version}").into(),
        }
    }
}

/// Sets fields of a session if it has the version before.
const REPLACE: &str = "
    if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], unpack(ARGV, 2))
    return 1";

/// As long as the hash of a token.
const HASH: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
const NOW: i64 = 1_800_000_000_000;

macro_rules! rotate {
    ($pool:expr, $statements:expr, $row:expr) => {{
        let select = sqlx::query(AssertSqlSafe(Arc::clone(&$statements.select))).bind($row.family.clone());
        let version: i64 = select.fetch_one($pool).await.unwrap().get("version");
        let update = sqlx::query(AssertSqlSafe(Arc::clone(&$statements.update)));
        let update = update.bind(version + 1).bind(HASH).bind(HASH).bind(NOW).bind(1_i64).bind(NOW);
        let written = update.bind($row.id.clone()).bind(version).execute($pool).await.unwrap();
        assert_eq!(written.rows_affected(), 1);
    }};
}

impl Bare {
    /// Reads the row with this number, and writes its next version.
    pub(crate) async fn rotate(&self, number: usize) {
        let row = &self.rows[number];
        match &self.driver {
            Driver::Memory(table) => {
                let (version, read) = table.lock().unwrap().get(&row.family).unwrap().clone();
                let mut table = table.lock().unwrap();
                let stored = table.get_mut(&row.family).unwrap();
                assert_eq!(stored.0, version);
                *stored = (version + 1, read);
            }
            Driver::Sqlite(pool, statements) => rotate!(pool, statements, row),
            Driver::MySql(pool, statements) => rotate!(pool, statements, row),
            Driver::Postgres(pool, statements) => rotate!(pool, statements, row),
            Driver::Redis(connection, script) => {
                let mut connection = connection.clone();
                let key: String = redis::cmd("GET").arg(&row.family).query_async(&mut connection).await.unwrap();
                let fields: HashMap<String, String> =
                    redis::cmd("HGETALL").arg(&key).query_async(&mut connection).await.unwrap();
                let version: i64 = fields["version"].parse().unwrap();
                let mut call = script.key(&key);
                call.arg(version).arg("version").arg(version + 1).arg("current").arg(HASH).arg("previous").arg(HASH);
                call.arg("rotated_at").arg(NOW).arg("key_version").arg(1).arg("last_used_at").arg(NOW);
                assert_eq!(call.invoke_async::<i64>(&mut connection).await.unwrap(), 1);
            }
        }
    }

    /// Makes the rows in Redis: a hash for each, and a key that leads to it.
    pub(crate) async fn in_redis(url: &str) -> Self {
        let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let rows: Vec<_> = (0..crate::SESSIONS)
            .map(|number| Row { id: format!("bare:{number}"), family: format!("bare:family:{number}") })
            .collect();
        let zero = NOW.to_string();
        let fields = [
            ("version", "0"),
            ("id", "kq3sY8mYtS1mN0oPqRsTuV"),
            ("family", HASH),
            ("subject", "caller-1"),
            ("created_at", &zero),
            ("ends_at", &zero),
            ("current", HASH),
            ("auth_time", &zero),
            ("amr", "[\"pwd\"]"),
            ("expires_at", &zero),
        ];
        for row in &rows {
            redis::cmd("SET").arg(&row.family).arg(&row.id).exec_async(&mut connection).await.unwrap();
            redis::cmd("HSET").arg(&row.id).arg(&fields[..]).exec_async(&mut connection).await.unwrap();
        }
        Self { driver: Driver::Redis(connection, redis::Script::new(REPLACE)), rows }
    }

    pub(crate) fn in_memory() -> Self {
        let rows: Vec<_> = (0..crate::SESSIONS)
            .map(|number| Row { id: format!("{number:022}"), family: format!("{number:043}") })
            .collect();
        let table = rows.iter().map(|row| (row.family.clone(), (0, row.clone()))).collect();
        Self { driver: Driver::Memory(Mutex::new(table)), rows }
    }
}
