//! Why a key was not made or changed.

use portcullis::error::Unavailable;

/// Why a key was not made or changed. Nothing was stored, except that [`Unavailable`](Self::Unavailable) leaves it open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The owner has no key with this name: 404.
    #[error("the owner has no such API key")]
    NotFound,
    /// The key was revoked or has expired, so it cannot be rotated. Make another one.
    #[error("the API key has ended")]
    Ended,
    /// The key has two secrets already, or another request rotates it at the same time: 409. Wait until the previous secret
    /// expires, or rotate the key without an overlap.
    #[error("the API key is in a rotation")]
    InRotation,
    /// The owner has 1,000 keys. Those that ended count until they are removed.
    #[error("the owner has too many API keys")]
    TooMany,
    /// The store is unavailable: 503.
    #[error("API keys are unavailable at the moment")]
    Unavailable(#[from] Unavailable),
    /// A value cannot be stored: 400.
    #[error("{field}: {problem}")]
    InvalidInput {
        /// The argument.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
