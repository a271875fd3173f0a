//! The connection to a server or a cluster: time limits, new connections after failures, and errors without contents.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use portcullis::error::Unavailable;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, ToRedisArgs};
use tokio::sync::Mutex;

use super::scripts::Script;

/// How long the limits of time are.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) command: Duration,
}

/// A connection that all callers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    target: Target,
    limits: Limits,
    #[cfg(test)]
    pub(super) faults: Arc<super::faults::Faults>,
}

#[derive(Clone)]
enum Target {
    Server(Arc<Server>),
    /// It knows which node has a slot, and finds out when that changes.
    Cluster(ClusterConnection),
}

/// One server, and the connection to it if there is one.
struct Server {
    client: Client,
    config: AsyncConnectionConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<MultiplexedConnection>,
    /// How many connections there were.
    number: u64,
    failed_at: Option<Instant>,
}

/// After a failed attempt to connect, callers are told so for this long, and do not try themselves.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a command failed.
pub(super) enum Failure {
    Redis(RedisError),
    TimedOut,
    /// An attempt to connect has failed just now.
    Pause,
}

impl Connection {
    /// Does not connect yet.
    pub(super) fn to_server(client: Client, limits: Limits) -> Self {
        // The limit for commands is here, so that a command that timed out leads to a new connection.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(limits.connect)).set_response_timeout(None);
        let server = Server { client, config, state: Mutex::default() };
        Self::new(Target::Server(Arc::new(server)), limits)
    }

    pub(super) fn to_cluster(connection: ClusterConnection, limits: Limits) -> Self {
        Self::new(Target::Cluster(connection), limits)
    }

    fn new(target: Target, limits: Limits) -> Self {
        Self {
            target,
            limits,
            #[cfg(test)]
            faults: Arc::default(),
        }
    }

    /// Runs a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        self.send(command).await.map_err(Unavailable::from)
    }

    /// Runs a script.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: impl ToRedisArgs,
    ) -> Result<T, Unavailable> {
        match self.send(&script.by_hash(keys, &arguments)).await {
            Err(Failure::Redis(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.run(&script.by_text(keys, &arguments)).await
            }
            result => result.map_err(Unavailable::from),
        }
    }

    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        #[cfg(test)]
        self.faults.before()?;
        let result = match &self.target {
            Target::Server(server) => server.send(command, self.limits).await,
            Target::Cluster(cluster) => within(self.limits.command, command, &mut cluster.clone()).await,
        };
        #[cfg(test)]
        self.faults.after()?;
        result
    }
}

impl Server {
    async fn send<T: FromRedisValue>(&self, command: &Cmd, limits: Limits) -> Result<T, Failure> {
        let (mut connection, number) = self.connection(limits.connect).await?;
        let result = within(limits.command, command, &mut connection).await;
        if result.as_ref().is_err_and(Failure::ends_the_connection) {
            let mut state = self.state.lock().await;
            // Only this one: another caller may have made a new one.
            if state.number == number {
                state.open = None;
            }
        }
        result
    }

    async fn connection(&self, limit: Duration) -> Result<(MultiplexedConnection, u64), Failure> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.open {
            return Ok((connection.clone(), state.number));
        }
        if state.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Failure::Pause);
        }
        // Set before the attempt: the caller may give up in between.
        state.failed_at = Some(Instant::now());
        let attempt = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let connection = match tokio::time::timeout(limit, attempt).await {
            Ok(result) => result.map_err(Failure::Redis),
            Err(_) => Err(Failure::TimedOut),
        };
        state.failed_at = connection.is_err().then(Instant::now);
        let connection = connection?;
        state.open = Some(connection.clone());
        state.number += 1;
        Ok((connection, state.number))
    }
}

async fn within<T: FromRedisValue>(
    limit: Duration,
    command: &Cmd,
    connection: &mut impl ConnectionLike,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, command.query_async(connection)).await {
        Ok(result) => result.map_err(Failure::Redis),
        Err(_) => Err(Failure::TimedOut),
    }
}

impl Failure {
    /// Whether the server has no certificate that fits its name and that the system trusts. Returns why.
    pub(super) fn unverified(&self) -> Option<String> {
        let Self::Redis(error) = self else { return None };
        let error = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?.downcast_ref::<io::Error>()?;
        (error.kind() == io::ErrorKind::InvalidData).then(|| error.to_string())
    }

    /// Whether the next command needs a new connection. After most errors of a server it gets one, because the name may lead
    /// to another server now, for example after a failover.
    fn ends_the_connection(&self) -> bool {
        match self {
            Self::Redis(error) => error.kind() != ErrorKind::Server(ServerErrorKind::NoScript),
            Self::TimedOut => true,
            Self::Pause => false,
        }
    }
}

impl fmt::Display for Failure {
    /// Tells the kind of an error and not its text, which may quote the command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => match error.code() {
                Some(code) => write!(f, "Redis refused a command: {code}"),
                None => write!(f, "Redis cannot be used: {}", error.category()),
            },
            Self::TimedOut => f.write_str("Redis did not answer in time"),
            Self::Pause => f.write_str("Redis could not be reached just now"),
        }
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        Self::new().with_source(failure.to_string())
    }
}
