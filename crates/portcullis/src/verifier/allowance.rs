//! How often refused tokens may cause work that takes longer than a refusal should.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{AuthError, Unavailable};

/// The number of refused tokens in a [`PERIOD`] that may cause such work.
pub(super) const TOKENS: u32 = 32;
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// What takes long, for the log. It needs no memory, because strangers cause it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many refused tokens have their issuer late in a large payload")]
struct UsedUp;

/// An allowance for work that takes about as long as a signature check, such as reading a whole payload for its issuer. Good
/// tokens do not count.
#[derive(Default)]
pub(super) struct Allowance(Mutex<Option<Left>>);

struct Left {
    tokens: u32,
    since: Instant,
}

impl Allowance {
    /// Takes one from the allowance.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] until the second is over, when it is used up.
    pub(super) fn take(&self) -> Result<(), AuthError> {
        let is_left = self.with(|left| {
            let is_left = left.tokens > 0;
            left.tokens = left.tokens.saturating_sub(1);
            is_left
        });
        if is_left {
            Ok(())
        } else {
            Err(Unavailable::new().limited().with_retry_after(PERIOD).with_source(UsedUp).into())
        }
    }

    /// Gives one back, because its token is good.
    pub(super) fn give_back(&self) {
        self.with(|left| left.tokens = (left.tokens + 1).min(TOKENS));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Left) -> T) -> T {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Left { tokens: TOKENS, since: Instant::now() };
        let left = left.get_or_insert_with(fresh);
        if left.since.elapsed() >= PERIOD {
            *left = fresh();
        }
        change(left)
    }
}
