//! The numbers, and how requests are made.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// How keys are fetched and how long they are kept.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The longest that one fetch may take, connection, headers and body together.
    pub(super) timeout: Duration,
    /// How long keys are fresh where the provider does not say.
    pub(super) lifetime: Duration,
    pub(super) lifetime_min: Duration,
    pub(super) lifetime_max: Duration,
    /// How long keys still serve after they stopped being fresh, while no refresh succeeds.
    pub(super) stale: Duration,
    /// Between two fetches that unknown keys cause, once the burst is spent.
    pub(super) cooldown: Duration,
    pub(super) burst: u32,
    /// The largest body that is read, in bytes.
    pub(super) body_max: usize,
    /// How many absent keys are remembered, and for how long.
    pub(super) absent_max: u64,
    pub(super) absent: Duration,
    /// Hosts that may be asked over plain HTTP.
    pub(super) http_hosts: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            lifetime: Duration::from_secs(600),
            lifetime_min: Duration::from_secs(60),
            lifetime_max: Duration::from_secs(3_600),
            stale: Duration::from_secs(24 * 3_600),
            cooldown: Duration::from_secs(30),
            burst: 3,
            body_max: 1024 * 1024,
            absent_max: 1_024,
            absent: Duration::from_secs(300),
            http_hosts: Vec::new(),
            clock: Arc::new(SystemClock::new()),
        }
    }
}
