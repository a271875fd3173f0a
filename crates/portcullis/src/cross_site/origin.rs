//! The origin of a page.

use url::Url;

use crate::error::ConfigError;
use crate::loopback::is_this_machine;

/// An origin as browsers write it into `Origin` (RFC 6454 §6.1): in lower case, IDNs in ASCII, without a default port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin(String);

impl Origin {
    /// Reads `text`, a value of `field`: only scheme, host and port.
    pub(super) fn parse(field: &'static str, text: &str) -> Result<Self, ConfigError> {
        let url = parse(field, text)?;
        match url.path() {
            "" | "/" => Ok(Self(url.origin().ascii_serialization())),
            _ => Err(fault(field, "has a path")),
        }
    }

    /// The origin of `url`, the value of `field`.
    pub(super) fn of_url(field: &'static str, url: &str) -> Result<Self, ConfigError> {
        Ok(Self(parse(field, url)?.origin().ascii_serialization()))
    }
}

impl PartialEq<[u8]> for Origin {
    fn eq(&self, sent: &[u8]) -> bool {
        self.0.as_bytes() == sent
    }
}

/// Reads an https URL, or an http URL of this machine.
fn parse(field: &'static str, text: &str) -> Result<Url, ConfigError> {
    let Ok(url) = Url::parse(text) else { return Err(fault(field, "not a URL")) };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(fault(field, "has a query, a fragment or user information"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_this_machine) => Ok(url),
        "http" => Err(fault(field, "is http on another machine than this one")),
        _ => Err(fault(field, "is neither https nor http")),
    }
}

fn fault(field: &'static str, problem: &'static str) -> ConfigError {
    ConfigError::new(field, problem, "write scheme, host and port, for example https://app.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_written_as_browsers_write_it() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://app.example.com/", "https://app.example.com"),
            ("HTTPS://APP.Example.com:443", "https://app.example.com"),
            ("https://app.example.com:8443", "https://app.example.com:8443"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("http://localhost:80", "http://localhost"),
            ("http://app.localhost:3000", "http://app.localhost:3000"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(Origin::parse("o", text).unwrap(), Origin(origin.to_owned()), "{text}");
            assert_eq!(
                Origin::of_url("o", &format!("{}/a/b", text.trim_end_matches('/'))).unwrap().0,
                origin,
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "//app.example.com",
            "https://",
            "https://*.example.com/path",
            "http://app.example.com",
            "http://localhost.example.com",
            "ftp://app.example.com",
            "chrome-extension://abc",
            "https://user:password@app.example.com",
            "https://app.example.com?",
            "https://app.example.com#",
            "https://app.example.com/path",
        ] {
            let error = Origin::parse("field", text).unwrap_err();
            assert_eq!(error.field(), "field", "{text}");
            assert!(!error.to_string().contains("password"), "{error}");
        }
    }
}
