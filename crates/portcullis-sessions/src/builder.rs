//! The settings of sessions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::clock::{Clock, SystemClock};

use crate::keys::SuccessorKeys;
use crate::rules::Rules;
use crate::session::SessionEvent;
use crate::sessions::{Core, Sessions};
use crate::store::SessionStore;

/// The settings of [`Sessions`]. [`Sessions::builder`] starts one.
pub struct SessionsBuilder {
    core: Core,
}

pub(crate) type EventHandler = Arc<dyn Fn(&SessionEvent) + Send + Sync>;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Browsers keep cookies for up to 400 days.
const LONGEST_LIFETIME: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const LONGEST_GRACE: Duration = Duration::from_secs(60);

impl SessionsBuilder {
    pub(crate) fn new(store: Arc<dyn SessionStore>, keys: SuccessorKeys) -> Self {
        let rules = Rules { idle: DAY * 7, absolute: DAY * 30, grace: SECOND * 10 };
        let clock = Arc::new(SystemClock::new());
        Self { core: Core { store, keys, rules, max_sessions: 50, clock, on_event: None } }
    }

    /// Sets how long a session lives without a refresh. 7 days by default.
    ///
    /// The end of a session is moved only when a refresh finds less than three quarters of this time left, which saves
    /// writes to the index. So a session ends after three quarters to the whole of this time without a refresh.
    #[must_use]
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.core.rules.idle = lifetime;
        self
    }

    /// Sets how long a session lives at most, however often it is refreshed. 30 days by default, 400 days at most. Sessions
    /// that have begun keep their end.
    #[must_use]
    pub fn absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.core.rules.absolute = lifetime;
        self
    }

    /// Sets how long after a rotation the previous refresh token still gets the same successor, if that is unused. 10 s by
    /// default, 60 s at most.
    ///
    /// The grace answers requests that raced, and clients whose response was lost. Zero turns it off: then two tabs that
    /// refresh at once end their session. It should be well above the difference between the clocks of the machines.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.core.rules.grace = grace;
        self
    }

    /// Sets how many open sessions a subject has at most: 1 to 1,000, and 50 by default. When another one begins, the least
    /// recently used one ends.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.core.max_sessions = sessions;
        self
    }

    /// Sets the clock. The clock of the system by default.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.core.clock = Arc::new(clock);
        self
    }

    /// Calls `handler` when a session ends without a request to end it, for example because a stolen token was used. The
    /// handler should return at once. If it panics, the panic goes to the log and the request goes on.
    ///
    /// The machine that ended the session calls it, once. If that machine dies in between, the event is lost; the store
    /// still says why the session ended.
    #[must_use]
    pub fn on_event(mut self, handler: impl Fn(&SessionEvent) + Send + Sync + 'static) -> Self {
        self.core.on_event = Some(Arc::new(handler));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that cannot work.
    pub fn build(self) -> Result<Sessions, ConfigError> {
        let Rules { idle, absolute, grace } = self.core.rules;
        let mut errors = Vec::new();
        if grace > LONGEST_GRACE {
            errors.push(ConfigError::new("grace", "longer than 60 s", "write 0 to 60 s; 10 s suits most services"));
        }
        if idle < SECOND || idle <= grace {
            let hint = "write a time of at least 1 s that is longer than the grace, for example 7 days";
            errors.push(ConfigError::new("idle_lifetime", "too short", hint));
        }
        if idle > absolute {
            let hint = "write at most the absolute lifetime";
            errors.push(ConfigError::new("idle_lifetime", "longer than the absolute lifetime", hint));
        }
        if absolute > LONGEST_LIFETIME {
            errors.push(ConfigError::new("absolute_lifetime", "longer than 400 days", "write at most 400 days"));
        }
        if !(1..=1000).contains(&self.core.max_sessions) {
            errors.push(ConfigError::new("max_sessions", "not from 1 to 1000", "write 1 to 1000"));
        }
        ConfigError::all(errors)?;
        Ok(Sessions::from_core(self.core))
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder").field("rules", &self.core.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn builder() -> SessionsBuilder {
        Sessions::builder(MemoryStore::new(), SuccessorKeys::generate().unwrap())
    }

    #[test]
    fn bounds_are_accepted() {
        assert!(builder().build().is_ok());
        assert!(builder().grace(Duration::ZERO).idle_lifetime(SECOND).absolute_lifetime(SECOND).build().is_ok());
        assert!(builder().grace(LONGEST_GRACE).idle_lifetime(DAY * 400).absolute_lifetime(DAY * 400).build().is_ok());
        assert!(builder().max_sessions(1).build().is_ok());
    }

    #[test]
    fn wrong_settings_are_refused_together() {
        let wrong: [(SessionsBuilder, &[&str]); 6] = [
            (builder().grace(Duration::from_millis(60_001)), &["grace"]),
            (builder().idle_lifetime(Duration::from_millis(999)), &["idle_lifetime"]),
            (builder().idle_lifetime(SECOND * 10), &["idle_lifetime"]),
            (builder().idle_lifetime(DAY * 31), &["idle_lifetime"]),
            (builder().absolute_lifetime(LONGEST_LIFETIME + SECOND), &["absolute_lifetime"]),
            (builder().max_sessions(0).grace(DAY), &["grace", "max_sessions"]),
        ];
        for (builder, expected) in wrong {
            let error = builder.build().unwrap_err();
            assert_eq!(error.fields().collect::<Vec<_>>(), expected, "{error}");
        }
    }
}
