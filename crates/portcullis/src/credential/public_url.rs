//! The public URL of a service.

use crate::credential::normal_uri::{normalize, normalize_path};
use crate::error::ConfigError;
use crate::web_url;

/// The URL that clients use for the service, without a final slash: as configured, and in its normal form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PublicUrl {
    text: String,
    normal: String,
}

impl PublicUrl {
    /// Accepts an https URL, or an http URL of this machine, without query, fragment, user information and dot segments.
    pub(crate) fn new(url: &str) -> Result<Self, ConfigError> {
        let error = |problem: &'static str| {
            let hint = "write the service's URL as clients use it, for example https://api.example.com";
            ConfigError::new("public_url", problem, hint)
        };
        let not_a_url = || error("not an absolute https URL without user information, query and fragment");
        let (_, path) = web_url::split(url).ok_or_else(not_a_url)?;
        if path.contains('?') {
            return Err(not_a_url());
        }
        // Clients remove dot segments before they send a request (RFC 3986 §6.2.2.3), so such a path would never match.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(error("its path has a dot segment"));
        }
        let normal = normalize(url).ok_or_else(not_a_url)?;
        let without_slash = |url: &str| url.strip_suffix('/').unwrap_or(url).to_owned();
        Ok(Self { text: without_slash(url), normal: without_slash(&normal) })
    }

    /// The URL of the resource at `path`; `None` when that is not an absolute path, for example `*`.
    pub(super) fn of_path(&self, path: &str) -> Option<String> {
        path.starts_with('/').then(|| format!("{}{path}", self.text))
    }

    /// The URL of the resource at `path` in its normal form. A dot segment of the path never leaves the path of this URL.
    pub(super) fn normal_of_path(&self, path: &str) -> Option<String> {
        if path.starts_with('/') { Some(format!("{}{}", self.normal, normalize_path(path))) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_path_follows_the_public_url() {
        for (url, path, expected) in [
            ("https://api.example.com", "/orders/7", "https://api.example.com/orders/7"),
            ("https://api.example.com/", "/orders", "https://api.example.com/orders"),
            ("https://api.example.com/base", "/orders", "https://api.example.com/base/orders"),
            ("https://api.example.com/base/", "/", "https://api.example.com/base/"),
            ("https://api.example.com:8443/a/b", "/", "https://api.example.com:8443/a/b/"),
            ("https://[2001:db8::1]", "/", "https://[2001:db8::1]/"),
            ("http://localhost:3010", "/orders", "http://localhost:3010/orders"),
            ("http://127.0.0.1:3010/base", "/orders", "http://127.0.0.1:3010/base/orders"),
            ("http://[::1]", "/x", "http://[::1]/x"),
        ] {
            assert_eq!(PublicUrl::new(url).unwrap().of_path(path).as_deref(), Some(expected), "{url}");
        }
        for path in ["", "*", "orders", "http://api.example.com/orders"] {
            assert_eq!(PublicUrl::new("https://api.example.com").unwrap().of_path(path), None, "{path}");
        }
    }

    #[test]
    fn other_urls_are_configuration_errors() {
        for url in [
            "",
            "/base",
            "api.example.com",
            "//api.example.com",
            "https://",
            "https:///base",
            "https://:8443",
            "ftp://api.example.com",
            "http://api.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "https://user@api.example.com",
            "https://user:password@api.example.com",
            "https://api.example.com?q",
            "https://api.example.com/base?q=1",
            "https://api.example.com/#top",
            "https://api.example.com/a b",
            "https://api.example.com/\u{e9}",
            "https://api.example.com/a/../b",
            "https://api.example.com/./b",
            "https://api.example.com/..",
        ] {
            let error = PublicUrl::new(url).unwrap_err();
            assert_eq!(error.field(), "public_url", "{url}");
            assert!(!error.to_string().contains("password"), "{error}");
        }
    }
}
