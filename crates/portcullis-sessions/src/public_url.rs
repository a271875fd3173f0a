//! The address at which browsers see the service.

use portcullis::ConfigError;
use portcullis::loopback::is_this_machine;
use url::Url;

/// A parsed public URL.
pub(crate) struct PublicUrl(Url);

impl PublicUrl {
    /// Reads `text`, the value of `field`. It must be https, or http on this machine.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, ConfigError> {
        let error = |problem: &'static str| {
            Err(ConfigError::new(field, problem, "write an address such as `https://app.example.com`"))
        };
        let Ok(url) = Url::parse(text) else { return error("is not a URL") };
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return error("has more than scheme, host, port and path");
        }
        match url.scheme() {
            _ if is_private(&url) => Ok(Self(url)),
            "http" => error("is http on another machine than this one"),
            _ => error("is neither https nor http"),
        }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The path without the slash at its end.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

/// Whether a request to the URL cannot be read on its way: it is https, or stays on this machine.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && url.host_str().is_some_and(is_this_machine)
}
