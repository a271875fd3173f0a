//! The URL of a database or Redis server, and whether the server has to prove who it is.

use portcullis::ConfigError;
use portcullis::loopback::is_loopback;
use url::Url;

/// The parameter of a URL that turns the check of the server off.
pub(crate) const DANGEROUS: &str = "dangerous_unverified_server";
/// How SQL databases write the parameter for TLS.
const MODES: [&str; 2] = ["sslmode", "ssl-mode"];

/// The URL of a server, without the parameter that only this crate knows.
pub(crate) struct ServerUrl {
    /// For the parser of the database.
    pub(crate) text: String,
    /// Whether it has the parameter for TLS of an SQL database.
    #[cfg_attr(not(any(feature = "mysql", feature = "postgres")), allow(dead_code, reason = "for SQL"))]
    pub(crate) has_mode: bool,
    may_be_unverified: bool,
}

impl ServerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let Ok(mut url) = Url::parse(text) else {
            // The parser of the database reports it.
            return Ok(Self { text: text.to_owned(), has_mode: false, may_be_unverified: false });
        };
        let (ours, others): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| name == DANGEROUS);
        if ours.iter().any(|(_, value)| value != "true") {
            let problem = format!("the parameter {DANGEROUS} is not `true`");
            return Err(ConfigError::new("url", problem, "write `true`, or leave the parameter out"));
        }
        let has_mode = others.iter().any(|(name, _)| MODES.contains(&name.as_str()));
        if ours.is_empty() {
            return Ok(Self { text: text.to_owned(), has_mode, may_be_unverified: false });
        }
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        Ok(Self { text: url.into(), has_mode, may_be_unverified: true })
    }

    /// Decides whether the server at `host`, which is a name, an address or the path of a socket, has to prove who it is.
    pub(crate) fn must_verify(&self, host: &str) -> bool {
        if host.starts_with('/') || is_loopback(host) {
            return false;
        }
        if self.may_be_unverified {
            tracing::warn!("the database server on another machine is not verified");
        }
        !self.may_be_unverified
    }

    /// The URL for other programs and pools: with the parameter `name` for TLS if the server is verified and the URL has none.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn with_mode(self, is_verified: bool, name: &str, value: &str) -> String {
        match Url::parse(&self.text) {
            Ok(mut url) if is_verified && !self.has_mode => {
                url.query_pairs_mut().append_pair(name, value);
                url.into()
            }
            _ => self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_verified() {
        let must_verify = |url: &str, host: &str| ServerUrl::parse(url).unwrap().must_verify(host);
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "/var/run/postgresql"] {
            assert!(!must_verify("mysql://u:p@host/db", host), "{host}");
        }
        for host in [
            "db.example",
            "10.0.0.7",
            "0.0.0.0",
            "localhost.example",
            "db.localhost",
            "[fe80::1]",
            "127.0.0.1.example",
            "",
        ] {
            assert!(must_verify("mysql://u:p@host/db", host), "{host}");
            assert!(!must_verify("mysql://u:p@host/db?dangerous_unverified_server=true", host), "{host}");
        }
    }

    #[test]
    fn own_parameter_is_taken_out() {
        let read = |url: &str| ServerUrl::parse(url).map(|url| url.text);
        let url = "postgres://u:p%40@host:5432/db?application_name=a%20b&dangerous_unverified_server=true";
        assert_eq!(read(url).unwrap(), "postgres://u:p%40@host:5432/db?application_name=a+b");
        assert_eq!(read("mysql://u:p@host/db").unwrap(), "mysql://u:p@host/db");
        let url = "redis://u:p@host:6379/0?dangerous_unverified_server=true";
        assert_eq!(read(url).unwrap(), "redis://u:p@host:6379/0");
        for value in ["", "false", "1", "TRUE"] {
            let error = read(&format!("mysql://u:p@host/db?dangerous_unverified_server={value}")).unwrap_err();
            assert_eq!(error.field(), "url", "{error}");
        }
    }
}
