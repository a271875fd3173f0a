//! All numbers of fetched keys: time limits, intervals, budgets, sizes and jitter.
//!
//! Each default can be changed with [`RemoteKeysBuilder`](crate::keys::RemoteKeysBuilder); the other numbers are fixed. They
//! are grouped by the questions of the [design notes](crate::_docs::keys), which say how they work together.

use std::time::Duration;

use crate::jose::key_set;

// Which responses are accepted?

/// Default time limit of one fetch: connection, metadata, headers and body together.
///
/// Callers without keys wait for the fetch, so it is about as long as a client waits for a response.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Default and largest size of a response body, in bytes. It is the largest size of a key set.
pub(super) const MAX_BODY_BYTES: usize = key_set::MAX_BYTES;

// Is `Cache-Control` followed?

/// Default lifetime of fetched keys when `Cache-Control` does not give one.
///
/// A withdrawn key stops working after at most this time, and the identity provider sees about eight requests per hour
/// and process.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Default lower bound of the lifetime. `no-store` and `max-age=0` get it as well: one fetch per request would overload
/// the identity provider.
pub(super) const DEFAULT_MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Default upper bound of the lifetime. Some identity providers send a `max-age` of days or a year, and a withdrawn key
/// must stop working earlier.
pub(super) const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The part of the lifetime after which keys are refreshed at the earliest.
///
/// The rest of the lifetime is left for failed attempts. If all of them fail, stale keys are used.
pub(super) const REFRESH_AFTER: f64 = 0.75;

/// The largest part of the lifetime that chance adds to [`REFRESH_AFTER`], so that the processes of one service do not
/// refresh at the same moment.
pub(super) const REFRESH_JITTER: f64 = 0.1;

// How long is a withdrawn key used?

/// Default time for which keys are used after their lifetime while no fetch succeeds.
///
/// It covers a long outage of the identity provider. It is also the longest time that a withdrawn key works during one.
pub(super) const DEFAULT_STALE: Duration = Duration::from_secs(24 * 60 * 60);

// What happens when keys rotate?

/// Default time in which the budget for unknown keys gains one fetch.
///
/// It limits how often made-up `kid`s reach the identity provider, and how late a key is found that was published after
/// its first use.
pub(super) const DEFAULT_COOLDOWN: Duration = Duration::from_secs(30);

/// Default budget, in fetches, for unknown keys. The fetch at the start takes one, so a rotation soon after the start is
/// still found, and so is a second one.
pub(super) const DEFAULT_BURST: u32 = 3;

/// The number of names of unknown keys that are remembered. An entry is a hash and a number, so this bounds the memory for
/// any tokens.
pub(super) const ASKED_NAMES: usize = 1_024;

/// The number of names of withdrawn keys that are remembered.
pub(super) const WITHDRAWN_NAMES: usize = 64;

/// The number of callers that may wait for one fetch. At about 2 KiB for a waiting request, they need about 8 MiB.
///
/// A service that gets 800 requests per second reaches it when a fetch takes its whole time limit of 5 seconds.
pub(super) const MAX_WAITING_CALLERS: usize = 4_096;

// When is a failed fetch tried again?

/// The pause after the first failed fetch while usable keys are cached; it doubles with each further failure.
pub(super) const BACKOFF_WITH_KEYS: Duration = Duration::from_secs(1);

/// The longest pause while usable keys are cached, before jitter. Callers are served meanwhile.
pub(super) const MAX_BACKOFF_WITH_KEYS: Duration = Duration::from_secs(60);

/// The pause after the first failed fetch without usable keys; it doubles with each further failure.
pub(super) const BACKOFF_WITHOUT_KEYS: Duration = Duration::from_millis(100);

/// The longest pause without usable keys, before jitter. Callers get 503 meanwhile, so service must resume within about
/// a second after the outage.
pub(super) const MAX_BACKOFF_WITHOUT_KEYS: Duration = Duration::from_millis(800);

/// The number of doublings after which a pause stays the same. Every maximum is reached earlier.
pub(super) const MAX_BACKOFF_DOUBLINGS: u32 = 10;

/// The largest part of a pause that chance adds to it, so that the processes of one service do not retry at the same
/// moment.
pub(super) const BACKOFF_JITTER: f64 = 0.25;

/// The shortest pause that a `Retry-After` of the identity provider can ask for.
pub(super) const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest pause that a `Retry-After` of the identity provider can ask for. A larger value would turn an outage of
/// minutes into one of hours.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The shortest `Retry-After` that callers are sent: the header has no fractions of a second.
pub(super) const MIN_CALLER_RETRY_AFTER: Duration = Duration::from_secs(1);

// Where does a fetch run, and what if it hangs?

/// How often a fetch task shows that its runtime is running, and how often another runtime with waiting callers looks.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// The time without a heartbeat after which a waiting caller starts a fetch on its own runtime: five heartbeats, so that
/// a busy runtime is not taken for a stalled one.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_millis(500);

/// The time beyond its time limit after which a fetch is considered lost. Its runtime would have ended it by then.
pub(super) const OVERDUE_MARGIN: Duration = Duration::from_secs(1);

// When is the metadata read?

/// How long the `jwks_uri` of the metadata is used before the metadata is fetched again together with the keys.
///
/// A key set that moves while its old URL still answers is found after this time.
pub(super) const METADATA_LIFETIME: Duration = Duration::from_secs(60 * 60);

// How are cache validators used?

/// The longest `ETag` or `Last-Modified` that is stored and sent back, in bytes. Real validators are far shorter.
pub(super) const MAX_VALIDATOR_BYTES: usize = 1_024;
