//! How often refused tokens may cause work that takes longer than a refusal should.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{AuthError, Unavailable};

/// The number of refused tokens in a [`PERIOD`] whose whole payload may be read. It takes about as long as a signature check.
pub(super) const PAYLOADS: u32 = 32;
/// The number of refused tokens in a [`PERIOD`] whose long header may be parsed. It takes up to a quarter of a signature check.
pub(super) const HEADERS: u32 = 1_000;
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// What takes long, for the log. It needs no memory, because strangers cause it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum UsedUp {
    #[error("too many refused tokens have a long header")]
    Headers,
    #[error("too many refused tokens have their issuer late in a large payload")]
    Payloads,
}

/// An allowance for work that takes longer than a refusal should, such as reading a whole payload for its issuer. Good tokens
/// do not count.
pub(super) struct Allowance {
    tokens: u32,
    left: Mutex<Left>,
}

struct Left {
    tokens: u32,
    since: Instant,
}

impl Allowance {
    /// An allowance of this many tokens in a [`PERIOD`].
    pub(super) fn of(tokens: u32) -> Self {
        Self { tokens, left: Mutex::new(Left { tokens, since: Instant::now() }) }
    }

    /// Takes one from the allowance. `why` says what takes long.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] until the second is over, when it is used up.
    pub(super) fn take(&self, why: UsedUp) -> Result<(), AuthError> {
        let is_left = self.with(|left| {
            let is_left = left.tokens > 0;
            left.tokens = left.tokens.saturating_sub(1);
            is_left
        });
        if is_left {
            Ok(())
        } else {
            Err(Unavailable::new().limited().with_retry_after(PERIOD).with_source(why).into())
        }
    }

    /// Gives one back, because its token is good.
    pub(super) fn give_back(&self) {
        self.with(|left| left.tokens = left.tokens.saturating_add(1).min(self.tokens));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Left) -> T) -> T {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.since.elapsed() >= PERIOD {
            *left = Left { tokens: self.tokens, since: Instant::now() };
        }
        change(&mut left)
    }
}
