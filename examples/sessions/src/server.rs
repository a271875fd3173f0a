//! Starts and stops the service.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use portcullis_axum::ConfigError;
use portcullis_issuer::Issuer;
use portcullis_sessions::{RedisStore, RedisStoreError, SessionStore, Sessions, SqlStore, SqlStoreError, WebSessions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::{self, App};
use crate::attempts::Attempts;
use crate::keys::{self, KeysError};
use crate::passwords::{PasswordError, Passwords};
use crate::settings::Settings;
use crate::users::{KnownUsers, Users};

/// The routes that get the refresh cookie.
const REFRESH_PATH: &str = "/api/auth";
/// How long a session lives at most, however often it is refreshed. A longer `REFRESH_TOKEN_EXPIRES_IN` replaces it.
const ABSOLUTE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The service, ready to run.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    router: Router,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Settings are wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The port cannot be used.
    #[error("the port {0} cannot be used; write another PORT")]
    Port(u16, #[source] std::io::Error),
    /// The database of the sessions.
    #[error("the database cannot be used; see DATABASE_URL")]
    Sessions(#[source] SqlStoreError),
    /// The Redis server of the sessions.
    #[error("the Redis server cannot be used; see REDIS_URL")]
    Redis(#[from] RedisStoreError),
    /// The database of the users.
    #[error("the database cannot be used; see DATABASE_URL")]
    Users(#[source] sqlx::Error),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The system cannot hash passwords.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// The server stopped.
    #[error("the server stopped")]
    Server(#[source] std::io::Error),
}

impl Server {
    /// Listens on the port, connects to the database, and makes what is missing there: tables and keys.
    ///
    /// # Errors
    /// [`StartError`] says what is missing.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let port = settings.port;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|error| StartError::Port(port, error))?;
        let port = listener.local_addr().map_err(|error| StartError::Port(port, error))?.port();
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"));
        let url = url.trim_end_matches('/').to_owned();

        let database = SqlStore::builder(&settings.database_url).table_prefix(&settings.database_prefix);
        let users_url = database.verified_url().map_err(StartError::Sessions)?;
        let database = database.connect().await.map_err(StartError::Sessions)?;
        let store: Arc<dyn SessionStore> = match &settings.redis_url {
            Some(url) => Arc::new(
                RedisStore::builder(url)
                    .key_prefix(&format!("{}portcullis:", settings.database_prefix))
                    .connect()
                    .await?,
            ),
            None => Arc::new(database.clone()),
        };
        let users = Users::connect(&users_url, &settings.database_prefix).await;
        let users = users.map_err(StartError::Users)?;

        let sessions = Sessions::builder(store, keys::successor_keys(&settings.keys)?)
            .idle_lifetime(settings.refresh_lifetime)
            .absolute_lifetime(settings.refresh_lifetime.max(ABSOLUTE_LIFETIME))
            .grace(settings.refresh_grace)
            .build()?;
        let ring = keys::key_ring(settings.keys, database).await?;
        let issuer = Issuer::builder(&url, &url, ring).lifetime(settings.access_lifetime).build()?;
        let web = WebSessions::new(&issuer, sessions.clone(), REFRESH_PATH)?
            .with_users(KnownUsers::new(users.clone(), settings.require_verified));
        let web = match &settings.client_origin {
            Some(origin) => web.with_client(origin)?,
            None => web,
        };
        let app = App {
            issuer,
            sessions,
            web,
            users,
            passwords: Passwords::new().await?,
            attempts: Attempts::new(settings.attempts_per_minute, settings.client_ip),
            require_verified: settings.require_verified,
        };
        let app = Arc::new(app);
        let router = app::router(Arc::clone(&app), settings.client_origin.as_deref())?;
        Ok(Self { listener, app, router })
    }

    /// Returns the URL at which clients reach the service.
    #[must_use]
    pub fn url(&self) -> &str {
        self.app.issuer.url()
    }

    /// Returns the address on which the service listens.
    ///
    /// # Errors
    /// [`StartError::Server`] when the system does not know it.
    pub fn address(&self) -> Result<SocketAddr, StartError> {
        self.listener.local_addr().map_err(StartError::Server)
    }

    /// Returns the number of password hashes that were made so far. It goes on counting.
    #[must_use]
    pub fn password_hashes(&self) -> Arc<AtomicU64> {
        self.app.passwords.hashes()
    }

    /// Answers requests until `stopped` is ready, and then those that have begun.
    ///
    /// # Errors
    /// [`StartError::Server`] when the server fails.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        // The tasks end when this is dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn(tidy(self.app));
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(self.listener, service).with_graceful_shutdown(stopped).await.map_err(StartError::Server)
    }
}

/// Removes what has expired, and does what the key ring needs, once a minute.
async fn tidy(app: Arc<App>) {
    loop {
        while matches!(app.sessions.remove_expired().await, Ok(1..)) {}
        app.attempts.forget_old();
        let pause = app.issuer.ring().maintain().await;
        tokio::time::sleep(pause.min(Duration::from_secs(60))).await;
    }
}
