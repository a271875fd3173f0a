//! The settings of API keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::clock::{Clock, SystemClock};

use super::format::{DEFAULT_PREFIX, KeyFormat};
use super::last_use::LastUses;
use super::lookups::Lookups;
use super::service::{ApiKeys, Core};
use super::store::ApiKeyStore;

/// The settings of [`ApiKeys`]. [`ApiKeys::builder`] starts one.
#[derive(Debug)]
pub struct ApiKeysBuilder {
    store: Arc<dyn ApiKeyStore>,
    prefix: String,
    max_age: Duration,
    clock: Arc<dyn Clock>,
}

const LONGEST_AGE: Duration = Duration::from_secs(60);

impl ApiKeysBuilder {
    pub(super) fn new(store: Arc<dyn ApiKeyStore>) -> Self {
        Self {
            store,
            prefix: DEFAULT_PREFIX.to_owned(),
            max_age: Duration::from_secs(5),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets what all keys begin with: a lowercase letter, then up to 23 lowercase letters, digits and underscores, the last
    /// one an underscore. `pk_` by default.
    ///
    /// The name of your service, for example `acme_live_`, lets a scanner tell your keys from those of other services. Keys with
    /// another prefix are refused, so a change of the prefix ends all keys.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets how long an answer of the store is used: up to 60 s, and 5 s by default. Zero asks the store on each request.
    ///
    /// A revocation on another machine takes effect after at most this time, and so does a shorter overlap. On this machine
    /// it takes effect at once. While the store is down, keys are accepted for at most this time.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets the clock. The clock of the system by default.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that cannot work.
    pub fn build(self) -> Result<ApiKeys, ConfigError> {
        let format = KeyFormat::new(&self.prefix);
        let mut errors: Vec<ConfigError> = format.as_ref().err().cloned().into_iter().collect();
        if self.max_age > LONGEST_AGE {
            let hint = "write 0 to 60 s; 5 s suits most services";
            errors.push(ConfigError::new("max_age", "longer than 60 s", hint));
        }
        ConfigError::all(errors)?;
        Ok(ApiKeys::from_core(Core {
            format: format?,
            lookups: Lookups::new(self.max_age, self.clock.monotonic()),
            last_uses: LastUses::new(self.store.clone()),
            store: self.store,
            clock: self.clock,
        }))
    }
}
