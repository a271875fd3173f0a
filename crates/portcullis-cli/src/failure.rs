//! What ends a run before every token has its verdict: exit status 2, a message on standard error.

use portcullis::{AuthError, ConfigError};

/// Why the command can't do what it was asked to do. No text here repeats a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A flag or a member of the configuration file, what is wrong with it, and what to write instead.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Standard input broke off.
    #[error("standard input: {0}")]
    Input(std::io::Error),
    /// No key set came from where one was to come.
    #[error("{field}: no keys: {why}")]
    Keys {
        /// The flag or argument that says where.
        field: &'static str,
        /// What went wrong.
        why: String,
    },
    /// Nothing can be said of a token, good or bad.
    #[error("no verdict: {0}")]
    NoVerdict(AuthError),
    /// Standard output can't be written to.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// The machine refuses what every program needs.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}
