//! The URL of an issuer (RFC 8414 §2): https, or http of this machine, without query and fragment.

use portcullis::ConfigError;
use portcullis::loopback::is_this_machine;
use url::Url;

#[derive(Debug)]
pub(crate) struct IssuerUrl {
    /// As it was given, because verifiers compare `iss` byte by byte.
    text: String,
    origin: String,
    path: String,
}

impl IssuerUrl {
    pub(crate) fn parse(field: &'static str, text: &str, may_have_query: bool) -> Result<Self, ConfigError> {
        let wrong = |problem: &'static str| {
            ConfigError::new(field, problem, "write it as other services reach it, for example https://api.example.com")
        };
        let url = Url::parse(text).map_err(|_| wrong("not an absolute URL"))?;
        match url.scheme() {
            "https" => {}
            "http" if url.host_str().is_some_and(is_this_machine) => {}
            "http" => return Err(wrong("http, so keys could be replaced on the way")),
            _ => return Err(wrong("its scheme is not https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it has user information"));
        }
        if url.fragment().is_some() || !may_have_query && url.query().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        // The parser reads more than verifiers do: other slashes, white space, capital letters, numbers as addresses.
        if url.as_str() != text && url.as_str().strip_suffix('/') != Some(text) {
            return Err(ConfigError::new(field, "not in its usual form", format!("write {url}")));
        }
        let (origin, path) = (url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned());
        Ok(Self { text: text.to_owned(), origin, path })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the path without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
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
            ("http://app.localhost:3000", "http://app.localhost:3000", ""),
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
            "http://localhost.example.com",
            "ftp://api.example.com",
            "https://user@api.example.com",
            "https://api.example.com?x",
            "https://api.example.com/#x",
            "https://api.example.com/ x",
            "https://api.example.com/ä",
            "https://api.example.com/\"",
            "https://API.example.com",
            "https:api.example.com",
            "https://api.example.com/a/../b",
            "https://api.example.com:443",
            "https://api.example.com\n",
            "http://2130706433",
        ] {
            assert_eq!(IssuerUrl::parse("issuer", text, false).unwrap_err().field(), "issuer", "{text}");
        }
        assert!(IssuerUrl::parse("token_endpoint", "https://api.example.com/token?x", true).is_ok());
    }
}
