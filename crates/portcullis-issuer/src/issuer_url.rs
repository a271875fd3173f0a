//! The URL of an issuer (RFC 8414 §2): https, or http of this machine, without query and fragment.

use std::net::IpAddr;

use portcullis::ConfigError;

#[derive(Debug)]
pub(crate) struct IssuerUrl {
    text: String,
    /// The length of scheme, host and port.
    origin: usize,
}

impl IssuerUrl {
    pub(crate) fn parse(field: &'static str, text: &str, may_have_query: bool) -> Result<Self, ConfigError> {
        let wrong = |problem| {
            ConfigError::new(field, problem, "write it as other services reach it, for example https://api.example.com")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("not an absolute URL"))?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte)) {
            return Err(wrong("it has a character that a URL cannot have"));
        }
        if rest.contains('#') || !may_have_query && rest.contains('?') {
            return Err(wrong("it has a query or a fragment"));
        }
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(wrong("it has user information"));
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        match scheme {
            _ if host.is_empty() => Err(wrong("it has no host")),
            "https" => Ok(()),
            "http" if is_loopback(host) => Ok(()),
            "http" => Err(wrong("http, so keys could be replaced on the way")),
            _ => Err(wrong("its scheme is not https")),
        }?;
        Ok(Self { text: text.to_owned(), origin: scheme.len() + "://".len() + length })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the path without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        self.text.get(self.origin..).unwrap_or_default().trim_end_matches('/')
    }

    /// Returns scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        self.text.get(..self.origin).unwrap_or_default()
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_and_path_are_the_parts_of_the_url() {
        for (text, origin, path) in [
            ("https://api.example.com", "https://api.example.com", ""),
            ("https://api.example.com/", "https://api.example.com", ""),
            ("https://api.example.com:8443/auth/", "https://api.example.com:8443", "/auth"),
            ("http://127.0.0.1:3000/a/b", "http://127.0.0.1:3000", "/a/b"),
            ("http://[::1]:3000", "http://[::1]:3000", ""),
            ("http://localhost", "http://localhost", ""),
        ] {
            let url = IssuerUrl::parse("issuer", text, false).unwrap();
            assert_eq!((url.as_str(), url.origin(), url.path()), (text, origin, path));
        }
    }

    #[test]
    fn other_urls_are_configuration_errors() {
        for text in [
            "",
            "api.example.com",
            "https://",
            "https:///x",
            "https://:8443",
            "http://api.example.com",
            "http://127.0.0.1.example.com",
            "ftp://api.example.com",
            "https://user@api.example.com",
            "https://api.example.com?x",
            "https://api.example.com/#x",
            "https://api.example.com/ x",
            "https://api.example.com/ä",
            "https://api.example.com/\"",
        ] {
            assert_eq!(IssuerUrl::parse("issuer", text, false).unwrap_err().field(), "issuer", "{text}");
        }
        assert!(IssuerUrl::parse("token_endpoint", "https://api.example.com/token?x", true).is_ok());
    }
}
