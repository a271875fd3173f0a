//! The cached keys of one URL, and the one fetch at a time that refreshes them.
//!
//! Reading the keys costs one atomic load. A caller that finds the keys due for a refresh starts one and continues with
//! the cached keys. A caller that finds no usable key waits for the fetch, and replaces it when it stalls: its task may
//! belong to a runtime that is blocked or was dropped. [`FetchState`] has the decisions; this file runs them on tokio.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use reqwest::Client;
use tokio::runtime::Handle;

use crate::error::Unavailable;
use crate::jose::key_set::NotChosen;
use crate::jose::{KeySet, VerifyingKey};
use crate::keys::remote::fetch::{self, FetchError, FetchFailure, Fetched, KeySetSource, Revalidation};
use crate::keys::remote::fetch_state::{Failed, FetchState, KeyDates, WaitStep};
use crate::keys::remote::in_flight::InFlightFetch;
use crate::keys::remote::limits;
use crate::keys::remote::negative_cache::{KeyFingerprint, NegativeCache};
use crate::keys::remote::schedule::{FetchSchedule, FetchTrigger};
use crate::keys::remote::settings::FetchSettings;
use crate::keys::{KeyError, KeyQuery, KeyStatus};

#[derive(Debug)]
pub(super) struct CachedKeySet {
    source: KeySetSource,
    client: Client,
    settings: Arc<FetchSettings>,
    keys: ArcSwapOption<CachedKeys>,
    state: Mutex<FetchState<InFlightFetch>>,
    missing: NegativeCache,
}

#[derive(Debug)]
struct CachedKeys {
    keys: KeySet,
    dates: KeyDates,
    /// `None` for a seed.
    revalidation: Option<Revalidation>,
}

/// The result of asking for a fetch.
enum FetchStart {
    /// A fetch is in flight. It is `new` if it started because of this caller.
    InFlight { fetch: InFlightFetch, new: bool },
    /// The schedule does not allow a fetch now.
    NotNow { failing: bool },
    /// The caller is not on a tokio runtime.
    NoRuntime,
}

impl CachedKeySet {
    pub(super) fn new(
        source: KeySetSource,
        client: Client,
        settings: Arc<FetchSettings>,
        seed: Option<KeySet>,
    ) -> Arc<Self> {
        let now = settings.clock.monotonic();
        let dates = KeyDates::of_seed(now, settings.stale);
        let keys = seed.map(|keys| Arc::new(CachedKeys { keys, dates, revalidation: None }));
        let schedule = FetchSchedule::new(settings.cooldown, settings.burst, now);
        Arc::new(Self {
            keys: ArcSwapOption::new(keys),
            state: Mutex::new(FetchState::new(schedule)),
            missing: NegativeCache::new(&settings),
            source,
            client,
            settings,
        })
    }

    pub(super) async fn key(self: &Arc<Self>, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        match self.look_up(query) {
            Some(Err(NotChosen::NotFound)) => self.fetch_unknown_key(query).await,
            Some(chosen) => Ok(chosen?),
            None => {
                self.fetch_without_keys().await?;
                match self.look_up(query) {
                    Some(chosen) => Ok(chosen?),
                    None => Err(self.unavailable().into()),
                }
            }
        }
    }

    /// Makes one attempt, unless usable keys are cached or the schedule forbids it.
    pub(super) async fn warm_up(self: &Arc<Self>) -> Result<(), KeyError> {
        self.fetch_without_keys().await.map_err(KeyError::from)
    }

    /// Fetches the key set independently of all other fetches, and caches nothing.
    pub(super) async fn inspect(&self) -> Result<KeySet, Unavailable> {
        match self.source.fetch(&self.client, &self.settings, None).await {
            Ok(fetched) => Ok(fetched.keys.unwrap_or_default()),
            Err(FetchError { failure: FetchFailure::NoUsableKey { keys }, .. }) => Ok(keys),
            Err(error) => Err(Unavailable::new().with_source(error.to_string())),
        }
    }

    pub(super) fn status(&self) -> KeyStatus {
        let now = self.now();
        let (last_error, next_attempt) = {
            let state = self.state();
            (state.last_error().map(str::to_owned), state.is_failing().then(|| state.pause(now)))
        };
        let cached = self.keys.load();
        let usable = cached.as_ref().filter(|cached| cached.dates.are_usable(now));
        KeyStatus {
            ready: usable.is_some(),
            keys: usable.map_or(0, |usable| usable.keys.len()),
            age: usable.map(|usable| now.saturating_sub(usable.dates.fetched_at)),
            last_error,
            next_attempt,
        }
    }

    /// Ends the fetch in flight, if there is one.
    pub(super) fn stop(&self) {
        if let Some(fetch) = self.state().stop() {
            fetch.abort();
        }
    }

    /// Looks the key up in the cached keys, and starts a refresh that is due. `None` means that there are no usable keys.
    fn look_up(self: &Arc<Self>, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, NotChosen>> {
        let cached = self.keys.load();
        let cached = cached.as_ref()?;
        let now = self.now();
        if !cached.dates.are_usable(now) {
            return None;
        }
        if cached.dates.are_due(now) {
            self.refresh(now);
        }
        Some(cached.keys.choose(query.key_id(), query.algorithm()).cloned())
    }

    /// Starts a refresh, unless a fetch is in flight or has just failed. It never waits for another thread.
    fn refresh(self: &Arc<Self>, now: Duration) {
        if let Ok(state) = self.state.try_lock() {
            // Another caller may have completed a refresh in the meantime.
            if self.keys.load().as_ref().is_some_and(|cached| cached.dates.are_due(now)) {
                self.start_fetch(FetchTrigger::Refresh, now, state);
            }
        }
    }

    /// Looks again for a key that is not cached, after a fetch if the schedule allows one.
    async fn fetch_unknown_key(self: &Arc<Self>, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let fingerprint = KeyFingerprint::of(query);
        let missing = self.missing.get(&fingerprint);
        if missing.is_some_and(|missing| missing.is_current(self.now())) {
            return Err(KeyError::NotFound);
        }
        for _ in 0..limits::FETCHES_PER_UNKNOWN_KEY {
            match self.start_fetch(FetchTrigger::UnknownKey, self.now(), self.state()) {
                FetchStart::NoRuntime => return Err(no_runtime().into()),
                FetchStart::NotNow { failing: true } => return Err(self.unavailable().into()),
                FetchStart::NotNow { failing: false } => return Err(KeyError::NotFound),
                FetchStart::InFlight { fetch, new } => {
                    self.wait_for(fetch).await?;
                    match self.look_up(query) {
                        Some(Err(NotChosen::NotFound)) if self.state().is_failing() => {
                            return Err(self.unavailable().into());
                        }
                        Some(Err(NotChosen::NotFound)) if new => break,
                        // It was in flight already, so it may have started before the key was published.
                        Some(Err(NotChosen::NotFound)) => {}
                        Some(chosen) => return Ok(chosen?),
                        None => return Err(self.unavailable().into()),
                    }
                }
            }
        }
        self.missing.insert(fingerprint, missing, self.now());
        Err(KeyError::NotFound)
    }

    /// Fetches the keys, unless usable keys are cached.
    async fn fetch_without_keys(self: &Arc<Self>) -> Result<(), Unavailable> {
        let now = self.now();
        let start = {
            let state = self.state();
            // Asked under the lock, because another caller may have completed a fetch in the meantime.
            if self.has_usable_keys(now) {
                return Ok(());
            }
            self.start_fetch(FetchTrigger::NoKeys, now, state)
        };
        match start {
            FetchStart::InFlight { fetch, .. } => self.wait_for(fetch).await?,
            FetchStart::NotNow { .. } => {}
            FetchStart::NoRuntime => return Err(no_runtime()),
        }
        if self.has_usable_keys(self.now()) { Ok(()) } else { Err(self.unavailable()) }
    }

    /// Waits until `fetch` or a later one is complete. Replaces a stalled fetch, and gives up when the fetch must be
    /// overdue.
    async fn wait_for(self: &Arc<Self>, mut fetch: InFlightFetch) -> Result<(), Unavailable> {
        let since = Instant::now();
        let mut stall = fetch.watch_heartbeats();
        while !fetch.is_complete() {
            fetch.changed().await;
            let lost = fetch.is_dropped() || stall.is_stalled();
            let step = self.state().wait(fetch.number, since.elapsed(), self.overdue_after(), lost);
            match step {
                WaitStep::Done => return Ok(()),
                WaitStep::GiveUp => return Err(self.unavailable()),
                WaitStep::Replace => match self.replace(fetch.number) {
                    FetchStart::InFlight { fetch: next, .. } => {
                        fetch = next;
                        stall = fetch.watch_heartbeats();
                    }
                    FetchStart::NotNow { .. } => return Err(self.unavailable()),
                    FetchStart::NoRuntime => return Err(no_runtime()),
                },
                WaitStep::Wait => {}
            }
        }
        Ok(())
    }

    /// Starts a fetch instead of the lost one with this number, unless another caller has done so.
    fn replace(self: &Arc<Self>, number: u64) -> FetchStart {
        let now = self.now();
        let mut state = self.state();
        state.forget(number);
        self.start_fetch(FetchTrigger::Stalled, now, state)
    }

    /// Returns the fetch in flight, or starts one if the schedule allows it.
    fn start_fetch(
        self: &Arc<Self>,
        trigger: FetchTrigger,
        now: Duration,
        mut state: MutexGuard<'_, FetchState<InFlightFetch>>,
    ) -> FetchStart {
        let in_time = |fetch: &&InFlightFetch| fetch.is_running() && fetch.age() < self.overdue_after();
        if let Some(fetch) = state.in_flight().filter(in_time) {
            return FetchStart::InFlight { fetch: fetch.clone(), new: false };
        }
        let Ok(runtime) = Handle::try_current() else { return FetchStart::NoRuntime };
        let Some(number) = state.start(trigger, now) else {
            return FetchStart::NotNow { failing: state.is_failing() };
        };
        let mut revalidation = self.keys.load().as_ref().and_then(|cached| cached.revalidation.clone());
        if state.is_failing() {
            // The metadata may be the reason for the failure, so it is read again.
            revalidation = revalidation.map(Revalidation::without_metadata);
        }
        // The task holds only a weak reference to this value, so that dropping the last strong one ends the fetch.
        let (source, client, settings) = (self.source.clone(), self.client.clone(), Arc::clone(&self.settings));
        let request = async move { source.fetch(&client, &settings, revalidation).await };
        let key_set = Arc::downgrade(self);
        let fetch = InFlightFetch::spawn(&runtime, number, request, move |result, took| {
            if let Some(key_set) = key_set.upgrade() {
                key_set.complete(number, trigger, result, took);
            }
        });
        state.started(number, fetch.clone());
        FetchStart::InFlight { fetch, new: true }
    }

    /// Stores the result of a fetch, unless a fetch that started later decides. `None` means that the fetch panicked.
    fn complete(
        &self,
        number: u64,
        trigger: FetchTrigger,
        result: Option<Result<Fetched, FetchError>>,
        took: Duration,
    ) {
        match result {
            Some(Ok(fetched)) => self.store(number, trigger, fetched, took),
            Some(Err(error)) => self.fail(number, trigger, &error, took),
            None => {
                let (document, url) = self.source.first_request();
                self.fail(number, trigger, &FetchError::new(document, url, FetchFailure::Panicked), took);
            }
        }
    }

    fn store(&self, number: u64, trigger: FetchTrigger, fetched: Fetched, took: Duration) {
        let Fetched { keys, lifetime, revalidation } = fetched;
        let stored = {
            let now = self.now();
            let mut state = self.state();
            if !state.succeeded(number) {
                return;
            }
            // Without a change (304), the same keys get new dates. There are some, because the request had their validators.
            let unchanged = || self.keys.load().as_ref().map(|cached| cached.keys.clone());
            let Some(keys) = keys.or_else(unchanged) else { return };
            let dates = KeyDates::of_fetched(now, lifetime, self.settings.stale, fastrand::f64());
            let stored = Arc::new(CachedKeys { keys, dates, revalidation: Some(revalidation) });
            self.keys.store(Some(Arc::clone(&stored)));
            stored
        };
        let (trigger, url) = (trigger.name(), self.shown_url());
        for skipped in stored.keys.skipped() {
            tracing::debug!(url, key = %skipped, "key skipped");
        }
        let (usable, skipped) = (stored.keys.len(), stored.keys.skipped().len());
        tracing::info!(trigger, url, usable, skipped, ?took, outcome = "ok", "keys fetched");
    }

    fn fail(&self, number: u64, trigger: FetchTrigger, error: &FetchError, took: Duration) {
        let now = self.now();
        let has_keys = self.has_usable_keys(now);
        let failed = Failed { error: error.to_string(), retry_after: error.retry_after(), has_keys };
        let Some(next_retry) = self.state().failed(number, failed, now, fastrand::f64()) else { return };
        let (trigger, status) = (trigger.name(), error.status());
        let FetchError { failure, document, url } = error;
        tracing::warn!(
            trigger, %document, %url, status, ?took, outcome = %failure, ?next_retry, has_keys, "keys not fetched"
        );
    }

    fn unavailable(&self) -> Unavailable {
        let now = self.now();
        let state = self.state();
        let wait = state.pause(now).max(limits::MIN_CALLER_RETRY_AFTER);
        let unavailable = Unavailable::new().with_retry_after(wait);
        match state.last_error() {
            Some(error) => unavailable.with_source(error),
            None => unavailable,
        }
    }

    /// The age at which a fetch is considered lost: its own time limit would have ended it if its runtime were running.
    fn overdue_after(&self) -> Duration {
        self.settings.timeout.saturating_add(limits::OVERDUE_MARGIN)
    }

    fn has_usable_keys(&self, now: Duration) -> bool {
        self.keys.load().as_ref().is_some_and(|cached| cached.dates.are_usable(now))
    }

    fn shown_url(&self) -> String {
        fetch::without_query(self.source.first_request().1).to_string()
    }

    fn now(&self) -> Duration {
        self.settings.clock.monotonic()
    }

    fn state(&self) -> MutexGuard<'_, FetchState<InFlightFetch>> {
        // Under the lock no clock, event or other foreign code runs, and the state is consistent between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CachedKeySet {
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_runtime() -> Unavailable {
    Unavailable::new().with_source("keys are fetched on a tokio runtime, and this thread has none")
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    #[test]
    fn keys_that_arrive_before_the_lock_need_no_fetch() {
        // A fetch fails, because the port has no server.
        let source = KeySetSource::Url(Url::parse("http://127.0.0.1:1/keys").unwrap());
        let key_set = CachedKeySet::new(source, Client::new(), Arc::default(), None);
        let state = key_set.state();
        let caller = {
            let key_set = Arc::clone(&key_set);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(key_set.warm_up())
            })
        };
        // The caller waits for the lock meanwhile, or comes later.
        std::thread::sleep(Duration::from_millis(50));
        let dates = KeyDates::of_seed(key_set.now(), Duration::from_secs(60));
        key_set.keys.store(Some(Arc::new(CachedKeys { keys: KeySet::default(), dates, revalidation: None })));
        drop(state);
        assert!(caller.join().unwrap().is_ok());
    }
}
