//! The settings of the service: environment variables, and below them the file `.env`.

mod database;
mod dotenv;
mod duration;
mod keys;
mod reader;

use std::num::NonZeroU32;
use std::time::Duration;

use axum_client_ip::ClientIpSource;
use portcullis_axum::ConfigError;
use portcullis_axum::config::variables::environment;
use portcullis_sessions::OriginRule;

pub use self::keys::KeySettings;
use self::reader::Reader;

/// Everything that can be set. [`Settings::default`] needs no variable.
pub struct Settings {
    /// `PORT`. Zero means any free port.
    pub port: u16,
    /// `PUBLIC_URL`, the address that browsers and other services see. Default: `http://localhost:PORT`.
    pub public_url: Option<String>,
    /// `CLIENT_ORIGIN`, the origin of a front end with its own address.
    pub client_origin: Option<String>,
    /// `DATABASE_URL`, or made from its parts.
    pub database_url: String,
    /// `DATABASE_PREFIX`, with which the names of all tables begin.
    pub database_prefix: String,
    /// `REDIS_URL`: where sessions are kept instead of the database.
    pub redis_url: Option<String>,
    /// `ACCESS_TOKEN_EXPIRES_IN`. Other services accept a token until it expires, also after a logout.
    pub access_lifetime: Duration,
    /// `REFRESH_TOKEN_EXPIRES_IN`: how long a session lives without a refresh.
    pub refresh_lifetime: Duration,
    /// `REFRESH_GRACE_SECONDS`: how long the previous refresh token is still answered.
    pub refresh_grace: Duration,
    /// The keys.
    pub keys: KeySettings,
    /// `REQUIRE_VERIFIED`: whether new accounts have to be verified before they can be used.
    pub require_verified: bool,
    /// `CLIENT_IP_SOURCE`: where the address of a client is. Behind a proxy, it is in a header field that the proxy sets.
    pub client_ip: ClientIpSource,
    /// `ATTEMPTS_PER_MINUTE`: how often one address may try to log in, register or change a password.
    pub attempts_per_minute: NonZeroU32,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 8000,
            public_url: None,
            client_origin: None,
            database_url: "sqlite:sessions.db".to_owned(),
            database_prefix: String::new(),
            redis_url: None,
            access_lifetime: MINUTE * 15,
            refresh_lifetime: DAY * 7,
            refresh_grace: SECOND * 10,
            keys: KeySettings::default(),
            require_verified: false,
            client_ip: ClientIpSource::ConnectInfo,
            attempts_per_minute: NonZeroU32::MIN.saturating_add(29),
        }
    }
}

impl Settings {
    /// Reads the settings from the environment, and what is not set there from the file `.env`, if there is one in this
    /// folder or above.
    ///
    /// # Errors
    /// [`ConfigError`] with each variable that is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let file = dotenv::read()?;
        Self::from_variables(|name| environment(name).or_else(|| file.get(name).cloned()))
    }

    /// Reads the settings with `lookup` instead of the environment.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let mut reader = Reader::new(&lookup);
        let port = reader.value("PORT", default.port, "write 0 to 65535", |text| text.parse().ok());
        let public_url = reader.text("PUBLIC_URL");
        let client_origin = reader.text("CLIENT_ORIGIN");
        reader.check("PUBLIC_URL", OriginRule::new(public_url.as_deref().unwrap_or("http://localhost")));
        if let (Some(origin), Ok(rule)) = (&client_origin, OriginRule::new("http://localhost")) {
            reader.check("CLIENT_ORIGIN", rule.with_client(origin));
        }
        let database_url = database::url(&mut reader).unwrap_or(default.database_url);
        let hint = "write up to 24 lowercase letters, digits and underscores, such as `api_`";
        let database_prefix = reader.value("DATABASE_PREFIX", String::new(), hint, database::prefix);
        let hint = "write `rediss://user:password@host:6379`, or `redis://localhost:6379`, which is not encrypted";
        let redis_url = reader.value("REDIS_URL", None, hint, |text| {
            let has_scheme = ["redis://", "rediss://"].iter().any(|scheme| text.starts_with(scheme));
            (has_scheme && !database::has_port_zero(text)).then(|| Some(text.to_owned()))
        });
        let hint = "write minutes such as `15`, or `90s`, from 1 second to 1 hour";
        let access_lifetime = reader.value("ACCESS_TOKEN_EXPIRES_IN", default.access_lifetime, hint, |text| {
            duration::minutes(text).filter(|lifetime| (SECOND..=MINUTE * 60).contains(lifetime))
        });
        let hint = "write minutes such as `10080`, or `7d`, from 1 second to 400 days";
        let refresh_lifetime = reader.value("REFRESH_TOKEN_EXPIRES_IN", default.refresh_lifetime, hint, |text| {
            duration::minutes(text).filter(|lifetime| (SECOND..=DAY * 400).contains(lifetime))
        });
        let refresh_grace =
            reader.value("REFRESH_GRACE_SECONDS", default.refresh_grace, "write 0 to 60 seconds", |text| {
                duration::seconds(text).filter(|grace| *grace <= MINUTE)
            });
        if refresh_lifetime <= refresh_grace {
            let hint = "write a longer time, or a shorter grace";
            let problem = "not longer than REFRESH_GRACE_SECONDS";
            reader.fault(ConfigError::new("REFRESH_TOKEN_EXPIRES_IN", problem, hint));
        }
        let keys = keys::read(&mut reader);
        let require_verified = reader.restriction("REQUIRE_VERIFIED", "write `true` or `false`", boolean);
        let hint = "write `ConnectInfo`, or what your proxy sets, such as `RightmostXForwardedFor` or `XRealIp`";
        let client_ip = reader.value("CLIENT_IP_SOURCE", default.client_ip, hint, |text| text.parse().ok());
        let hint = "write a number from 1";
        let attempts_per_minute =
            reader.value("ATTEMPTS_PER_MINUTE", default.attempts_per_minute, hint, |text| text.parse().ok());
        reader.finish()?;
        Ok(Self {
            port,
            public_url,
            client_origin,
            database_url,
            database_prefix,
            redis_url,
            access_lifetime,
            refresh_lifetime,
            refresh_grace,
            keys,
            require_verified: require_verified.unwrap_or(false),
            client_ip,
            attempts_per_minute,
        })
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
