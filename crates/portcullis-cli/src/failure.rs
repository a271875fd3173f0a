//! Errors that end a run before every token has its verdict, with exit status 2 and a message on standard error.

use portcullis::{AuthError, ConfigError};

/// An error that ends a run. Its text never repeats a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A flag or a member of the configuration file, what is wrong with it, and what to write instead.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The database of the API keys cannot be used.
    #[cfg(feature = "apikey")]
    #[error("the database: {0}")]
    Database(String),
    /// Standard input cannot be read.
    #[error("standard input: {0}")]
    Input(std::io::Error),
    /// The key set could not be fetched.
    #[error("{field}: no keys: {why}")]
    Keys {
        /// The flag or argument that says where it is.
        field: &'static str,
        /// The cause.
        why: String,
    },
    /// The token could not be checked.
    #[error("no verdict: {0}")]
    NoVerdict(AuthError),
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// The runtime cannot start.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// Returns the proxy variable that is set, which other programs would use.
pub(crate) fn set_proxy_variable() -> Option<&'static str> {
    const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
    VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Returns a note for a failed fetch if a proxy variable is set.
pub(crate) fn unused_proxy() -> String {
    match set_proxy_variable() {
        Some(name) => format!(" ({name} is set and not used; the member proxy of a configuration file sets a proxy)"),
        None => String::new(),
    }
}
