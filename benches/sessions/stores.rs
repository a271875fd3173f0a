//! The stores of a contest: one for the bare driver, a small one and a large one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_sessions::{
    AuthFacts, MemoryStore, RedisStore, SessionStore, Sessions, SqlStore, StoredSession, SuccessorKeys, Timestamp,
    TokenHash,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, mysql::MySqlPoolOptions, postgres::PgPoolOptions};

use crate::bare::{Bare, Driver, Row, Statements};
use crate::{SESSIONS, STORED};

/// As many as the store opens.
const CONNECTIONS: u32 = 8;

pub(crate) struct Stores {
    pub(crate) bare: Bare,
    pub(crate) small: Sessions,
    pub(crate) large: Sessions,
}

impl Stores {
    /// Opens the stores of this kind. The error says which server the environment does not name.
    pub(crate) async fn open(name: &str, folder: &Path) -> Result<Self, String> {
        match name {
            "memory" => return Ok(Self::in_memory().await),
            "sqlite" => return Ok(Self::in_sqlite(folder).await),
            _ => {}
        }
        let variable = format!("PORTCULLIS_TEST_{}_URL", name.to_uppercase());
        let Ok(url) = std::env::var(&variable) else {
            return Err(format!("not measured: {variable} is not set"));
        };
        Ok(match name {
            "mysql" => Self::in_mysql(&url).await,
            "postgres" => Self::in_postgres(&url).await,
            _ => Self::in_redis(&url).await,
        })
    }

    async fn in_memory() -> Self {
        let large = Arc::new(MemoryStore::with_capacity(STORED));
        fill(&large).await;
        Self { bare: Bare::in_memory(), small: sessions(MemoryStore::new()), large: sessions(large) }
    }

    /// A file for each store, so that each pays for its own checkpoints.
    async fn in_sqlite(folder: &Path) -> Self {
        let urls = ["bare", "small", "large"].map(|name| format!("sqlite:{}", folder.join(name).display()));
        let [bare, small, large] =
            [connect(&urls[0], "").await, connect(&urls[1], "").await, connect(&urls[2], "").await];
        // The settings of the store.
        let options = |url: &str| {
            let options: SqliteConnectOptions = url.parse().unwrap();
            let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
            options.busy_timeout(Duration::from_secs(10))
        };
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options(&urls[0])).await.unwrap();
        let filling = SqlitePoolOptions::new().connect_with(options(&urls[2])).await.unwrap();
        for statement in fill_statements("portcullis_sessions").chain(["PRAGMA wal_checkpoint(TRUNCATE)".to_owned()]) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&filling).await.unwrap();
        }
        filling.close().await;
        let statements = Statements::new("portcullis_sessions", |_| "?".to_owned());
        let bare = Bare { driver: Driver::Sqlite(pool, statements), rows: insert_rows(&bare).await };
        Self { bare, small: sessions(small), large: sessions(large) }
    }

    async fn in_mysql(url: &str) -> Self {
        let [bare, small, large] = prefixes();
        let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).connect(url).await.unwrap();
        let stores = [connect(url, &bare).await, connect(url, &small).await, connect(url, &large).await];
        let analyze = format!("ANALYZE TABLE {large}portcullis_sessions");
        for statement in fill_statements(&format!("{large}portcullis_sessions")).chain([analyze]) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        }
        let statements = Statements::new(&format!("{bare}portcullis_sessions"), |_| "?".to_owned());
        Self::of_sql(Driver::MySql(pool, statements), stores).await
    }

    async fn in_postgres(url: &str) -> Self {
        let [bare, small, large] = prefixes();
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await.unwrap();
        let stores = [connect(url, &bare).await, connect(url, &small).await, connect(url, &large).await];
        let analyze = format!("VACUUM ANALYZE {large}portcullis_sessions");
        for statement in fill_statements(&format!("{large}portcullis_sessions")).chain([analyze]) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        }
        let statements = Statements::new(&format!("{bare}portcullis_sessions"), |number| format!("${number}"));
        Self::of_sql(Driver::Postgres(pool, statements), stores).await
    }

    async fn of_sql(driver: Driver, [bare, small, large]: [SqlStore; 3]) -> Self {
        let bare = Bare { driver, rows: insert_rows(&bare).await };
        Self { bare, small: sessions(small), large: sessions(large) }
    }

    /// A database of the server for each store, because a database of Redis is one table.
    async fn in_redis(url: &str) -> Self {
        let of_number = |number| format!("{}/{number}", url.trim_end_matches("/0").trim_end_matches('/'));
        let prefix = format!("bench{}:", std::process::id());
        let connect = async |number| {
            let builder = RedisStore::builder(&of_number(number)).key_prefix(&prefix);
            builder.command_timeout(Duration::from_secs(60)).connect().await.unwrap()
        };
        let (small, large) = (connect(14).await, Arc::new(connect(15).await));
        fill(&large).await;
        Self { bare: Bare::in_redis(&of_number(13)).await, small: sessions(small), large: sessions(large) }
    }
}

/// Prefixes of tables that no other run uses.
fn prefixes() -> [String; 3] {
    ["bare", "small", "large"].map(|name| format!("{name}{}_", std::process::id()))
}

async fn connect(url: &str, prefix: &str) -> SqlStore {
    SqlStore::builder(url).table_prefix(prefix).max_connections(CONNECTIONS).connect().await.unwrap()
}

fn sessions(store: impl SessionStore + 'static) -> Sessions {
    Sessions::builder(store, SuccessorKeys::generate().unwrap()).build().unwrap()
}

/// Makes statements that insert sessions, 500 at once. Their names are random, as those of real sessions are.
fn fill_statements(table: &str) -> impl Iterator<Item = String> + use<> {
    const AT_ONCE: usize = 500;
    let (table, now) = (table.to_owned(), now());
    let columns =
        "id, family, subject, created_at, ends_at, version, current_hash, auth_time, amr, last_used_at, expires_at";
    (0..(STORED - SESSIONS).div_ceil(AT_ONCE)).map(move |statement| {
        let rows: Vec<_> = (0..AT_ONCE)
            .map(|row| {
                let (id, family) = names(statement * AT_ONCE + row);
                let (family, end) = (URL_SAFE_NO_PAD.encode(family), now + 2_592_000_000);
                format!(
                    "('{id}', '{family}', 'user-{id}', {now}, {end}, 0, '{family}', {now}, '[\"pwd\"]', {now}, {end})"
                )
            })
            .collect();
        format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(", "))
    })
}

/// Inserts sessions through the store, many at once.
async fn fill<S: SessionStore + 'static>(store: &Arc<S>) {
    const TASKS: usize = 100;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in (task..STORED - SESSIONS).step_by(TASKS) {
                    store.insert(&stored(number)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Inserts the rows for the bare driver.
async fn insert_rows(store: &SqlStore) -> Vec<Row> {
    let mut rows = Vec::new();
    for number in 0..SESSIONS {
        store.insert(&stored(number)).await.unwrap();
        let (id, family) = names(number);
        rows.push(Row { id, family: URL_SAFE_NO_PAD.encode(family) });
    }
    rows
}

fn stored(number: usize) -> StoredSession {
    let (id, family) = names(number);
    let (now, end) = (Timestamp::from_unix_millis(now()), Timestamp::from_unix_millis(now() + 2_592_000_000));
    StoredSession {
        subject: format!("user-{id}"),
        id,
        family: TokenHash::from_bytes(family),
        version: 0,
        current: TokenHash::from_bytes(family),
        previous: None,
        facts: AuthFacts::now().with_amr(["pwd"]),
        label: None,
        created_at: now,
        last_used_at: now,
        expires_at: end,
        ends_at: end,
        ended: None,
    }
}

/// The name and the family of the session with this number. They look random.
fn names(number: usize) -> (String, [u8; 32]) {
    let mut state = u64::try_from(number).unwrap();
    // The generator SplitMix64.
    let mut random = || {
        state = state.wrapping_mul(8).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).to_be_bytes()
    };
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&random()));
    (URL_SAFE_NO_PAD.encode(&bytes[..16]), bytes)
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
