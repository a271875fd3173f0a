//! The cached keys of one URL, and the one fetch at a time that refreshes them.
//!
//! Reading the keys costs one atomic load. A caller that finds the keys due for a refresh starts one and continues with
//! the cached keys. A caller that finds no usable key waits for the fetch, and replaces it when it stalls: its task may
//! belong to a runtime that is blocked or was dropped.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use reqwest::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::Unavailable;
use crate::jose::key_set::NotChosen;
use crate::jose::{KeySet, VerifyingKey};
use crate::keys::remote::fetch::{self, FetchError, FetchFailure, Fetched, KeySetSource, Revalidation};
use crate::keys::remote::in_flight::{InFlightFetch, with_heartbeats};
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
    keys: ArcSwapOption<DatedKeys>,
    state: Mutex<FetchState>,
    missing: NegativeCache,
}

/// A key set and its dates, which are times of the monotonic clock.
#[derive(Debug)]
struct DatedKeys {
    keys: KeySet,
    fetched_at: Duration,
    refresh_at: Duration,
    usable_until: Duration,
}

#[derive(Debug)]
struct FetchState {
    schedule: FetchSchedule,
    in_flight: Option<InFlightFetch>,
    /// The number of the fetch that started last.
    last_started: u64,
    /// The number of the fetch whose result is cached.
    last_stored: u64,
    revalidation: Option<Revalidation>,
    last_error: Option<String>,
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
        let keys = seed.map(|keys| {
            // A seed is used at once, and is due for a refresh at once.
            let usable_until = now.saturating_add(settings.stale);
            Arc::new(DatedKeys { keys, fetched_at: now, refresh_at: now, usable_until })
        });
        Arc::new(Self {
            keys: ArcSwapOption::new(keys),
            state: Mutex::new(FetchState {
                schedule: FetchSchedule::new(&settings, now),
                in_flight: None,
                last_started: 0,
                last_stored: 0,
                revalidation: None,
                last_error: None,
            }),
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
            (state.last_error.clone(), state.schedule.is_failing().then(|| state.schedule.wait(now)))
        };
        let keys = self.keys.load();
        let usable = keys.as_ref().filter(|keys| now < keys.usable_until);
        KeyStatus {
            ready: usable.is_some(),
            keys: usable.map_or(0, |usable| usable.keys.len()),
            age: usable.map(|usable| now.saturating_sub(usable.fetched_at)),
            last_error,
            next_attempt,
        }
    }

    /// Ends the fetch in flight, if there is one.
    pub(super) fn stop(&self) {
        if let Some(fetch) = self.state().in_flight.take() {
            fetch.task.abort();
        }
    }

    /// Looks the key up in the cached keys, and starts a refresh that is due. `None` means that there are no usable keys.
    fn look_up(self: &Arc<Self>, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, NotChosen>> {
        let cached = self.keys.load();
        let cached = cached.as_ref()?;
        let now = self.now();
        if now >= cached.usable_until {
            return None;
        }
        if now >= cached.refresh_at {
            self.refresh(now);
        }
        Some(cached.keys.choose(query.key_id(), query.algorithm()).cloned())
    }

    /// Starts a refresh, unless a fetch is in flight or has just failed. It never waits for another thread.
    fn refresh(self: &Arc<Self>, now: Duration) {
        if let Ok(state) = self.state.try_lock() {
            self.start_fetch(state, FetchTrigger::Refresh, now);
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
            match self.start_fetch(self.state(), FetchTrigger::UnknownKey, self.now()) {
                FetchStart::NoRuntime => return Err(no_runtime().into()),
                FetchStart::NotNow { failing: true } => return Err(self.unavailable().into()),
                FetchStart::NotNow { failing: false } => return Err(KeyError::NotFound),
                FetchStart::InFlight { fetch, new } => {
                    self.wait_for(fetch).await?;
                    match self.look_up(query) {
                        Some(Err(NotChosen::NotFound)) if self.state().schedule.is_failing() => {
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
        if self.has_usable_keys() {
            return Ok(());
        }
        match self.start_fetch(self.state(), FetchTrigger::NoKeys, self.now()) {
            FetchStart::InFlight { fetch, .. } => self.wait_for(fetch).await?,
            FetchStart::NotNow { .. } => {}
            FetchStart::NoRuntime => return Err(no_runtime()),
        }
        if self.has_usable_keys() { Ok(()) } else { Err(self.unavailable()) }
    }

    /// Waits until `fetch` or a later one is complete. Replaces a stalled fetch, and gives up when the fetch must be
    /// overdue.
    async fn wait_for(self: &Arc<Self>, mut fetch: InFlightFetch) -> Result<(), Unavailable> {
        let since = Instant::now();
        let mut stall = fetch.watch_heartbeats();
        loop {
            if fetch.is_complete() {
                return Ok(());
            }
            let dropped = match tokio::time::timeout(limits::HEARTBEAT_INTERVAL, fetch.completed.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => !fetch.is_complete(),
                Err(_) => false,
            };
            if self.state().last_stored >= fetch.number {
                // Another caller replaced the fetch, and that one is complete.
                return Ok(());
            }
            if since.elapsed() >= self.overdue_after() {
                return Err(self.unavailable());
            }
            if stall.is_stalled() || dropped {
                match self.replace_stalled(fetch.number) {
                    FetchStart::InFlight { fetch: next, .. } => {
                        fetch = next;
                        stall = fetch.watch_heartbeats();
                    }
                    FetchStart::NotNow { .. } => return Err(self.unavailable()),
                    FetchStart::NoRuntime => return Err(no_runtime()),
                }
            }
        }
    }

    /// Starts a fetch instead of the stalled one with this number, unless another caller has done so.
    fn replace_stalled(self: &Arc<Self>, number: u64) -> FetchStart {
        let mut state = self.state();
        if state.in_flight.as_ref().is_some_and(|fetch| fetch.number == number) {
            state.in_flight = None;
        }
        self.start_fetch(state, FetchTrigger::Stalled, self.now())
    }

    /// Returns the fetch in flight, or starts one if the schedule allows it.
    fn start_fetch(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, FetchState>,
        trigger: FetchTrigger,
        now: Duration,
    ) -> FetchStart {
        let in_time = |fetch: &&InFlightFetch| fetch.is_running() && fetch.started_at.elapsed() < self.overdue_after();
        if let Some(fetch) = state.in_flight.as_ref().filter(in_time) {
            return FetchStart::InFlight { fetch: fetch.clone(), new: false };
        }
        let Ok(runtime) = Handle::try_current() else { return FetchStart::NoRuntime };
        if !state.schedule.start(trigger, now) {
            return FetchStart::NotNow { failing: state.schedule.is_failing() };
        }
        state.last_started += 1;
        let (number, revalidation) = (state.last_started, state.revalidation.clone());
        let (complete, completed) = watch::channel(false);
        let heartbeats = Arc::new(AtomicU64::new(0));
        // The task holds only a weak reference to this value while it fetches, so that dropping the last strong one ends
        // the fetch.
        let fetch = {
            let (source, client, settings) = (self.source.clone(), self.client.clone(), Arc::clone(&self.settings));
            async move { source.fetch(&client, &settings, revalidation).await }
        };
        let started_at = Instant::now();
        let completion = FetchTask { key_set: Arc::downgrade(self), number, trigger, started_at, complete };
        let counter = Arc::clone(&heartbeats);
        let task = runtime.spawn(async move {
            let result = with_heartbeats(fetch, &counter).await;
            completion.complete(result);
        });
        let fetch = InFlightFetch { number, started_at, completed, heartbeats, task: task.abort_handle() };
        state.in_flight = Some(fetch.clone());
        FetchStart::InFlight { fetch, new: true }
    }

    /// Stores the result of a fetch, unless that of a fetch that started later is stored already.
    fn complete(&self, number: u64, trigger: FetchTrigger, result: Result<Fetched, FetchError>, took: Duration) {
        let now = self.now();
        let mut state = self.state();
        if state.in_flight.as_ref().is_some_and(|fetch| fetch.number == number) {
            state.in_flight = None;
        }
        if number <= state.last_stored {
            return;
        }
        match result {
            Ok(fetched) => {
                let (usable, skipped) = self.store(fetched, &mut state, now);
                state.last_stored = number;
                state.schedule.succeeded();
                state.last_error = None;
                drop(state);
                let (trigger, url) = (trigger.name(), self.shown_url());
                tracing::info!(trigger, url, usable, skipped, ?took, outcome = "ok", "keys fetched");
            }
            Err(error) => {
                // The result of the fetch that started later decides.
                if number < state.last_started {
                    return;
                }
                state.schedule.failed(now, self.has_usable_keys(), error.retry_after(), fastrand::f64());
                state.revalidation = state.revalidation.take().map(Revalidation::without_metadata);
                state.last_error = Some(error.to_string());
                let next_retry = state.schedule.wait(now);
                drop(state);
                let (trigger, status, has_keys) = (trigger.name(), error.status(), self.has_usable_keys());
                let FetchError { failure, document, url } = &error;
                tracing::warn!(
                    trigger, %document, %url, status, ?took, outcome = %failure, ?next_retry, has_keys, "keys not fetched"
                );
            }
        }
    }

    /// Replaces the cached keys. Returns the numbers of usable and of skipped keys.
    fn store(&self, fetched: Fetched, state: &mut FetchState, now: Duration) -> (usize, usize) {
        let Fetched { keys, lifetime, revalidation } = fetched;
        state.revalidation = Some(revalidation);
        let refresh_in = lifetime.mul_f64(limits::REFRESH_AFTER + limits::REFRESH_JITTER * fastrand::f64());
        let fresh_until = now.saturating_add(lifetime);
        // Without a change (304), the same keys get new dates.
        let keys = keys.or_else(|| self.keys.load().as_ref().map(|cached| cached.keys.clone()));
        let Some(keys) = keys else { return (0, 0) };
        let counts = (keys.len(), keys.skipped().len());
        for skipped in keys.skipped() {
            tracing::debug!(url = self.shown_url(), key = %skipped, "key skipped");
        }
        self.keys.store(Some(Arc::new(DatedKeys {
            keys,
            fetched_at: now,
            refresh_at: now.saturating_add(refresh_in),
            usable_until: fresh_until.saturating_add(self.settings.stale),
        })));
        counts
    }

    fn unavailable(&self) -> Unavailable {
        let state = self.state();
        let wait = state.schedule.wait(self.now()).max(limits::MIN_CALLER_RETRY_AFTER);
        let unavailable = Unavailable::new().with_retry_after(wait);
        match &state.last_error {
            Some(error) => unavailable.with_source(error.clone()),
            None => unavailable,
        }
    }

    /// The age at which a fetch is considered lost: its own time limit would have ended it if its runtime were running.
    fn overdue_after(&self) -> Duration {
        self.settings.timeout.saturating_add(limits::OVERDUE_MARGIN)
    }

    fn has_usable_keys(&self) -> bool {
        let now = self.now();
        self.keys.load().as_ref().is_some_and(|cached| now < cached.usable_until)
    }

    fn shown_url(&self) -> String {
        fetch::without_query(self.source.first_request().1).to_string()
    }

    fn now(&self) -> Duration {
        self.settings.clock.monotonic()
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        // Nothing that panics runs under the lock, and the state is consistent between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the result of a fetch to its key set. A panic of the fetch is a result as well; a task that is dropped has no
/// result.
struct FetchTask {
    key_set: Weak<CachedKeySet>,
    number: u64,
    trigger: FetchTrigger,
    started_at: Instant,
    complete: watch::Sender<bool>,
}

impl FetchTask {
    fn complete(&self, result: Result<Fetched, FetchError>) {
        if let Some(key_set) = self.key_set.upgrade() {
            key_set.complete(self.number, self.trigger, result, self.started_at.elapsed());
        }
        self.complete.send_replace(true);
    }
}

impl Drop for FetchTask {
    fn drop(&mut self) {
        if std::thread::panicking()
            && !*self.complete.borrow()
            && let Some(key_set) = self.key_set.upgrade()
        {
            let (document, url) = key_set.source.first_request();
            self.complete(Err(FetchError::new(document, url, FetchFailure::Panicked)));
        }
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
