//! How a store connects to its database.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::time::{Duration, Instant};

use portcullis::ConfigError;
use portcullis::error::Unavailable;

use super::SqlStore;
use super::database::Database;
#[cfg(feature = "sqlite")]
use super::database::is_locked;
use super::schema::{self, SchemaError};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::server_url::{DANGEROUS, ServerUrl};

/// The settings of an [`SqlStore`]. [`SqlStore::builder`] starts one.
pub struct SqlStoreBuilder {
    url: String,
    prefix: String,
    max_connections: u32,
}

/// Why an [`SqlStore`] could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlStoreError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be reached, or refused a statement. Its source says more.
    #[error("the database of the sessions is unavailable")]
    Unavailable(#[from] Unavailable),
}

impl SqlStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), prefix: String::new(), max_connections: 8 }
    }

    /// Sets what the names of all tables begin with, for example `api_`. By default they are `portcullis_sessions` and so
    /// on. It has up to 24 lowercase letters, digits and underscores, and does not begin with a digit.
    #[must_use]
    pub fn table_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets how many connections are open at most: 1 to 1,000, and 8 by default.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Connects. On a new database it makes the tables, and on one of an earlier version it adds what is missing; otherwise
    /// the account needs no right to make tables. On SQLite it makes the file if it is missing.
    ///
    /// # Errors
    /// [`SqlStoreError`] when a setting is wrong, the server on another machine is not verified, or the database is
    /// unavailable.
    pub async fn connect(self) -> Result<SqlStore, SqlStoreError> {
        ConfigError::all(self.errors())?;
        let database = self.open().await?;
        match schema::migrate(&database, &self.prefix).await {
            Ok(()) => Ok(SqlStore::new(database, &self.prefix)),
            Err(SchemaError::Database(error)) => Err(Unavailable::new().with_source(error).into()),
            Err(SchemaError::Unreadable(error)) => Err(error.into()),
            Err(newer @ SchemaError::Newer(_)) => {
                let hint = "use the version of this program that made them, or a later one";
                Err(ConfigError::new("database", newer.to_string(), hint).into())
            }
        }
    }

    /// Returns the URL for other tables in the same database, with the TLS mode that [`connect`](Self::connect) uses. The default
    /// mode of sqlx checks no certificate.
    ///
    /// # Errors
    /// [`SqlStoreError`] when the URL cannot be read, or its TLS mode does not check which server answers.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub fn verified_url(&self) -> Result<String, SqlStoreError> {
        match self.url.split(':').next().unwrap_or_default() {
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let mode = self.mysql_options()?.get_ssl_mode();
                let is_verified = matches!(mode, sqlx::mysql::MySqlSslMode::VerifyIdentity);
                Ok(ServerUrl::parse(&self.url)?.with_mode(is_verified, "ssl-mode", "VERIFY_IDENTITY"))
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let mode = self.postgres_options()?.get_ssl_mode();
                let is_verified = matches!(mode, sqlx::postgres::PgSslMode::VerifyFull);
                Ok(ServerUrl::parse(&self.url)?.with_mode(is_verified, "sslmode", "verify-full"))
            }
            _ => Ok(self.url.clone()),
        }
    }

    fn errors(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts_with_digit = self.prefix.starts_with(|first: char| first.is_ascii_digit());
        if self.prefix.len() > 24 || !self.prefix.bytes().all(allowed) || starts_with_digit {
            let hint = "write up to 24 lowercase letters, digits and underscores, such as `api_`";
            errors.push(ConfigError::new("table_prefix", "cannot begin a name of a table", hint));
        }
        if !(1..=1000).contains(&self.max_connections) {
            errors.push(ConfigError::new("max_connections", "not from 1 to 1000", "write 1 to 1000"));
        }
        errors
    }

    async fn open(&self) -> Result<Database, SqlStoreError> {
        let scheme = self.url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" => self.open_sqlite().await,
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let options = self.mysql_options()?;
                let pool = sqlx::pool::PoolOptions::new().max_connections(self.max_connections);
                Ok(Database::MySql(pool.connect_with(options).await.map_err(cannot_connect)?))
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let options = self.postgres_options()?;
                let pool = sqlx::pool::PoolOptions::new().max_connections(self.max_connections);
                Ok(Database::Postgres(pool.connect_with(options).await.map_err(cannot_connect)?))
            }
            _ => {
                let hint = "write `sqlite:FILE`, `mysql://…` or `postgres://…`, and enable the feature of this name";
                Err(ConfigError::new("url", "names no database that this program can use", hint).into())
            }
        }
    }

    #[cfg(feature = "mysql")]
    fn mysql_options(&self) -> Result<sqlx::mysql::MySqlConnectOptions, SqlStoreError> {
        use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

        let url = ServerUrl::parse(&self.url)?;
        let options: MySqlConnectOptions = url.text.parse().map_err(unreadable_url)?;
        if options.get_socket().is_some() {
            return Ok(options);
        }
        let verifies = matches!(options.get_ssl_mode(), MySqlSslMode::VerifyIdentity);
        let must_verify = url.must_verify(options.get_host());
        check_mode(&url, must_verify && !verifies)?;
        Ok(if must_verify { options.ssl_mode(MySqlSslMode::VerifyIdentity) } else { options })
    }

    #[cfg(feature = "postgres")]
    fn postgres_options(&self) -> Result<sqlx::postgres::PgConnectOptions, SqlStoreError> {
        use sqlx::postgres::{PgConnectOptions, PgSslMode};

        let url = ServerUrl::parse(&self.url)?;
        let options: PgConnectOptions = url.text.parse().map_err(unreadable_url)?;
        if options.get_socket().is_some() {
            return Ok(options);
        }
        let verifies = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
        let must_verify = url.must_verify(options.get_host());
        check_mode(&url, must_verify && !verifies)?;
        Ok(if must_verify { options.ssl_mode(PgSslMode::VerifyFull) } else { options })
    }

    #[cfg(feature = "sqlite")]
    async fn open_sqlite(&self) -> Result<Database, SqlStoreError> {
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

        if self.url.contains(":memory:") || self.url.contains("mode=memory") {
            let hint = "use `MemoryStore`, or write the name of a file";
            return Err(ConfigError::new("url", "every connection would have its own database", hint).into());
        }
        let options: SqliteConnectOptions = self.url.parse().map_err(unreadable_url)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With less, a crash of the machine can undo a rotation that was acknowledged.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        // Only one of several that open a new file can switch it to WAL. SQLite does not let the others wait, but tells them
        // at once that it is locked: <https://sqlite.org/c3ref/busy_handler.html>.
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            let pool = SqlitePoolOptions::new().max_connections(self.max_connections);
            match pool.connect_with(options.clone()).await {
                Ok(pool) => return Ok(Database::Sqlite(pool)),
                Err(error) if is_locked(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err(cannot_connect(error)),
            }
        }
    }
}

/// How long a store waits for another process that has the file locked.
#[cfg(feature = "sqlite")]
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The URL has the password, so the error of the parser is not shown.
fn unreadable_url(_: sqlx::Error) -> SqlStoreError {
    let hint = "write `sqlite:FILE`, `mysql://user:password@host/database` or `postgres://user:password@host/database`";
    ConfigError::new("url", "cannot be read", hint).into()
}

/// Refuses a mode in the URL that is too weak.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn check_mode(url: &ServerUrl, is_too_weak: bool) -> Result<(), ConfigError> {
    if url.has_mode && is_too_weak {
        return Err(ConfigError::new("url", "its TLS mode does not check which server answers", hint()));
    }
    Ok(())
}

/// The error of a server that did not prove who it is.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn unverified(error: &sqlx::Error) -> ConfigError {
    ConfigError::new("url", format!("the server could not be verified: {error}"), hint())
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn hint() -> String {
    format!(
        "write `ssl-mode=VERIFY_IDENTITY` (MySQL) or `sslmode=verify-full` (PostgreSQL) or leave it out, and name the file of \
         your own certificate authority with `ssl-ca` or `sslrootcert`; with `{DANGEROUS}=true`, anyone between the \
         machines can read and change the data"
    )
}

fn cannot_connect(error: sqlx::Error) -> SqlStoreError {
    match &error {
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        sqlx::Error::Tls(_) => unverified(&error).into(),
        // A certificate that does not fit.
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => unverified(&error).into(),
        _ => Unavailable::new().with_source(error).into(),
    }
}

impl fmt::Debug for SqlStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStoreBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error_of(builder: SqlStoreBuilder) -> String {
        builder.connect().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn wrong_settings_are_refused() {
        let builder = SqlStore::builder;
        for prefix in ["API_", "1a", "a-b", "a;DROP TABLE users", "a b", "ä", "\"", &"a".repeat(25)] {
            let error = error_of(builder("sqlite:unused.db").table_prefix(prefix)).await;
            assert!(error.starts_with("table_prefix: "), "{error}");
        }
        let error = error_of(builder("sqlite:unused.db").table_prefix("-").max_connections(0)).await;
        assert!(error.contains("table_prefix: ") && error.contains("max_connections: "), "{error}");
        for url in ["", "oracle://host", "sqlite::memory:", "sqlite://x?mode=memory", "sessions.db"] {
            let error = error_of(builder(url)).await;
            assert!(error.starts_with("url: "), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn file_that_is_locked_opens_later() {
        use sqlx::sqlite::SqliteConnectOptions;
        use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

        let folder = tempfile::tempdir().unwrap();
        for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; CREATE TABLE other (id INT)"] {
            let file = folder.path().join(lock.replace(' ', "_"));
            let mut other =
                SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
            other.execute(lock).await.unwrap();
            let url = format!("sqlite:{}", file.display());
            let opening = tokio::spawn(SqlStore::builder(&url).connect());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!opening.is_finished(), "{lock}");
            other.execute("ROLLBACK").await.unwrap();
            opening.await.unwrap().unwrap();
            other.close().await.unwrap();
        }
    }

    #[cfg(all(feature = "mysql", feature = "postgres"))]
    #[test]
    fn servers_of_other_machines_are_verified() {
        use sqlx::mysql::MySqlSslMode;
        use sqlx::postgres::PgSslMode;

        let mysql = |url: &str| SqlStore::builder(url).mysql_options().unwrap().get_ssl_mode();
        let postgres = |url: &str| SqlStore::builder(url).postgres_options().unwrap().get_ssl_mode();
        let unverified = "dangerous_unverified_server=true";
        assert!(matches!(mysql("mysql://u:p@db.example/d"), MySqlSslMode::VerifyIdentity));
        assert!(matches!(mysql("mysql://u:p@localhost/d"), MySqlSslMode::Preferred));
        assert!(matches!(mysql("mysql://u:p@db.example/d?socket=/s"), MySqlSslMode::Preferred));
        assert!(matches!(mysql(&format!("mysql://u:p@db.example/d?{unverified}")), MySqlSslMode::Preferred));
        assert!(matches!(postgres("postgres://u:p@db.example/d"), PgSslMode::VerifyFull));
        assert!(matches!(postgres("postgres://u:p@[::1]/d?sslmode=require"), PgSslMode::Require));
        // The host of the connection counts, not the one that stands first.
        assert!(matches!(postgres("postgres://u:p@localhost/d?host=db.example"), PgSslMode::VerifyFull));
        assert!(matches!(
            postgres(&format!("postgres://u:p@db.example/d?sslmode=disable&{unverified}")),
            PgSslMode::Disable
        ));
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let url = format!("postgres://u:p@db.example/d?sslmode={mode}");
            assert!(SqlStore::builder(&url).postgres_options().is_err(), "{mode}");
        }
        for mode in ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA"] {
            let url = format!("mysql://u:p@db.example/d?ssl-mode={mode}");
            assert!(SqlStore::builder(&url).mysql_options().is_err(), "{mode}");
        }
    }

    /// 0.0.0.0 reaches this machine, and counts as another one.
    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn password_is_not_sent_to_a_server_without_tls() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://user:secret@0.0.0.0:{}/db", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            connection.read_exact(&mut request).await.unwrap();
            connection.write_all(b"N").await.unwrap();
            let mut rest = Vec::new();
            connection.read_to_end(&mut rest).await.unwrap();
            rest
        });
        let error = error_of(SqlStore::builder(&url)).await;
        assert!(error.starts_with("url: the server could not be verified: "), "{error}");
        assert!(error.contains("sslrootcert") && !error.contains("secret"), "{error}");
        assert_eq!(server.await.unwrap(), b"");
    }

    #[cfg(feature = "mysql")]
    #[tokio::test]
    async fn errors_hide_the_password() {
        let error = error_of(SqlStore::builder("mysql://user:secret@host:port/db")).await;
        assert!(error.starts_with("url: cannot be read") && !error.contains("secret"), "{error}");
    }

    #[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    #[test]
    fn verified_url_has_the_mode_of_the_store() {
        let url = |text: &str| SqlStore::builder(text).verified_url().map_err(|error| error.to_string());
        for (given, expected) in [
            ("sqlite:sessions.db", "sqlite:sessions.db"),
            ("mysql://u:p@localhost/db", "mysql://u:p@localhost/db"),
            ("postgres://u:p@127.0.0.1/db", "postgres://u:p@127.0.0.1/db"),
            ("mysql://u:p@db.example/db", "mysql://u:p@db.example/db?ssl-mode=VERIFY_IDENTITY"),
            (
                "mariadb://u:p@db.example/db?charset=utf8mb4",
                "mariadb://u:p@db.example/db?charset=utf8mb4&ssl-mode=VERIFY_IDENTITY",
            ),
            ("postgres://u:p@db.example/db", "postgres://u:p@db.example/db?sslmode=verify-full"),
            ("postgres://u:p@db.example/db?sslmode=verify-full", "postgres://u:p@db.example/db?sslmode=verify-full"),
            (
                "postgres://u:p@db.example/db?sslmode=disable&dangerous_unverified_server=true",
                "postgres://u:p@db.example/db?sslmode=disable",
            ),
        ] {
            assert_eq!(url(given).as_deref(), Ok(expected), "{given}");
        }
        for weak in
            ["mysql://u:secret@db.example/db?ssl-mode=REQUIRED", "postgres://u:secret@db.example/db?sslmode=require"]
        {
            let error = url(weak).unwrap_err();
            assert!(error.starts_with("url: its TLS mode does not check") && !error.contains("secret"), "{error}");
        }
    }
}
