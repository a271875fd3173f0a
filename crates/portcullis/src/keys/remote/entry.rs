//! The keys of one URL: what is held, and the one fetch at a time that renews it.
//!
//! Reading costs one atomic load. Whoever finds the keys due for a refresh starts one and goes on with what is held;
//! whoever finds no usable key waits for the fetch, and takes it over when it goes silent: the task may belong to a
//! runtime that is blocked, or was dropped.

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
use crate::keys::remote::absent::{AbsentKeys, KeyName};
use crate::keys::remote::fetch::{self, FetchError, Fetched, Source, Trail};
use crate::keys::remote::flight::{BEAT, Flight, SILENCE, while_beating};
use crate::keys::remote::schedule::{Cause, Schedule};
use crate::keys::remote::settings::Settings;
use crate::keys::{KeyError, KeyQuery, KeyStatus};

#[derive(Debug)]
pub(super) struct Entry {
    source: Source,
    client: Client,
    settings: Arc<Settings>,
    held: ArcSwapOption<Held>,
    control: Mutex<Control>,
    absent: AbsentKeys,
}

/// A key set and its dates, on the monotonic clock.
#[derive(Debug)]
struct Held {
    keys: KeySet,
    fetched_at: Duration,
    refresh_at: Duration,
    usable_until: Duration,
}

#[derive(Debug)]
struct Control {
    schedule: Schedule,
    flight: Option<Flight>,
    /// The number of the fetch that started last, and of the one whose result is held.
    started: u64,
    landed: u64,
    trail: Option<Trail>,
    last_error: Option<String>,
}

enum Start {
    /// A fetch is under way; `ours` if it started just now.
    Flying {
        flight: Flight,
        ours: bool,
    },
    NotNow {
        failing: bool,
    },
    NoRuntime,
}

impl Entry {
    pub(super) fn new(source: Source, client: Client, settings: Arc<Settings>, seed: Option<KeySet>) -> Arc<Self> {
        let now = settings.clock.monotonic();
        let seed = seed.map(|keys| {
            // Bundled keys serve at once and are due for a refresh at once.
            let usable_until = now.saturating_add(settings.stale);
            Arc::new(Held { keys, fetched_at: now, refresh_at: now, usable_until })
        });
        Arc::new(Self {
            held: ArcSwapOption::new(seed),
            control: Mutex::new(Control {
                schedule: Schedule::new(&settings, now),
                flight: None,
                started: 0,
                landed: 0,
                trail: None,
                last_error: None,
            }),
            absent: AbsentKeys::new(&settings),
            source,
            client,
            settings,
        })
    }

    pub(super) async fn key(self: &Arc<Self>, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        match self.look_up(query) {
            Some(Err(NotChosen::NotFound)) => self.key_after_fetch(query).await,
            Some(chosen) => Ok(chosen?),
            None => {
                self.fetch_when_cold().await?;
                match self.look_up(query) {
                    Some(chosen) => Ok(chosen?),
                    None => Err(self.unavailable().into()),
                }
            }
        }
    }

    /// One attempt, unless usable keys are held or the schedule forbids it.
    pub(super) async fn warm_up(self: &Arc<Self>) -> Result<(), KeyError> {
        self.fetch_when_cold().await.map_err(KeyError::from)
    }

    /// Fetches beside all others, and takes in nothing.
    pub(super) async fn inspect(&self) -> Result<KeySet, Unavailable> {
        match self.source.fetch(&self.client, &self.settings, None).await {
            Ok(fetched) => Ok(fetched.keys.unwrap_or_default()),
            Err(FetchError { cause: fetch::Cause::NoUsableKey { keys }, .. }) => Ok(keys),
            Err(error) => Err(Unavailable::new().because(error.to_string())),
        }
    }

    pub(super) fn status(&self) -> KeyStatus {
        let now = self.now();
        let (last_error, next_attempt) = {
            let control = self.control();
            (control.last_error.clone(), control.schedule.is_failing().then(|| control.schedule.wait(now)))
        };
        let held = self.held.load();
        let usable = held.as_ref().filter(|held| now < held.usable_until);
        KeyStatus {
            ready: usable.is_some(),
            keys: usable.map_or(0, |held| held.keys.len()),
            age: usable.map(|held| now.saturating_sub(held.fetched_at)),
            last_error,
            next_attempt,
        }
    }

    /// Ends the fetch that is under way, if any.
    pub(super) fn stop(&self) {
        if let Some(flight) = self.control().flight.take() {
            flight.task.abort();
        }
    }

    /// What the held keys say; `None` when none are usable. Starts a refresh that is due.
    fn look_up(self: &Arc<Self>, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, NotChosen>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        let now = self.now();
        if now >= held.usable_until {
            return None;
        }
        if now >= held.refresh_at {
            self.refresh(now);
        }
        Some(held.keys.choose(query.key_id(), query.algorithm()).cloned())
    }

    /// Starts a refresh unless one is under way or just failed; never waits for another thread.
    fn refresh(self: &Arc<Self>, now: Duration) {
        if let Ok(control) = self.control.try_lock() {
            self.start(control, Cause::Refresh, now);
        }
    }

    /// For a key that is not among the held ones: fetches, if the schedule allows, and looks again.
    async fn key_after_fetch(self: &Arc<Self>, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let name = KeyName::of(query);
        let absence = self.absent.get(&name);
        if absence.is_some_and(|absence| absence.lasts(self.now())) {
            return Err(KeyError::NotFound);
        }
        // A fetch that was under way may have started before the key was published; hence a second one.
        for _ in 0..2 {
            match self.start(self.control(), Cause::UnknownKey, self.now()) {
                Start::NoRuntime => return Err(no_runtime().into()),
                Start::NotNow { failing: true } => return Err(self.unavailable().into()),
                Start::NotNow { failing: false } => return Err(KeyError::NotFound),
                Start::Flying { flight, ours } => {
                    self.landing(flight).await?;
                    match self.look_up(query) {
                        Some(Err(NotChosen::NotFound)) if self.control().schedule.is_failing() => {
                            return Err(self.unavailable().into());
                        }
                        Some(Err(NotChosen::NotFound)) if ours => break,
                        Some(Err(NotChosen::NotFound)) => {}
                        Some(chosen) => return Ok(chosen?),
                        None => return Err(self.unavailable().into()),
                    }
                }
            }
        }
        self.absent.insert(name, absence, self.now());
        Err(KeyError::NotFound)
    }

    async fn fetch_when_cold(self: &Arc<Self>) -> Result<(), Unavailable> {
        if self.holds_usable_keys() {
            return Ok(());
        }
        match self.start(self.control(), Cause::NoKeys, self.now()) {
            Start::Flying { flight, .. } => self.landing(flight).await?,
            Start::NotNow { .. } => {}
            Start::NoRuntime => return Err(no_runtime()),
        }
        if self.holds_usable_keys() { Ok(()) } else { Err(self.unavailable()) }
    }

    /// Waits until `flight` has landed, or whichever takes its place. Ends at a deadline of its own.
    async fn landing(self: &Arc<Self>, mut flight: Flight) -> Result<(), Unavailable> {
        let since = Instant::now();
        let mut listener = flight.listen();
        loop {
            if *flight.landed.borrow() {
                return Ok(());
            }
            let gone = match tokio::time::timeout(BEAT, flight.landed.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => !*flight.landed.borrow(),
                Err(_) => false,
            };
            if self.control().landed >= flight.number {
                // Whoever took it over has landed already.
                return Ok(());
            }
            if since.elapsed() >= self.overdue_after() {
                return Err(self.unavailable());
            }
            if listener.hears_nothing() || gone {
                match self.take_over(flight.number) {
                    Start::Flying { flight: next, .. } => {
                        flight = next;
                        listener = flight.listen();
                    }
                    Start::NotNow { .. } => return Err(self.unavailable()),
                    Start::NoRuntime => return Err(no_runtime()),
                }
            }
        }
    }

    /// Starts a fetch in the place of a silent one, unless somebody else did.
    fn take_over(self: &Arc<Self>, number: u64) -> Start {
        let mut control = self.control();
        if control.flight.as_ref().is_some_and(|flight| flight.number == number) {
            control.flight = None;
        }
        self.start(control, Cause::TakeOver, self.now())
    }

    fn start(self: &Arc<Self>, mut control: MutexGuard<'_, Control>, cause: Cause, now: Duration) -> Start {
        let in_time = |flight: &&Flight| flight.is_under_way() && flight.started_at.elapsed() < self.overdue_after();
        if let Some(flight) = control.flight.as_ref().filter(in_time) {
            return Start::Flying { flight: flight.clone(), ours: false };
        }
        let Ok(runtime) = Handle::try_current() else { return Start::NoRuntime };
        if !control.schedule.start(cause, now) {
            return Start::NotNow { failing: control.schedule.is_failing() };
        }
        control.started += 1;
        let (number, trail) = (control.started, control.trail.clone());
        let (landed, landing) = watch::channel(false);
        let beats = Arc::new(AtomicU64::new(0));
        // The task holds no reference to this entry while it fetches: dropping the last one ends the fetch.
        let fetch = {
            let (source, client, settings) = (self.source.clone(), self.client.clone(), Arc::clone(&self.settings));
            async move { source.fetch(&client, &settings, trail).await }
        };
        let started_at = Instant::now();
        let crew = Crew { entry: Arc::downgrade(self), number, cause, started_at, landed };
        let beating = Arc::clone(&beats);
        let task = runtime.spawn(async move {
            let result = while_beating(fetch, &beating).await;
            crew.land(result);
        });
        let flight = Flight { number, started_at, landed: landing, beats, task: task.abort_handle() };
        control.flight = Some(flight.clone());
        Start::Flying { flight, ours: true }
    }

    /// Takes in a result, unless that of a fetch that started later is held already.
    fn land(&self, number: u64, cause: Cause, result: Result<Fetched, FetchError>, took: Duration) {
        let now = self.now();
        let mut control = self.control();
        if control.flight.as_ref().is_some_and(|flight| flight.number == number) {
            control.flight = None;
        }
        if number <= control.landed {
            return;
        }
        match result {
            Ok(fetched) => {
                let (kept, skipped) = self.hold(fetched, &mut control, now);
                control.landed = number;
                control.schedule.succeeded();
                control.last_error = None;
                drop(control);
                let (cause, url) = (cause.name(), self.shown_url());
                tracing::info!(cause, url, kept, skipped, ?took, outcome = "ok", "keys fetched");
            }
            Err(error) => {
                // A later fetch will say better.
                if number < control.started {
                    return;
                }
                control.schedule.failed(now, self.holds_usable_keys(), error.retry_after(), fastrand::f64());
                control.trail = control.trail.take().map(Trail::without_document);
                control.last_error = Some(error.to_string());
                let next = control.schedule.wait(now);
                drop(control);
                let (cause, status, holding) = (cause.name(), error.status(), self.holds_usable_keys());
                let FetchError { cause: outcome, document, url } = &error;
                tracing::warn!(cause, %document, %url, status, ?took, %outcome, next_retry = ?next, holding, "keys not fetched");
            }
        }
    }

    /// Replaces what is held; the numbers of usable and skipped keys.
    fn hold(&self, fetched: Fetched, control: &mut Control, now: Duration) -> (usize, usize) {
        let Fetched { keys, lifetime, trail } = fetched;
        control.trail = Some(trail);
        // Ahead of the end, and not at the same moment in every instance.
        let refresh_in = lifetime.mul_f64(0.75 + 0.1 * fastrand::f64());
        let fresh_until = now.saturating_add(lifetime);
        let keys = keys.or_else(|| {
            // Not modified: the same keys under new dates.
            let held = self.held.load();
            held.as_ref().map(|held| KeySet::clone(&held.keys))
        });
        let Some(keys) = keys else { return (0, 0) };
        let counts = (keys.len(), keys.skipped().len());
        for skipped in keys.skipped() {
            tracing::debug!(url = self.shown_url(), key = %skipped, "key skipped");
        }
        self.held.store(Some(Arc::new(Held {
            keys,
            fetched_at: now,
            refresh_at: now.saturating_add(refresh_in),
            usable_until: fresh_until.saturating_add(self.settings.stale),
        })));
        counts
    }

    fn unavailable(&self) -> Unavailable {
        let control = self.control();
        let wait = control.schedule.wait(self.now()).max(Duration::from_secs(1));
        let unavailable = Unavailable::new().retry_after(wait);
        match &control.last_error {
            Some(error) => unavailable.because(error.clone()),
            None => unavailable,
        }
    }

    /// A fetch that is older than this sits on a runtime that does not turn, since its own deadline would have ended it.
    fn overdue_after(&self) -> Duration {
        self.settings.timeout.saturating_add(SILENCE * 2)
    }

    fn holds_usable_keys(&self) -> bool {
        let now = self.now();
        self.held.load().as_ref().is_some_and(|held| now < held.usable_until)
    }

    fn shown_url(&self) -> String {
        fetch::without_query(self.source.first_request().1).to_string()
    }

    fn now(&self) -> Duration {
        self.settings.clock.monotonic()
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        // Nothing that panics is done under the lock, and the state is whole between any two statements.
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fetching task hands its result to. A panic is a result too; a task that is dropped has none.
struct Crew {
    entry: Weak<Entry>,
    number: u64,
    cause: Cause,
    started_at: Instant,
    landed: watch::Sender<bool>,
}

impl Crew {
    fn land(&self, result: Result<Fetched, FetchError>) {
        if let Some(entry) = self.entry.upgrade() {
            entry.land(self.number, self.cause, result, self.started_at.elapsed());
        }
        self.landed.send_replace(true);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Without the entry there is nobody to tell.
        if std::thread::panicking()
            && !*self.landed.borrow()
            && let Some(entry) = self.entry.upgrade()
        {
            let (document, url) = entry.source.first_request();
            self.land(Err(FetchError::new(document, url, fetch::Cause::Panicked)));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_runtime() -> Unavailable {
    Unavailable::new().because("keys are fetched on a tokio runtime, and this thread has none")
}
