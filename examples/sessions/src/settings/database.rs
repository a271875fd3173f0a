//! Which database: one URL, or the parts of the address of a MySQL or MariaDB server.

use std::num::NonZeroU16;

use portcullis_axum::ConfigError;
use url::Url;

use super::reader::Reader;

/// The parts that a server needs. `DATABASE_PORT` is optional.
const PARTS: [&str; 4] = ["DATABASE_HOST", "DATABASE_DB", "DATABASE_USER", "DATABASE_PASSWORD"];

/// Returns the URL. `None` if no variable names a database.
pub(super) fn url(reader: &mut Reader<'_>) -> Option<String> {
    let url = reader.text("DATABASE_URL");
    let port = reader.value("DATABASE_PORT", None, "write 1 to 65535", |text| text.parse().ok().map(Some));
    let parts = PARTS.map(|name| (name, reader.text(name)));
    let is_given = parts.iter().any(|(_, value)| value.is_some()) || port.is_some();
    if let Some(url) = url {
        if is_given {
            let hint = "set either DATABASE_URL, or DATABASE_HOST and the other parts";
            reader.fault(ConfigError::new("DATABASE_URL", "set together with parts of an address", hint));
        }
        if has_port_zero(&url) {
            reader.fault(ConfigError::new("DATABASE_URL", "has the port 0", "write the port of the server, or none"));
        }
        if !is_supported(&url) {
            let hint = "write `sqlite:FILE`, `mysql://user:password@host/database` or \
                        `postgres://user:password@host/database`";
            reader.fault(ConfigError::new("DATABASE_URL", "names no database that this program can use", hint));
        }
        return Some(url);
    }
    if !is_given {
        return None;
    }
    for (name, value) in &parts {
        if value.is_none() {
            let hint = "set it too, or set DATABASE_URL instead of the parts";
            reader.fault(ConfigError::new(*name, "not set, but another part of the address is", hint));
        }
    }
    let [host, database, user, password] = parts.map(|(_, value)| value.unwrap_or_default());
    let url = from_parts(&host, port, &database, &user, &password);
    if url.is_none() && !host.is_empty() {
        reader.fault(ConfigError::new("DATABASE_HOST", "not a name or an address of a host", "write for example `db`"));
    }
    url
}

/// Reads the prefix of the names of all tables.
pub(super) fn prefix(text: &str) -> Option<String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
    let fits = text.len() <= 24 && text.bytes().all(is_allowed) && !begins_with_digit;
    fits.then(|| text.to_owned())
}

fn is_supported(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    matches!(scheme, "sqlite" | "mysql" | "mariadb" | "postgres" | "postgresql")
}

/// Whether a URL has the port 0, which no server has.
pub(super) fn has_port_zero(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.port() == Some(0))
}

/// The setters of [`Url`] escape what cannot be in a URL, for example an `@` in a password.
fn from_parts(host: &str, port: Option<NonZeroU16>, database: &str, user: &str, password: &str) -> Option<String> {
    let mut url = Url::parse("mysql://host").ok()?;
    url.set_host(Some(host)).ok()?;
    url.set_port(port.map(NonZeroU16::get)).ok()?;
    url.set_username(user).ok()?;
    url.set_password(Some(password)).ok()?;
    url.path_segments_mut().ok()?.push(database);
    Some(url.into())
}
