//! The origin of a page.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::ConfigError;
use crate::loopback::is_this_machine;

/// An origin as browsers write it into `Origin` (RFC 6454 §6.1): in lower case, without a default port.
///
/// It is read without a parser of URLs, whose tables for IDNs are larger than the rest of the core. Only if the feature `presets`
/// brings them, an IDN is written in ASCII; otherwise it is a configuration error, as is an IPv4 address that is not in four
/// decimal parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin(String);

impl Origin {
    /// Reads `text`, a value of `field`: only scheme, host and port.
    pub(super) fn parse(field: &'static str, text: &str) -> Result<Self, ConfigError> {
        match read(text) {
            Ok((origin, "" | "/")) => Ok(origin),
            Ok(_) => Err(fault(field, "has a path")),
            Err(problem) => Err(fault(field, problem)),
        }
    }

    /// The origin of `url`, the value of `field`.
    pub(super) fn of_url(field: &'static str, url: &str) -> Result<Self, ConfigError> {
        read(url).map(|(origin, _path)| origin).map_err(|problem| fault(field, problem))
    }
}

impl PartialEq<[u8]> for Origin {
    fn eq(&self, sent: &[u8]) -> bool {
        self.0.as_bytes() == sent
    }
}

/// Reads an https URL, or an http URL of this machine. Returns its origin and its path, or what is wrong.
fn read(text: &str) -> Result<(Origin, &str), &'static str> {
    let (scheme, rest) = text.trim().split_once("://").ok_or("not a URL")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if rest.contains(['?', '#']) || authority.contains('@') {
        return Err("has a query, a fragment or user information");
    }
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, port),
        _ => (authority, ""),
    };
    let host = canonical_host(host)?;
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" if is_this_machine(&host) => 80,
        "http" => return Err("is http on another machine than this one"),
        _ => return Err("is neither https nor http"),
    };
    let port: u16 = if port.is_empty() { default_port } else { port.parse().map_err(|_| "has no such port")? };
    let scheme = if default_port == 443 { "https" } else { "http" };
    let written = if port == default_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") };
    Ok((Origin(written), path))
}

/// Returns `host` as browsers write it.
fn canonical_host(host: &str) -> Result<String, &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse().map(canonical_ipv6).map_err(|_| "not a URL");
    }
    let ascii = if host.is_ascii() { None } else { Some(idn(host)?) };
    let host = ascii.as_deref().unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // The name can end with a dot, which browsers keep.
    let name = host.strip_suffix('.').unwrap_or(host);
    if !name.split('.').all(is_label) {
        return Err("not a URL");
    }
    // Browsers take a host for an IPv4 address if its last label is a number, and read `127.1` and `0x7f.1` as well.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("has an IPv4 address that is not written as four decimal numbers");
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(feature = "presets")]
fn idn(host: &str) -> Result<String, &'static str> {
    match url::Host::parse(host) {
        Ok(url::Host::Domain(ascii)) => Ok(ascii),
        Ok(_) | Err(_) => Err("not a URL"),
    }
}

#[cfg(not(feature = "presets"))]
fn idn(_host: &str) -> Result<String, &'static str> {
    Err("has a host with letters outside ASCII: without the feature `presets`, write them as xn--…")
}

/// Writes an address as browsers do: always in hexadecimal (WHATWG URL), whereas `Display` writes the last part of some in decimal.
fn canonical_ipv6(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
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
            ("https://app.example.com:", "https://app.example.com"),
            ("https://app.example.com:08443", "https://app.example.com:8443"),
            ("https://app.example.com.", "https://app.example.com."),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://my_app.example:443", "https://my_app.example"),
            ("https://192.0.2.1:444", "https://192.0.2.1:444"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://[::ffff:192.0.2.128]:1", "https://[::ffff:c000:280]:1"),
            ("https://[::192.0.2.128]", "https://[::c000:280]"),
            ("https://[1:0:0:2:0:0:0:3]", "https://[1:0:0:2::3]"),
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
            // What a browser would write in another way, or not open.
            "https://b\u{fc}cher.example:port",
            "https://b\u{fc}..example",
            "https://*.example.com",
            "https://app..example.com",
            "https://.",
            "https://app.example.com:65536",
            "https://app.example.com:x",
            "https://app.example.com\\path",
            "https://app%2eexample.com",
            "https://127.1",
            "https://192.0.2.0x1",
            "https://192.0.2.01",
            "https://192.0.2.256",
            "https://192.0.2.1.",
            "https://[2001:db8::1",
            "https://[fe80::1%25eth0]",
            "https://2001:db8::1",
            "http://[::2]",
        ] {
            let error = Origin::parse("field", text).unwrap_err();
            assert_eq!(error.field(), "field", "{text}");
            assert!(!error.to_string().contains("password"), "{error}");
        }
    }

    #[test]
    fn idn_is_ascii_or_an_error() {
        let origin = Origin::parse("o", "https://B\u{fc}cher.example:8443");
        if cfg!(feature = "presets") {
            assert_eq!(origin.unwrap().0, "https://xn--bcher-kva.example:8443");
        } else {
            assert!(origin.unwrap_err().to_string().contains("write them as xn--"));
        }
    }

    /// The parser of URLs that reqwest and browsers follow (WHATWG URL) writes the same.
    #[cfg(feature = "presets")]
    #[test]
    fn origin_is_that_of_the_url_standard() {
        for scheme in ["https", "HTTP"] {
            for host in
                ["localhost", "A.localhost", "127.0.0.1", "[::1]", "[::FFFF:7f00:1]", "[0:0:1::]", "x-_9.example."]
            {
                for port in ["", ":", ":80", ":443", ":0443", ":1", ":65535", ":0"] {
                    let text = format!("{scheme}://{host}{port}/a/../b");
                    let Ok(origin) = Origin::of_url("o", &text) else { continue };
                    assert_eq!(origin.0, url::Url::parse(&text).unwrap().origin().ascii_serialization(), "{text}");
                }
            }
        }
    }
}
