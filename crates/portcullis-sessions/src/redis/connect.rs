//! How a store connects to Redis, and what it demands of the server.

use std::fmt;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::error::Unavailable;
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::RedisStore;
use super::connection::{Connection, Failure, Limits};
use crate::server_url::{DANGEROUS, ServerUrl};

/// The settings of a [`RedisStore`]. [`RedisStore::builder`] starts one.
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    allow_lost_writes: bool,
}

/// Why a [`RedisStore`] could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// A setting is wrong, here or on the server.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Redis cannot be reached, or refused a command. Its source says more.
    #[error("the Redis server of the sessions is unavailable")]
    Unavailable(#[from] Unavailable),
}

const LONGEST: Duration = Duration::from_secs(60);

impl RedisStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "portcullis:".to_owned(),
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
            allow_lost_writes: false,
        }
    }

    /// Sets what the names of all keys begin with, `portcullis:` by default. It has 1 to 64 visible ASCII characters without
    /// braces, which would change the slots of a cluster.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets how long an attempt to connect may take: 1 ms to 60 s, and 2 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a command may take: 1 ms to 60 s, and 1 s by default. A refresh needs up to four commands, one
    /// after the other.
    #[must_use]
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// Accepts a server that may lose writes: one without `appendonly yes`, `appendfsync always` and
    /// `no-appendfsync-on-rewrite no`, one that removes keys when its memory is full, or one that refuses `CONFIG GET`. The
    /// command `INFO` is always needed.
    ///
    /// After a crash of such a server, the last writes can be undone, up to all since the last snapshot. Then a user whose
    /// refresh was lost has to log in again, a session that had ended may be open again, and a refresh token that was used is
    /// accepted once more until the client presents its later one. The design notes say what each setting can lose.
    #[must_use]
    pub fn allow_lost_writes(mut self) -> Self {
        self.allow_lost_writes = true;
        self
    }

    /// Connects, and reads the settings of the server.
    ///
    /// # Errors
    /// [`RedisStoreError`] when a setting is wrong, a server on another machine is not verified, the server may lose writes and
    /// that was not [allowed](Self::allow_lost_writes), or Redis is unavailable.
    pub async fn connect(self) -> Result<RedisStore, RedisStoreError> {
        ConfigError::all(self.errors())?;
        let url = ServerUrl::parse(&self.url)?;
        let info = self.connection_info(&url)?;
        let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let limits = Limits { connect: self.connect_timeout, command: self.command_timeout };
        let server = Connection::to_server(Client::open(info.clone()).map_err(unavailable)?, limits);
        let facts = ServerFacts::read(&server).await?;
        if !self.allow_lost_writes {
            facts.check()?;
        }
        let connection = if facts.is_cluster {
            if !is_encrypted {
                check_nodes(&url, &server.run::<String>(redis::cmd("CLUSTER").arg("NODES")).await?)?;
            }
            open_cluster(info, limits).await?
        } else {
            server
        };
        Ok(RedisStore::new(connection, &self.prefix))
    }

    fn errors(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}');
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(allowed) {
            let hint = "write 1 to 64 visible ASCII characters without braces, such as `portcullis:`";
            errors.push(ConfigError::new("key_prefix", "cannot begin a name of a key", hint));
        }
        for (field, timeout) in [("connect_timeout", self.connect_timeout), ("command_timeout", self.command_timeout)] {
            if !(Duration::from_millis(1)..=LONGEST).contains(&timeout) {
                errors.push(ConfigError::new(field, "not from 1 ms to 60 s", "write 1 ms to 60 s"));
            }
        }
        errors
    }

    /// Reads the URL, which has the password, so the error of the parser is not shown.
    fn connection_info(&self, url: &ServerUrl) -> Result<ConnectionInfo, ConfigError> {
        let hint = "write `redis://user:password@host:6379/0`, or `rediss://…` for TLS";
        let unreadable = || ConfigError::new("url", "cannot be read", hint);
        let info = url.text.as_str().into_connection_info().map_err(|_| unreadable())?;
        match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                let hint = "remove `#insecure`, and let the system trust the certificate of the server";
                return Err(ConfigError::new("url", "turns the check of the certificate off", hint));
            }
            ConnectionAddr::Tcp(_, 0) | ConnectionAddr::TcpTls { port: 0, .. } => return Err(unreadable()),
            ConnectionAddr::TcpTls { .. } => choose_cryptography(),
            ConnectionAddr::Tcp(host, _) if url.must_verify(host) => {
                return Err(unencrypted("has no TLS, and the server is on another machine"));
            }
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => {}
            _ => return Err(unreadable()),
        }
        // A server that vanished without a word is noticed.
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let tcp = tcp.set_user_timeout(self.command_timeout.saturating_mul(2));
        Ok(info.set_tcp_settings(tcp))
    }
}

/// Makes aws-lc the cryptography of TLS, unless the program has chosen one. rustls panics if it finds two and no choice.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread has just chosen.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// Checks the nodes of a cluster without TLS, of which `nodes` has one line each (`CLUSTER NODES`). A node that was never part
/// of a larger cluster does not know its host.
fn check_nodes(url: &ServerUrl, nodes: &str) -> Result<(), ConfigError> {
    let address = |line: &str| Some(line.split(' ').nth(1)?.split('@').next()?.rsplit_once(':')?.0.to_owned());
    let hosts = nodes.lines().filter_map(address).filter(|host| !host.is_empty());
    match hosts.filter(|host| url.must_verify(host)).count() {
        0 => Ok(()),
        _ => Err(unencrypted("has no TLS, and nodes of the cluster are on other machines")),
    }
}

fn unencrypted(problem: &'static str) -> ConfigError {
    let hint = format!(
        "write `rediss://…`; with `?{DANGEROUS}=true` behind `redis://…`, anyone between the machines can read and change \
         the data"
    );
    ConfigError::new("url", problem, hint)
}

async fn open_cluster(seed: ConnectionInfo, limits: Limits) -> Result<Connection, Unavailable> {
    let client = ClusterClientBuilder::new([seed])
        .connection_timeout(limits.connect)
        .response_timeout(limits.command)
        // A command that may have been done is not repeated for long: the callers repeat requests.
        .retries(3)
        .build()
        .map_err(unavailable)?;
    let attempt = client.get_async_connection();
    let connection = match tokio::time::timeout(limits.connect.saturating_mul(2), attempt).await {
        Ok(result) => result.map_err(unavailable)?,
        Err(_) => return Err(Failure::TimedOut.into()),
    };
    Ok(Connection::to_cluster(connection, limits))
}

fn cannot_connect(failure: Failure) -> RedisStoreError {
    match failure.unverified() {
        Some(why) => {
            let hint = "write the name that is in the certificate of the server, and let the system trust its certificate \
                        authority, for example with SSL_CERT_FILE";
            ConfigError::new("url", format!("the server could not be verified: {why}"), hint).into()
        }
        None => Unavailable::from(failure).into(),
    }
}

fn unavailable(error: redis::RedisError) -> Unavailable {
    Failure::Redis(error).into()
}

/// What a server tells about itself.
struct ServerFacts {
    is_cluster: bool,
    /// Whether it has an append-only file.
    has_log: bool,
    /// When it writes this file to the disk. `None` if it does not tell.
    fsync: Option<String>,
    /// `yes` if it does not do so while it writes a new file. `None` if it does not tell.
    pauses_fsync: Option<String>,
    /// Whether it may remove keys when its memory is full.
    evicts: bool,
}

impl ServerFacts {
    async fn read(server: &Connection) -> Result<Self, RedisStoreError> {
        let info: String = server.send(&redis::cmd("INFO")).await.map_err(cannot_connect)?;
        let setting = async |name: &str| {
            let mut command = redis::cmd("CONFIG");
            // Hosted servers refuse it.
            let pair = server.run::<Vec<String>>(command.arg("GET").arg(name)).await.ok()?;
            pair.into_iter().nth(1)
        };
        let (fsync, pauses_fsync) = (setting("appendfsync").await, setting("no-appendfsync-on-rewrite").await);
        Ok(Self::from_answers(&info, fsync, pauses_fsync))
    }

    fn from_answers(info: &str, fsync: Option<String>, pauses_fsync: Option<String>) -> Self {
        let value = |name: &str| {
            let of = |line: &str| line.trim_end().strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
            info.lines().find_map(of).unwrap_or_default()
        };
        Self {
            is_cluster: value("cluster_enabled") == "1",
            has_log: value("aof_enabled") == "1",
            fsync,
            pauses_fsync,
            evicts: value("maxmemory") != "0" && value("maxmemory_policy") != "noeviction",
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let hint = "run `CONFIG SET appendonly yes` and `CONFIG SET appendfsync always` and write both to redis.conf, or \
                    call `allow_lost_writes` and accept what its documentation says";
        let loss = match (self.has_log, self.fsync.as_deref()) {
            (true, Some("always")) => None,
            (true, None) => Some("does not tell whether `appendfsync` is `always`"),
            (false, _) => Some("loses writes in a crash: `appendonly` is `no`"),
            (true, Some(_)) => Some("loses writes in a crash: `appendfsync` is not `always`"),
        };
        if let Some(problem) = loss {
            return Err(ConfigError::new("server", problem, hint));
        }
        let loss = match self.pauses_fsync.as_deref() {
            Some("no") => None,
            Some(_) => {
                Some("loses writes in a crash while it writes a new file: `no-appendfsync-on-rewrite` is not `no`")
            }
            None => Some("does not tell whether `no-appendfsync-on-rewrite` is `no`"),
        };
        if let Some(problem) = loss {
            let hint = "run `CONFIG SET no-appendfsync-on-rewrite no` and write it to redis.conf, or call \
                        `allow_lost_writes` and accept what its documentation says";
            return Err(ConfigError::new("server", problem, hint));
        }
        if self.evicts {
            let hint = "set `maxmemory-policy noeviction`, or call `allow_lost_writes`";
            return Err(ConfigError::new("server", "removes sessions and revocations when its memory is full", hint));
        }
        Ok(())
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error_of(builder: RedisStoreBuilder) -> String {
        builder.connect().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn wrong_settings_are_refused() {
        let of = |url: &str| RedisStore::builder(url);
        let good = "redis://127.0.0.1:1";
        let table = [
            (of(good).key_prefix(""), "key_prefix: "),
            (of(good).key_prefix("a{b"), "key_prefix: "),
            (of(good).key_prefix("a b"), "key_prefix: "),
            (of(good).key_prefix(&"a".repeat(65)), "key_prefix: "),
            (of(good).connect_timeout(Duration::ZERO), "connect_timeout: "),
            (of(good).command_timeout(Duration::from_secs(61)), "command_timeout: "),
            (of("secret"), "url: "),
            (of("http://user:secret@localhost"), "url: "),
            (of("redis://user:secret@localhost:x"), "url: "),
            (of("rediss://user:secret@localhost/#insecure"), "url: turns the check"),
            (of("redis://user:secret@localhost:0"), "url: cannot be read"),
            (of("rediss://user:secret@localhost:0"), "url: cannot be read"),
            (of("redis://:secret@redis.example:6379/0"), "url: has no TLS"),
            (of("redis://:secret@10.0.0.7"), "url: has no TLS"),
            (of("redis://:secret@[::ffff:127.0.0.1]"), "url: has no TLS"),
            (of("redis://:secret@redis.example?dangerous_unverified_server=yes"), "url: the parameter"),
            (
                of("rediss://:secret@redis.example/#insecure").key_prefix("x"),
                "url: turns the check of the certificate off",
            ),
        ];
        for (builder, expected) in table {
            let error = error_of(builder).await;
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn unreachable_server_is_unavailable() {
        for url in ["redis://user:secret@127.0.0.1:1", "rediss://user:secret@127.0.0.1:1"] {
            let error = RedisStore::builder(url).connect().await.unwrap_err();
            assert!(matches!(&error, RedisStoreError::Unavailable(_)), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    /// This form of 127.0.0.1 reaches this machine, and counts as another one.
    #[tokio::test]
    async fn password_is_not_sent_to_a_server_without_tls() {
        use tokio::io::AsyncReadExt as _;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://user:secret@[::ffff:127.0.0.1]:{}", listener.local_addr().unwrap().port());
        let error = error_of(RedisStore::builder(&url)).await;
        assert!(error.contains("`rediss://…`; with `?dangerous_unverified_server=true`"), "{error}");
        assert!(!error.contains("secret"), "{error}");

        let dangerous = RedisStore::builder(&format!("{url}/0?dangerous_unverified_server=true"));
        let connecting = tokio::spawn(dangerous.command_timeout(Duration::from_millis(200)).connect());
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 4];
        connection.read_exact(&mut request).await.unwrap();
        drop(connection);
        assert!(matches!(connecting.await.unwrap(), Err(RedisStoreError::Unavailable(_))));
        let others = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(others.is_err(), "the refused URL led to a connection");
    }

    #[test]
    fn nodes_on_other_machines_need_tls() {
        let nodes = |second: &str| {
            format!(
                "a0 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-1\nb1 {second} master - 0 0 1 connected\n"
            )
        };
        let check = |url: &str, nodes: &str| check_nodes(&ServerUrl::parse(url).unwrap(), nodes);
        for good in ["127.0.0.1:7001@17001", "::1:7001@17001,localhost", ":7001@17001", ":0@0"] {
            assert_eq!(check("redis://localhost", &nodes(good)), Ok(()), "{good}");
        }
        for other in ["10.0.0.7:7001@17001", "10.0.0.7:7001@17001,localhost", "fe80::1:7001@17001"] {
            let error = check("redis://localhost", &nodes(other)).unwrap_err().to_string();
            assert!(error.starts_with("url: has no TLS, and nodes of the cluster are on other machines"), "{error}");
            assert_eq!(check("redis://localhost?dangerous_unverified_server=true", &nodes(other)), Ok(()), "{other}");
        }
    }

    #[test]
    fn server_that_may_lose_writes_is_refused() {
        let info = |log: &str, memory: &str, policy: &str| {
            format!("# Memory\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\naof_enabled:{log}\r\n")
        };
        let table = [
            (info("1", "0", "noeviction"), Some("always"), None),
            (info("1", "0", "allkeys-lru"), Some("always"), None),
            (info("1", "5000", "noeviction"), Some("always"), None),
            (info("1", "5000", "volatile-ttl"), Some("always"), Some("removes sessions")),
            (info("1", "0", "noeviction"), Some("everysec"), Some("`appendfsync` is not `always`")),
            (info("1", "0", "noeviction"), None, Some("does not tell")),
            (info("0", "0", "noeviction"), Some("always"), Some("`appendonly` is `no`")),
            (String::new(), None, Some("`appendonly` is `no`")),
        ];
        for (info, fsync, expected) in table {
            let result = ServerFacts::from_answers(&info, fsync.map(str::to_owned), Some("no".to_owned())).check();
            match expected {
                None => assert!(result.is_ok(), "{info} {fsync:?}"),
                Some(text) => assert!(result.unwrap_err().to_string().contains(text), "{info} {fsync:?}"),
            }
        }
        for (pauses, expected) in [(Some("yes"), "`no-appendfsync-on-rewrite` is not `no`"), (None, "does not tell")] {
            let (fsync, pauses) = (Some("always".to_owned()), pauses.map(str::to_owned));
            let error = ServerFacts::from_answers(&info("1", "0", "noeviction"), fsync, pauses).check().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(ServerFacts::from_answers("cluster_enabled:1\r\n", None, None).is_cluster);
    }
}
