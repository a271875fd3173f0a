//! What is nobody's fault but time's.

use std::time::Duration;

/// The keys can't be had at the moment, so nothing can be said of the token.
#[derive(Debug, thiserror::Error)]
#[error("the keys cannot be had at the moment")]
#[non_exhaustive]
pub struct Unavailable {
    /// When another attempt makes sense, if known.
    pub retry_after: Option<Duration>,
    /// What went wrong.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Unavailable {
    /// Unavailable for an unknown time and reason.
    #[must_use]
    pub fn new() -> Self {
        Self { retry_after: None, source: None }
    }

    /// Another attempt makes sense after `delay`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// What went wrong; it may reach logs, so it must not hold secrets.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Default for Unavailable {
    fn default() -> Self {
        Self::new()
    }
}
