//! The settings of the service, which are environment variables.

use portcullis_actix::ConfigError;
use portcullis_actix::config::variables;
use url::Url;

/// What the service needs to know.
pub struct Settings {
    /// `SESSIONS_URL`: the public URL of the service that issues the tokens, which is their issuer and audience.
    pub sessions_url: String,
    /// `PORT`. Zero means any free port.
    pub port: u16,
    /// `PUBLIC_URL`. Default: `http://localhost:PORT`.
    pub public_url: Option<String>,
    /// `CLIENT_ORIGIN`, the origin of a front end with its own address.
    pub client_origin: Option<String>,
    /// `DATABASE_URL`, or made from its parts: the database of the sessions.
    pub database_url: Option<String>,
    /// `DATABASE_PREFIX`, with which the names of its tables begin.
    pub database_prefix: String,
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with the variables that are wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the settings with `lookup` instead of the environment.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |name| variables::given(&lookup, name);
        let sessions_url = given("SESSIONS_URL").and_then(|url| {
            let hint = "write the PUBLIC_URL of the sessions service, for example http://localhost:8000";
            url.ok_or_else(|| ConfigError::new("SESSIONS_URL", "not set", hint))
        });
        let port = given("PORT").and_then(|port| {
            let wrong = |_| ConfigError::new("PORT", "not a port", "write 0 to 65535");
            port.map_or(Ok(8001), |port| port.parse().map_err(wrong))
        });
        let origins = ConfigError::both(given("PUBLIC_URL"), given("CLIENT_ORIGIN"));
        let database = ConfigError::both(database_url(&lookup), given("DATABASE_PREFIX"));
        let own = ConfigError::both(ConfigError::both(sessions_url, port), origins);
        let (((sessions_url, port), (public_url, client_origin)), (database_url, prefix)) =
            ConfigError::both(own, database)?;
        let sessions_url = sessions_url.trim_end_matches('/').to_owned();
        let database_prefix = prefix.unwrap_or_default();
        Ok(Self { sessions_url, port, public_url, client_origin, database_url, database_prefix })
    }
}

/// Returns the origin of a URL as browsers send it: in lowercase, and without the default port. Another text stays as it is;
/// the gate refuses it.
pub(crate) fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

/// Returns `DATABASE_URL`, or the URL of the MySQL or MariaDB server that the parts name.
fn database_url(lookup: Lookup<'_>) -> Result<Option<String>, ConfigError> {
    let given = |name| variables::given(lookup, name);
    let names = ["DATABASE_HOST", "DATABASE_DB", "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_PORT"];
    let [host, database, user, password, port] = names.map(given);
    let parts = [host?, database?, user?, password?, port?];
    let is_given = parts.iter().any(Option::is_some);
    if let Some(url) = given("DATABASE_URL")? {
        let hint = "set either DATABASE_URL, or DATABASE_HOST and the other parts";
        let both = ConfigError::new("DATABASE_URL", "set together with parts of an address", hint);
        return if is_given { Err(both) } else { Ok(Some(url)) };
    }
    let [Some(host), Some(database), Some(user), Some(password), port] = parts else {
        let hint = "set DATABASE_HOST, DATABASE_DB, DATABASE_USER and DATABASE_PASSWORD, or DATABASE_URL";
        let missing = ConfigError::new("DATABASE_HOST", "not all parts of the address are set", hint);
        return if is_given { Err(missing) } else { Ok(None) };
    };
    let wrong_port = |_| ConfigError::new("DATABASE_PORT", "not a port", "write 1 to 65535");
    let port = port.map(|port| port.parse().map_err(wrong_port)).transpose()?;
    let wrong = || ConfigError::new("DATABASE_HOST", "not the address of a server", "write for example `db`");
    from_parts(&host, port, &database, &user, &password).map(Some).ok_or_else(wrong)
}

/// The setters of [`Url`] escape what cannot be in a URL, for example an `@` in a password.
fn from_parts(host: &str, port: Option<u16>, database: &str, user: &str, password: &str) -> Option<String> {
    let mut url = Url::parse("mysql://host").ok()?;
    url.set_host(Some(host)).ok()?;
    url.set_port(port).ok()?;
    url.set_username(user).ok()?;
    url.set_password(Some(password)).ok()?;
    url.path_segments_mut().ok()?.push(database);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::from_variables(lookup)
    }

    #[test]
    fn only_the_url_of_the_first_service_is_required() {
        let settings = read(&[("SESSIONS_URL", "http://localhost:8000/")]).unwrap();
        assert_eq!((settings.sessions_url.as_str(), settings.port), ("http://localhost:8000", 8001));
        assert!(settings.database_url.is_none());
        assert_eq!(read(&[]).err().unwrap().field(), "SESSIONS_URL");
        let both = read(&[("PORT", "x")]).err().unwrap();
        assert_eq!(both.fields().collect::<Vec<_>>(), ["SESSIONS_URL", "PORT"]);
    }

    #[test]
    fn database_has_one_address() {
        const URL: (&str, &str) = ("SESSIONS_URL", "http://localhost:8000");
        let parts = [
            URL,
            ("DATABASE_HOST", "db"),
            ("DATABASE_PORT", "3307"),
            ("DATABASE_DB", "shop"),
            ("DATABASE_USER", "app"),
            ("DATABASE_PASSWORD", "p@ss/word"),
        ];
        let settings = read(&parts).unwrap();
        assert_eq!(settings.database_url.as_deref(), Some("mysql://app:p%40ss%2Fword@db:3307/shop"));
        assert_eq!(read(&parts[..4]).err().unwrap().field(), "DATABASE_HOST");
        for (variable, value) in [("DATABASE_HOST", "a b"), ("DATABASE_PORT", "x"), ("DATABASE_PORT", "65536")] {
            let wrong = parts.map(|(name, right)| (name, if name == variable { value } else { right }));
            assert_eq!(read(&wrong).err().unwrap().field(), variable);
        }
        let both = [&parts[..], &[("DATABASE_URL", "sqlite:sessions.db")]].concat();
        assert_eq!(read(&both).err().unwrap().field(), "DATABASE_URL");
        let settings = read(&[URL, ("DATABASE_URL", "sqlite:sessions.db"), ("DATABASE_PREFIX", "api_")]).unwrap();
        assert_eq!(settings.database_url.as_deref(), Some("sqlite:sessions.db"));
        assert_eq!(settings.database_prefix, "api_");
    }
}
