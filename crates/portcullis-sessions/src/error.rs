//! Why a session cannot begin or go on.

use portcullis::error::Unavailable;

use crate::session::Verdict;

/// Why a session did not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionsError {
    /// The refresh token opens nothing: 401, and the client logs in again. Only now may its cookies be cleared.
    #[error("the refresh token was refused: {0}")]
    Refused(Verdict),
    /// The store or a key is unavailable: 503. The session may be as good as before, so the client keeps its token and tries
    /// again.
    #[error("sessions are unavailable at the moment")]
    Unavailable(#[from] Unavailable),
    /// The user who authenticated again is not the user of the session. Nothing was changed.
    #[error("the session belongs to another subject")]
    OtherSubject,
    /// The service gave a value that cannot be stored.
    #[error("{field}: {problem}")]
    InvalidInput {
        /// The argument.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Why a purpose token was not redeemed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurposeTokenError {
    /// The token is unknown, used, expired, for another purpose, or the state has changed. Clients do not learn which.
    #[error("the token is not valid")]
    Refused,
    /// The store is unavailable: 503. Try again.
    #[error("purpose tokens are unavailable at the moment")]
    Unavailable(#[from] Unavailable),
    /// The service gave a value that cannot be stored.
    #[error("{field}: {problem}")]
    InvalidInput {
        /// The argument.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
