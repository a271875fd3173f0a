//! The cached keys of one source, and the one fetch at a time that refreshes them.
//!
//! Reading the keys costs one atomic load. A caller that finds the keys due for a refresh starts one and continues with the
//! cached keys. A caller that finds no usable key, or no key with its name, asks the [`Coordinator`], which decides. This
//! file carries out its decisions on tokio.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use reqwest::Client;
use tokio::runtime::{self, Handle};
use tokio::task::AbortHandle;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::Unavailable;
use crate::jose::key_set::NotChosen;
use crate::jose::{AlgorithmSet, KeySet, VerifyingKey};
use crate::keys::remote::asked_names::NameHash;
use crate::keys::remote::coordinator::{Coordinator, Waited};
use crate::keys::remote::fetch::{FetchError, FetchFailure, Fetched, KeySetSource, Revalidation};
use crate::keys::remote::fetch_state::{Failed, KeyDates, Later, Lookup, Moment, NewFetch, Request, Step};
use crate::keys::remote::in_flight::{self, FetchReports};
use crate::keys::remote::limits;
use crate::keys::remote::schedule::FetchSchedule;
use crate::keys::remote::settings::FetchSettings;
use crate::keys::remote::trace::Trace;
use crate::keys::{KeyDiagnosis, KeyError, KeyQuery, KeyStatus};
use crate::measure::{Document, FetchOutcome, KeySetMetrics, Label};

#[derive(Debug)]
pub(super) struct CachedKeySet {
    source: KeySetSource,
    client: Option<Client>,
    settings: Arc<FetchSettings>,
    keys: ArcSwapOption<CachedKeys>,
    coordinator: Coordinator<runtime::Id, AbortHandle>,
    name_hasher: NameHasher,
    metrics: KeySetMetrics,
    /// The origin of network times.
    created_at: Instant,
}

#[derive(Debug)]
struct CachedKeys {
    keys: KeySet,
    dates: KeyDates,
    /// The names of keys that earlier fetches had and these keys do not have, the latest first.
    withdrawn: Vec<String>,
    /// The number of the fetch that they come from; 0 for a seed.
    number: u64,
    /// `None` for a seed.
    revalidation: Option<Revalidation>,
}

/// The result of looking into the cached keys.
enum Cached {
    Chosen(Result<Arc<VerifyingKey>, NotChosen>),
    /// There are no usable keys, or none with the name of the query. `seen` is the number of the fetch of the keys.
    NoKeys {
        seen: u64,
    },
    NoSuchKey {
        seen: u64,
        withdrawn: bool,
    },
}

/// One caller's waiting, for one fetch or several.
#[derive(Default)]
struct Waiting {
    /// When the caller gives up. `None` until it waits.
    until: Option<Option<tokio::time::Instant>>,
    waited_for: Option<u64>,
}

impl CachedKeySet {
    pub(super) fn new(
        source: KeySetSource,
        client: Option<Client>,
        settings: Arc<FetchSettings>,
        seed: Option<KeySet>,
    ) -> Arc<Self> {
        let now = settings.clock.monotonic();
        let dates = KeyDates::of_seed(now, settings.stale);
        let keys =
            seed.map(|keys| Arc::new(CachedKeys { keys, dates, withdrawn: Vec::new(), number: 0, revalidation: None }));
        let schedule = FetchSchedule::new(settings.cooldown, settings.burst, now);
        let overdue_after = settings.timeout.saturating_add(limits::OVERDUE_MARGIN);
        Arc::new(Self {
            keys: ArcSwapOption::new(keys),
            coordinator: Coordinator::new(schedule, overdue_after),
            name_hasher: NameHasher([RandomState::new(), RandomState::new()]),
            created_at: Instant::now(),
            metrics: KeySetMetrics::new(&source.host()),
            source,
            client,
            settings,
        })
    }

    pub(super) async fn key(self: &Arc<Self>, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let (mut waiting, mut lookup) = (Waiting::default(), None);
        loop {
            let step = match self.look_up(query) {
                Cached::Chosen(chosen) => return Ok(chosen?),
                Cached::NoKeys { seen } => {
                    let request = self.request(seen, &waiting)?;
                    self.coordinator.ask_for_keys(request, self.now())
                }
                // There is no further key to try.
                Cached::NoSuchKey { .. } if query.attempt() > 0 => return Err(KeyError::NotFound),
                Cached::NoSuchKey { seen, withdrawn } => {
                    let request = self.request(seen, &waiting)?;
                    let lookup = lookup
                        .get_or_insert_with(|| Lookup::new(self.name_hasher.hash(query)).with_withdrawn(withdrawn));
                    self.coordinator.ask_for_name(lookup, request, self.now())
                }
            };
            if step == Step::Missing {
                return Err(KeyError::NotFound);
            }
            self.take(step, &mut waiting).await?;
        }
    }

    /// What [`Self::key`] returns, if the cached keys are enough to tell.
    pub(super) fn key_at_hand(self: &Arc<Self>, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        match self.look_up(query) {
            Cached::Chosen(chosen) => Some(chosen.map_err(KeyError::from)),
            // There is no further key to try.
            Cached::NoSuchKey { .. } if query.attempt() > 0 => Some(Err(KeyError::NotFound)),
            // Anyone can send the same unknown name again and again.
            Cached::NoSuchKey { seen, withdrawn } => {
                let lookup = Lookup::new(self.name_hasher.hash(query)).with_withdrawn(withdrawn);
                self.coordinator.is_missing(&lookup, seen, self.now()).then_some(Err(KeyError::NotFound))
            }
            Cached::NoKeys { .. } => None,
        }
    }

    /// Makes one attempt, unless usable keys are cached or the schedule forbids it.
    pub(super) async fn warm_up(self: &Arc<Self>) -> Result<(), KeyError> {
        let mut waiting = Waiting::default();
        loop {
            let seen = match self.keys.load().as_ref() {
                Some(cached) if cached.dates.are_usable(self.clock()) => return Ok(()),
                cached => cached.map_or(0, |cached| cached.number),
            };
            let request = self.request(seen, &waiting)?;
            let step = self.coordinator.ask_for_keys(request, self.now());
            self.take(step, &mut waiting).await?;
        }
    }

    /// Fetches the key set independently of all other fetches, and caches nothing.
    pub(super) async fn inspect(&self) -> Result<KeySet, Unavailable> {
        even_unusable(self.source.fetch(self.client.as_ref(), &self.settings, None, None).await)
    }

    /// Like [`Self::inspect`], with all requests.
    pub(super) async fn diagnose(&self) -> KeyDiagnosis {
        let trace = Trace::default();
        let fetched = self.source.fetch(self.client.as_ref(), &self.settings, None, Some(&trace)).await;
        KeyDiagnosis { requests: trace.into_requests(), keys: even_unusable(fetched).map_err(KeyError::from) }
    }

    pub(super) fn algorithms(&self) -> AlgorithmSet {
        self.source.algorithms()
    }

    pub(super) fn status(&self) -> KeyStatus {
        let now = self.clock();
        let fetches = self.coordinator.status(now);
        let cached = self.keys.load();
        let usable = cached.as_ref().filter(|cached| cached.dates.are_usable(now));
        let keys = usable.map_or(0, |usable| usable.keys.len());
        self.metrics.used(now, keys, cached.as_ref().map(|cached| cached.age(now)));
        KeyStatus {
            ready: usable.is_some(),
            keys,
            age: usable.map(|usable| usable.age(now)),
            last_error: fetches.last_error,
            next_attempt: fetches.failing.then_some(fetches.pause),
        }
    }

    /// Ends the fetch in flight, if there is one.
    pub(super) fn stop(&self) {
        if let Some(task) = self.coordinator.stop() {
            task.abort();
        }
    }

    /// Looks the key up in the cached keys, and starts a refresh that is due.
    fn look_up(self: &Arc<Self>, query: &KeyQuery<'_>) -> Cached {
        let cached = self.keys.load();
        let Some(cached) = cached.as_ref() else { return Cached::NoKeys { seen: 0 } };
        let now = self.clock();
        if !cached.dates.are_usable(now) {
            self.metrics.used(now, 0, Some(cached.age(now)));
            return Cached::NoKeys { seen: cached.number };
        }
        self.metrics.used(now, cached.keys.len(), Some(cached.age(now)));
        if cached.dates.are_due(now) {
            self.refresh(cached.number);
        }
        match cached.keys.choose(&query.wanted(1)) {
            Err(NotChosen::NotFound) => {
                let withdrawn = query.key_id().is_some_and(|id| cached.withdrawn.iter().any(|name| name == id));
                Cached::NoSuchKey { seen: cached.number, withdrawn }
            }
            chosen => Cached::Chosen(chosen.cloned()),
        }
    }

    /// Starts a refresh, unless a fetch is in flight or has just failed. It never waits for another thread.
    fn refresh(self: &Arc<Self>, seen: u64) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Some(fetch) = self.coordinator.ask_for_refresh(seen, runtime.id(), self.now()) {
            self.start(&runtime, fetch);
        }
    }

    /// Takes the step of a caller that waits for keys.
    async fn take(self: &Arc<Self>, step: Step, waiting: &mut Waiting) -> Result<(), Unavailable> {
        let (number, round) = match step {
            Step::Look | Step::Missing => return Ok(()),
            Step::Later(later) => return Err(self.later(later)),
            Step::Start(fetch) => {
                self.start(&Handle::try_current().map_err(|_| no_runtime())?, fetch);
                (fetch.number, fetch.round)
            }
            Step::Wait { number, round, watch } => {
                if watch {
                    self.watch(number);
                }
                (number, round)
            }
        };
        waiting.waited_for = Some(number);
        let wait = self.coordinator.wait(round);
        let until = *waiting.until.get_or_insert_with(|| tokio::time::Instant::now().checked_add(self.overdue_after()));
        let waited = match until {
            Some(until) => tokio::time::timeout_at(until, wait).await,
            // A deadline too far away to represent means no deadline.
            None => Ok(wait.await),
        };
        match waited {
            Ok(Waited::RoundEnded) => Ok(()),
            Ok(Waited::TooMany) => Err(too_many()),
            Err(_) => Err(self.failing()),
        }
    }

    /// Starts the task of a fetch.
    fn start(self: &Arc<Self>, runtime: &Handle, fetch: NewFetch) {
        let mut revalidation = self.keys.load().as_ref().and_then(|cached| cached.revalidation.clone());
        if fetch.after_failure {
            // The metadata may be the reason for the failure, so it is read again.
            revalidation = revalidation.map(Revalidation::without_metadata);
        }
        // The task holds only a weak reference to this value, so that dropping the last strong one ends the fetch.
        let (source, client, settings) = (self.source.clone(), self.client.clone(), Arc::clone(&self.settings));
        let span = self.span(fetch);
        let request = async move { source.fetch(client.as_ref(), &settings, revalidation, None).await };
        let request = request.instrument(span.clone());
        let reports = Reports { key_set: Arc::downgrade(self), fetch, span };
        let task = in_flight::spawn(runtime, request, reports);
        if let Err(task) = self.coordinator.started(fetch.number, task) {
            // It has ended already, or was stopped in the meantime.
            task.abort();
        }
    }

    /// The span of a fetch. It has no parent, because it goes on after the request that starts it, and serves others too.
    fn span(&self, fetch: NewFetch) -> Span {
        let (trigger, host) = (fetch.trigger.name(), self.source.host());
        let span = tracing::info_span!(parent: None, "portcullis.keys.fetch", trigger, host, document = Empty, outcome = Empty);
        span.follows_from(Span::current());
        span
    }

    /// Watches a fetch from this runtime, for the callers that wait on it.
    fn watch(self: &Arc<Self>, number: u64) {
        let Ok(runtime) = Handle::try_current() else { return };
        let [watched, stalled] = [Arc::downgrade(self), Arc::downgrade(self)];
        let heartbeats = move || watched.upgrade()?.coordinator.heartbeats(number);
        in_flight::watch(&runtime, heartbeats, move || {
            if let Some(key_set) = stalled.upgrade() {
                key_set.coordinator.lost(number);
            }
        });
    }

    fn store(&self, fetch: NewFetch, fetched: Fetched, took: Duration) {
        let Fetched { keys, lifetime, revalidation } = fetched;
        let dates = KeyDates::of_fetched(self.clock(), lifetime, self.settings.stale, fastrand::f64());
        let replaced = self.coordinator.succeeded(fetch.number, || {
            let before = self.keys.load_full();
            // Without a change (304), the same keys get new dates. There are some, because the request had their validators.
            let keys = keys.or_else(|| before.as_ref().map(|cached| cached.keys.clone())).unwrap_or_default();
            let withdrawn = before.as_ref().map(|before| before.withdrawn_by(&keys)).unwrap_or_default();
            let (number, revalidation) = (fetch.number, Some(revalidation));
            let cached = Arc::new(CachedKeys { keys, dates, withdrawn, number, revalidation });
            self.keys.store(Some(Arc::clone(&cached)));
            (cached, before)
        });
        let Some((stored, _before)) = replaced else { return };
        self.metrics.set(stored.keys.len(), Some(Duration::ZERO));
        let (trigger, url) = (fetch.trigger.name(), self.shown_url());
        for skipped in stored.keys.skipped() {
            tracing::debug!(url, key = %skipped, "key skipped");
        }
        let (usable, skipped, turned_away) = (stored.keys.len(), stored.keys.skipped().len(), fetch.turned_away);
        tracing::info!(trigger, url, usable, skipped, turned_away, ?took, outcome = "ok", "keys fetched");
    }

    fn fail(&self, fetch: NewFetch, error: &FetchError, took: Duration) {
        let now = self.clock();
        let cached = self.keys.load();
        let usable = cached.as_ref().filter(|cached| cached.dates.are_usable(now));
        let has_keys = usable.is_some();
        self.metrics.set(usable.map_or(0, |usable| usable.keys.len()), cached.as_ref().map(|cached| cached.age(now)));
        let failed = Failed { error: error.to_string(), retry_after: error.retry_after(), has_keys };
        let Some(next_retry) = self.coordinator.failed(fetch.number, failed, now, fastrand::f64()) else { return };
        let (trigger, status) = (fetch.trigger.name(), error.status());
        let FetchError { failure, document, url } = error;
        tracing::warn!(
            trigger, %document, %url, status, ?took, outcome = %failure, ?next_retry, has_keys, "keys not fetched"
        );
    }

    /// The response to a caller that gets no answer now.
    fn later(&self, later: Later) -> Unavailable {
        match later {
            Later::Failing => self.failing(),
            Later::BudgetSpent { retry_after, first } => {
                if first {
                    let url = self.shown_url();
                    tracing::warn!(url, next_fetch = ?retry_after, "unknown keys are not looked up before the next fetch");
                }
                Unavailable::new()
                    .limited()
                    .with_retry_after(retry_after.max(limits::MIN_CALLER_RETRY_AFTER))
                    .with_source(NotLookedUp)
            }
        }
    }

    fn failing(&self) -> Unavailable {
        let fetches = self.coordinator.status(self.clock());
        let unavailable = Unavailable::new().with_retry_after(fetches.pause.max(limits::MIN_CALLER_RETRY_AFTER));
        match fetches.last_error {
            Some(error) => unavailable.with_source(error),
            None => unavailable,
        }
    }

    fn request(&self, seen: u64, waiting: &Waiting) -> Result<Request<runtime::Id>, Unavailable> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?.id();
        Ok(Request { seen, waited_for: waiting.waited_for, runtime })
    }

    /// The age at which a fetch is considered lost: its own time limit would have ended it if its runtime were running.
    fn overdue_after(&self) -> Duration {
        self.settings.timeout.saturating_add(limits::OVERDUE_MARGIN)
    }

    fn shown_url(&self) -> String {
        self.source.shown_url()
    }

    fn clock(&self) -> Duration {
        self.settings.clock.monotonic()
    }

    fn now(&self) -> Moment {
        Moment { clock: self.clock(), network: self.created_at.elapsed() }
    }
}

impl CachedKeys {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.dates.fetched_at)
    }

    /// The names that these keys or earlier ones have and `next` does not have.
    fn withdrawn_by(&self, next: &KeySet) -> Vec<String> {
        let names = self.keys.keys().filter_map(|key| key.id()).chain(self.withdrawn.iter().map(String::as_str));
        let next: HashSet<_> = next.keys().filter_map(|key| key.id()).collect();
        names.filter(|name| !next.contains(name)).take(limits::WITHDRAWN_NAMES).map(str::to_owned).collect()
    }
}

impl Drop for CachedKeySet {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the task of a fetch reports to its key set.
struct Reports {
    key_set: Weak<CachedKeySet>,
    fetch: NewFetch,
    span: Span,
}

impl Reports {
    /// Counts the end of the fetch.
    fn count(&self, key_set: &CachedKeySet, outcome: FetchOutcome, document: Document, took: Duration) {
        self.span.record("outcome", outcome.value()).record("document", document.value());
        key_set.metrics.fetched(outcome, document, took);
    }
}

impl FetchReports<Result<Fetched, FetchError>> for Reports {
    fn heartbeat(&self) {
        if let Some(key_set) = self.key_set.upgrade() {
            key_set.coordinator.heartbeat(self.fetch.number);
        }
    }

    fn completed(&self, result: Option<Result<Fetched, FetchError>>, took: Duration) {
        let Some(key_set) = self.key_set.upgrade() else { return };
        let _entered = self.span.enter();
        let result = match result {
            Some(result) => result,
            None => {
                let (document, url) = key_set.source.first_request();
                Err(FetchError::new(document, url, FetchFailure::Panicked))
            }
        };
        match result {
            Ok(fetched) => {
                let outcome = if fetched.keys.is_some() { FetchOutcome::Ok } else { FetchOutcome::Unchanged };
                self.count(&key_set, outcome, Document::KeySet, took);
                key_set.store(self.fetch, fetched, took);
            }
            Err(error) => {
                self.count(&key_set, error.failure.outcome(), error.document.into(), took);
                key_set.fail(self.fetch, &error, took);
            }
        }
    }

    fn dropped(&self, took: Duration) {
        if let Some(key_set) = self.key_set.upgrade() {
            self.count(&key_set, FetchOutcome::Lost, key_set.source.first_request().0.into(), took);
            key_set.coordinator.lost(self.fetch.number);
        }
    }
}

/// Hashes the names that queries ask for, with two secret keys of this process, so a client cannot find two names with one hash.
#[derive(Debug)]
struct NameHasher([RandomState; 2]);

impl NameHasher {
    /// The hash of the name and the algorithm that a query asks for.
    fn hash(&self, query: &KeyQuery<'_>) -> NameHash {
        let mut hash = [0; 16];
        let halves = self.0.each_ref().map(|keys| keys.hash_one((query.key_id(), query.algorithm())).to_ne_bytes());
        hash.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
        hash
    }
}

/// The error for a key that is not looked up yet. It needs no memory, because strangers cause it.
#[derive(Debug, thiserror::Error)]
#[error("the key is not looked up yet, because too many keys are unknown")]
struct NotLookedUp;

/// Returns the fetched keys, even if none of them can be used.
fn even_unusable(fetched: Result<Fetched, FetchError>) -> Result<KeySet, Unavailable> {
    match fetched {
        Ok(fetched) => Ok(fetched.keys.unwrap_or_default()),
        Err(FetchError { failure: FetchFailure::NoUsableKey { keys }, .. }) => Ok(keys),
        Err(error) => Err(Unavailable::new().with_source(error.to_string())),
    }
}

fn too_many() -> Unavailable {
    Unavailable::new()
        .limited()
        .with_retry_after(limits::MIN_CALLER_RETRY_AFTER)
        .with_source("too many callers wait for a fetch of the keys")
}

fn no_runtime() -> Unavailable {
    Unavailable::new().with_source("keys are fetched on a tokio runtime, and this thread has none")
}
