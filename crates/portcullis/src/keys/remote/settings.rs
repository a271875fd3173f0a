//! How keys are fetched and cached.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::keys::remote::limits;
use crate::requests::RequestHeaders;

/// The options of a cached key set; [`limits`] has their defaults.
#[derive(Clone, Debug)]
pub(super) struct FetchSettings {
    /// The time limit of one fetch: connection, metadata, headers and body together.
    pub(super) timeout: Duration,
    /// The lifetime of fetched keys when `Cache-Control` does not give one.
    pub(super) lifetime: Duration,
    pub(super) min_lifetime: Duration,
    pub(super) max_lifetime: Duration,
    /// How long keys are used after their lifetime while no fetch succeeds.
    pub(super) stale: Duration,
    /// The time in which the budget for unknown keys gains one fetch.
    pub(super) cooldown: Duration,
    /// The budget for unknown keys, in fetches.
    pub(super) burst: u32,
    /// The largest response body, in bytes.
    pub(super) max_body_bytes: usize,
    /// The header fields of requests; those of the client when the user sets a client.
    pub(super) headers: RequestHeaders,
    /// Hosts that may be fetched from over plain HTTP.
    pub(super) http_hosts: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            timeout: limits::DEFAULT_TIMEOUT,
            lifetime: limits::DEFAULT_LIFETIME,
            min_lifetime: limits::DEFAULT_MIN_LIFETIME,
            max_lifetime: limits::DEFAULT_MAX_LIFETIME,
            stale: limits::DEFAULT_STALE,
            cooldown: limits::DEFAULT_COOLDOWN,
            burst: limits::DEFAULT_BURST,
            max_body_bytes: limits::MAX_BODY_BYTES,
            headers: RequestHeaders::default(),
            http_hosts: Vec::new(),
            clock: Arc::new(SystemClock::new()),
        }
    }
}
