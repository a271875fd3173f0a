//! The URL of a database server, and whether the server has to prove who it is.

use std::net::IpAddr;

use portcullis::ConfigError;
use url::Url;

/// The parameter of a URL that turns the check of the server off.
const DANGEROUS: &str = "dangerous_unverified_server";
/// How databases write the parameter for TLS.
const MODES: [&str; 2] = ["sslmode", "ssl-mode"];

/// The URL of a server, without the parameter that only this crate knows.
pub(super) struct ServerUrl {
    /// For the parser of the database.
    pub(super) text: String,
    has_mode: bool,
    may_be_unverified: bool,
}

/// What is done about TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tls {
    /// What the URL says, or the default of the database.
    AsGiven,
    /// The server has a certificate that fits its name.
    Verified,
}

impl ServerUrl {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
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
        url.query_pairs_mut().clear().extend_pairs(others);
        Ok(Self { text: url.into(), has_mode, may_be_unverified: true })
    }

    /// The URL for other programs and pools: with the parameter `name` for TLS if the server is verified and the URL has none.
    pub(super) fn with_mode(self, is_verified: bool, name: &str, value: &str) -> String {
        match Url::parse(&self.text) {
            Ok(mut url) if is_verified && !self.has_mode => {
                url.query_pairs_mut().append_pair(name, value);
                url.into()
            }
            _ => self.text,
        }
    }

    /// Decides about TLS to `host`, which is a name, an address or the path of a socket. `verifies` says whether the mode in
    /// the URL checks the certificate and its name.
    pub(super) fn tls(&self, host: &str, verifies: bool) -> Result<Tls, ConfigError> {
        if is_this_machine(host) {
            return Ok(Tls::AsGiven);
        }
        if self.may_be_unverified {
            tracing::warn!("the database server on another machine is not verified");
            return Ok(Tls::AsGiven);
        }
        if self.has_mode && !verifies {
            return Err(ConfigError::new("url", "its TLS mode does not check which server answers", hint()));
        }
        Ok(Tls::Verified)
    }
}

/// The error of a server that did not prove who it is.
pub(super) fn unverified(error: &sqlx::Error) -> ConfigError {
    ConfigError::new("url", format!("the server could not be verified: {error}"), hint())
}

fn hint() -> String {
    format!(
        "write `ssl-mode=VERIFY_IDENTITY` (MySQL) or `sslmode=verify-full` (PostgreSQL) or leave it out, and name the file of \
         your own certificate authority with `ssl-ca` or `sslrootcert`; with `{DANGEROUS}=true`, anyone between the \
         machines can read and change the data"
    )
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host.starts_with('/') || host.eq_ignore_ascii_case("localhost") || is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_verified() {
        let tls = |url: &str, host: &str, verifies: bool| ServerUrl::parse(url).unwrap().tls(host, verifies);
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "/var/run/postgresql"] {
            assert_eq!(tls("mysql://u:p@host/db?ssl-mode=disabled", host, false), Ok(Tls::AsGiven), "{host}");
        }
        for host in ["db.example", "10.0.0.7", "0.0.0.0", "localhost.example", "[fe80::1]", "127.0.0.1.example", ""] {
            assert_eq!(tls("mysql://u:p@host/db", host, false), Ok(Tls::Verified), "{host}");
            assert_eq!(tls("mysql://u:p@host/db?ssl-mode=VERIFY_IDENTITY", host, true), Ok(Tls::Verified), "{host}");
            for mode in ["ssl-mode=REQUIRED", "sslmode=require", "sslmode=disable&x=y"] {
                let error = tls(&format!("mysql://u:secret@host/db?{mode}"), host, false).unwrap_err().to_string();
                assert!(error.starts_with("url: its TLS mode does not check"), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
            let dangerous = "mysql://u:p@host/db?sslmode=disable&dangerous_unverified_server=true";
            assert_eq!(tls(dangerous, host, false), Ok(Tls::AsGiven), "{host}");
        }
    }

    #[test]
    fn own_parameter_is_taken_out() {
        let read = |url: &str| ServerUrl::parse(url).map(|url| url.text);
        let url = "postgres://u:p%40@host:5432/db?application_name=a%20b&dangerous_unverified_server=true";
        assert_eq!(read(url).unwrap(), "postgres://u:p%40@host:5432/db?application_name=a+b");
        assert_eq!(read("mysql://u:p@host/db").unwrap(), "mysql://u:p@host/db");
        for value in ["", "false", "1", "TRUE"] {
            let error = read(&format!("mysql://u:p@host/db?dangerous_unverified_server={value}")).unwrap_err();
            assert_eq!(error.field(), "url", "{error}");
        }
    }
}
