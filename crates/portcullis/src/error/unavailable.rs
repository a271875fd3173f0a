//! A temporary failure: the token could not be checked.

use std::time::Duration;

/// What a check needs is unavailable at the moment: the token may be good or bad. The request is answered with 503 and
/// `Retry-After`.
#[derive(Default, thiserror::Error)]
#[error("what the check of the token needs is unavailable at the moment")]
#[non_exhaustive]
pub struct Unavailable {
    /// When another attempt makes sense, if known.
    pub retry_after: Option<Duration>,
    /// Whether the number of requests is the reason, and not an outage: too many unknown keys wait to be looked up, or too
    /// many callers wait for the keys. Strangers can cause that, so it is logged as `debug`.
    pub limited: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Unavailable {
    /// Unavailable for an unknown time and an unknown cause.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another attempt makes sense after `delay`.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The number of requests is the reason, and not an outage.
    #[must_use]
    pub fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// The cause. It may reach logs, so it must not hold secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
