//! The key ring: one key signs, several are published.

mod builder;
mod sealed;
mod store;
mod timeline;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use portcullis::claims::NumericDate;
use portcullis::clock::Clock;
use portcullis::error::Unavailable;
use portcullis::jose::AlgorithmSet;
use portcullis::keys::{KeyError, KeyQuery, KeyStatus, VerifyingKey};
use portcullis::{ConfigError, KeyProvider, async_trait};
use tokio::sync::Mutex;

pub use builder::KeyRingBuilder;
pub use sealed::RingSecret;
pub use store::{MemoryRingStore, RingStore, StoreError, StoredRing};

use self::builder::{Options, seconds};
use self::timeline::{RingKey as Key, Spans};
pub(crate) use self::timeline::{RingKey, Timeline};
use crate::signer::{SignError, Signer};
use crate::signing_key::{InvalidSigningKey, PROBE, SigningKey};

/// How often a ring in a store is read again.
const RELOAD: Duration = Duration::from_secs(30);
/// The shortest time between two loads that tokens with unknown keys cause.
const COOLDOWN: Duration = Duration::from_secs(1);
/// Attempts to change a ring in a store. Each failed one means that another machine changed it.
const ATTEMPTS: usize = 16;

/// The keys of an issuer: one signs, and the others are published because they will sign or have signed.
///
/// ```
/// use portcullis_issuer::{KeyRing, SigningKey};
///
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// // The key of the environment (JWT_PRIVATE_KEY), or else a new one.
/// let ring = match SigningKey::from_env()? {
///     Some(key) => KeyRing::builder().first_key(key).build()?,
///     None => KeyRing::builder().build()?,
/// };
/// # Ok(()) }
/// ```
///
/// # Rotation
///
/// [`rotate`](Self::rotate) publishes a new key. It signs after [`publish_ahead`](KeyRingBuilder::publish_ahead), when every
/// verifier that caches keys knows it. The old key stays published until its last token has expired. So a rotation refuses
/// no valid token. With [`rotate_every`](KeyRingBuilder::rotate_every), [`maintain`](Self::maintain) rotates on schedule;
/// the caller decides where it runs, and when it stops:
///
/// ```
/// # use portcullis_issuer::KeyRing;
/// # fn start(ring: KeyRing) -> tokio::task::AbortHandle {
/// let maintenance = tokio::spawn(async move {
///     loop {
///         // A failure is logged, and the next turn tries again.
///         let pause = ring.maintain().await;
///         tokio::time::sleep(pause).await;
///     }
/// });
/// maintenance.abort_handle() // .abort() stops it
/// # }
/// ```
///
/// [`rotate_to`](Self::rotate_to) publishes a key that was made elsewhere, in the same way. Only
/// [`replace_exposed`](Self::replace_exposed) makes all tokens invalid:
///
/// ```
/// # use portcullis_issuer::{KeyRing, SigningKey};
/// # async fn example(ring: KeyRing, pem: &str) -> Result<(), Box<dyn std::error::Error>> {
/// ring.rotate_to(SigningKey::from_pem(pem)?).await?;
/// // The private key was in a log file: no token that it signed counts any more.
/// ring.replace_exposed().await?;
/// # Ok(()) }
/// ```
///
/// # Several machines
///
/// [`KeyRingBuilder::open`] keeps the ring in a [`RingStore`]. Machines that rotate at the same time get one new key. A
/// machine that cannot read the store signs for as long as no other machine can have changed the active key
/// ([`publish_ahead`](KeyRingBuilder::publish_ahead) minus twice the cache lifetime), and then fails: a token that others
/// would refuse is never made. A token with an unknown key is 503 while the store is unavailable, never 401.
///
/// # Verifying
///
/// The ring is a [`KeyProvider`], so a verifier in the same process needs no network. A clone shares the keys.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    state: ArcSwap<State>,
    shared: Option<Shared>,
    published: Vec<Arc<VerifyingKey>>,
    options: Options,
    clock: Arc<dyn Clock>,
    /// Held while the store is read, so that waiting callers share one load.
    last_load: Mutex<Option<LastLoad>>,
}

#[derive(Clone, Debug)]
struct State {
    /// The version in the store, or the number of changes in memory.
    version: u64,
    timeline: Timeline,
    /// When the store was read, by the monotonic clock.
    read_at: Duration,
}

struct LastLoad {
    started: Instant,
    finished: Instant,
    succeeded: bool,
}

/// The store of a ring, and the secret that seals it.
struct Shared {
    store: Arc<dyn RingStore>,
    secret: RingSecret,
}

/// A key that a rotation published.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rotation {
    /// The identifier of the key: its `kid`.
    pub key_id: String,
    /// The date from which it signs.
    pub signs_from: NumericDate,
    /// Whether this call published it. Otherwise an earlier rotation is not finished.
    pub is_new: bool,
}

/// Why a ring could not be opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// An option cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Other machines changed the stored ring again and again.
    #[error("other machines changed the key ring at every attempt")]
    Contended,
    /// The ring already has this key.
    #[error("the key is already in the ring")]
    Duplicate,
    /// A key cannot be used, or could not be generated.
    #[error(transparent)]
    Key(#[from] InvalidSigningKey),
    /// The ring signs with a key in a KMS, where it cannot make another one.
    #[error("the ring cannot make a key in a KMS; make it there, and pass it to KeyRing::rotate_with")]
    NeedsSigner,
    /// A key in a KMS, or one that cannot be written, was given for a ring in a store.
    #[error("the key cannot be stored; use a key in memory, or a ring without a store")]
    NotStorable,
    /// The stored ring cannot be read.
    #[error("the stored key ring cannot be opened: another secret sealed it, or it is damaged")]
    Sealed,
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored ring is older than the one that was read before.
    #[error("the stored key ring went back to an earlier version; if a backup was restored, restart the service")]
    WentBack,
    /// The public key of a signer does not verify its signature.
    #[error(
        "the signature of the key does not verify; return it in the form of RFC 7518 section 3 (for ECDSA two numbers, not \
         DER), made with the private key of this public key"
    )]
    WrongSignature,
}

impl KeyRing {
    /// Returns a builder with all options.
    pub fn builder() -> KeyRingBuilder {
        KeyRingBuilder::new()
    }

    /// Publishes a new key, which signs after [`KeyRingBuilder::publish_ahead`]. If the last rotation has published a key
    /// that does not sign yet, that one is returned.
    ///
    /// # Errors
    /// Why the ring could not be changed. It is then as before.
    pub async fn rotate(&self) -> Result<Rotation, RingError> {
        self.can_make_keys()?;
        let mut generated = None;
        self.publish_next(|algorithm, signs_from| {
            let key = match &generated {
                Some(key) => Arc::clone(key),
                None => Arc::clone(generated.insert(Arc::new(SigningKey::generate(algorithm)?))),
            };
            Ok(Key::local(key, signs_from))
        })
        .await
    }

    /// Publishes `key` as [`Self::rotate`] does, for example one that was made elsewhere.
    ///
    /// # Errors
    /// As [`Self::rotate`], and [`RingError::Duplicate`] if the ring has the key.
    pub async fn rotate_to(&self, key: SigningKey) -> Result<Rotation, RingError> {
        let key = Arc::new(key);
        self.publish_next(|_, signs_from| Ok(Key::local(Arc::clone(&key), signs_from))).await
    }

    /// Publishes a key that is elsewhere as [`Self::rotate`] does. The key is tried first.
    ///
    /// # Errors
    /// As [`Self::rotate_to`], [`RingError::NotStorable`] for a ring in a store, and the errors of
    /// [`KeyRingBuilder::build_with`].
    pub async fn rotate_with(&self, signer: Arc<dyn Signer>) -> Result<Rotation, RingError> {
        if self.0.shared.is_some() {
            return Err(RingError::NotStorable);
        }
        let remote = |signs_from| {
            let key = Key::remote(Arc::clone(&signer), signs_from);
            key.map_err(|error| RingError::Config(builder::unusable("signer", &error)))
        };
        probe(&remote(0)?).await?;
        self.publish_next(|_, signs_from| remote(signs_from)).await
    }

    /// Replaces all keys with a new one, which signs at once, after a private key was exposed.
    ///
    /// All tokens become invalid. Verifiers elsewhere accept tokens of the old keys until they fetch the key set again, and
    /// those that do not look for unknown keys refuse new tokens until then. Keys of
    /// [`KeyRingBuilder::also_publish`] stay until the service starts without them.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub async fn replace_exposed(&self) -> Result<Rotation, RingError> {
        self.can_make_keys()?;
        let key = Arc::new(SigningKey::generate(self.0.options.algorithm)?);
        self.change(|timeline, now| {
            let key = Key::local(Arc::clone(&key), now);
            let rotation = Rotation::of(&key, true);
            Ok((Some(Timeline::starting(key, timeline.spans)), rotation))
        })
        .await
    }

    /// Does what is due: reads a ring in a store, rotates on schedule, and forgets private keys whose last token has expired.
    /// Returns the time after which it should be called again, at most an hour.
    ///
    /// A failure is logged as a warning. The ring is then as before, and the next call tries again.
    pub async fn maintain(&self) -> Duration {
        if let Err(error) = self.try_maintain().await {
            tracing::warn!(error = %error, cause = error.cause(), "the key ring was not maintained");
            return RELOAD;
        }
        let (now, state) = (self.now(), self.0.state.load_full());
        let due = match (self.0.options.rotate_every, state.timeline.next(now), state.timeline.active(now)) {
            (Some(_), Some(next), _) => next.signs_from,
            (Some(interval), None, Some(active)) => self.due(interval, active),
            _ => i64::MAX,
        };
        let until_due = due.saturating_sub(now);
        let until_due = Duration::from_secs(u64::try_from(until_due).unwrap_or(0)).max(Duration::from_secs(1));
        until_due.min(if self.0.shared.is_some() { RELOAD } else { Duration::from_secs(60 * 60) })
    }

    /// Returns how long verifiers may cache the published keys.
    pub(crate) fn cache_lifetime(&self) -> Duration {
        self.0.options.cache_lifetime
    }

    pub(crate) fn max_token_lifetime(&self) -> Duration {
        self.0.options.max_token_lifetime
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    /// Returns the key that signs now.
    pub(crate) async fn active(&self) -> Result<RingKey, RingError> {
        if self.is_outdated() {
            self.reload().await?;
        }
        // A timeline has at least one key.
        self.0.state.load().timeline.active(self.now()).cloned().ok_or(RingError::Sealed)
    }

    /// Returns the published keys. If the store is unavailable, they are the last known ones.
    pub(crate) async fn published(&self) -> Vec<Arc<VerifyingKey>> {
        if self.is_outdated()
            && let Err(error) = self.reload().await
        {
            tracing::warn!(error = %error, cause = error.cause(), "the last known keys are published");
        }
        self.published_in(&self.0.state.load())
    }

    /// Returns the published keys of a state, and the further ones of this machine, each once.
    fn published_in(&self, state: &State) -> Vec<Arc<VerifyingKey>> {
        let own = state.timeline.published(self.now()).map(|key| &key.public_key);
        let mut keys: Vec<Arc<VerifyingKey>> = Vec::new();
        for key in own.chain(&self.0.published) {
            if keys.iter().all(|known| known.id() != key.id()) {
                keys.push(Arc::clone(key));
            }
        }
        keys
    }

    fn assemble(
        timeline: Timeline,
        shared: Option<(Shared, u64)>,
        published: Vec<Arc<VerifyingKey>>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (shared, version) = shared.map_or((None, 0), |(shared, version)| (Some(shared), version));
        let state = ArcSwap::from_pointee(State { version, timeline, read_at: clock.monotonic() });
        Self(Arc::new(Inner { state, shared, published, options, clock, last_load: Mutex::new(None) }))
    }

    fn now(&self) -> i64 {
        unix(&*self.0.clock)
    }

    /// Returns the time since the store was read. `None` without a store.
    fn age(&self) -> Option<Duration> {
        self.0.shared.as_ref().map(|_| self.0.clock.monotonic().saturating_sub(self.0.state.load().read_at))
    }

    fn is_outdated(&self) -> bool {
        self.age().is_some_and(|age| age > self.longest_age())
    }

    /// Returns how old the state may be when it is used. A key that another machine published after it was read does not
    /// sign yet, and verifiers that cache the keys until then still learn it in time.
    fn longest_age(&self) -> Duration {
        let ahead = u64::try_from(self.0.state.load().timeline.spans.ahead).unwrap_or(0);
        Duration::from_secs(ahead).saturating_sub(self.0.options.cache_lifetime.saturating_mul(2))
    }

    fn due(&self, interval: Duration, active: &RingKey) -> i64 {
        let lead = self.0.state.load().timeline.spans.ahead;
        active.signs_from.saturating_add(seconds(interval)).saturating_sub(lead)
    }

    async fn try_maintain(&self) -> Result<(), RingError> {
        self.reload().await?;
        let (now, state) = (self.now(), self.0.state.load_full());
        let is_due = match (self.0.options.rotate_every, state.timeline.active(now)) {
            (Some(interval), Some(active)) => self.due(interval, active) <= now && state.timeline.next(now).is_none(),
            _ => false,
        };
        if is_due {
            self.rotate().await?;
        }
        self.change(|timeline, now| {
            let pruned = timeline.pruned(now);
            Ok(((pruned.keys().len() < timeline.keys().len()).then_some(pruned), ()))
        })
        .await
    }

    fn can_make_keys(&self) -> Result<(), RingError> {
        let is_remote = self.0.state.load().timeline.active(self.now()).is_some_and(RingKey::is_remote);
        if is_remote { Err(RingError::NeedsSigner) } else { Ok(()) }
    }

    /// Makes the ring allow for longer lifetimes, which this machine has.
    async fn widen(&self, own: Spans) -> Result<(), RingError> {
        self.change(|timeline, _| {
            let spans = timeline.spans.longest(own);
            let widened = (spans != timeline.spans).then(|| timeline.with_spans(spans));
            Ok((widened, ()))
        })
        .await
    }

    async fn publish_next(
        &self,
        mut make: impl FnMut(portcullis::jose::Algorithm, i64) -> Result<Key, RingError>,
    ) -> Result<Rotation, RingError> {
        self.reload().await?;
        self.change(|timeline, now| {
            if let Some(next) = timeline.next(now) {
                return Ok((None, Rotation::of(next, false)));
            }
            let key = make(self.0.options.algorithm, now.saturating_add(timeline.spans.ahead))?;
            if timeline.has(key.public_key.id()) {
                return Err(RingError::Duplicate);
            }
            let rotation = Rotation::of(&key, true);
            Ok((Some(timeline.with_next(key, now)), rotation))
        })
        .await
    }

    /// Changes the timeline: `change` returns the new one, or `None` to leave it as it is. It is called again when another
    /// change came first.
    async fn change<T>(
        &self,
        mut change: impl FnMut(&Timeline, i64) -> Result<(Option<Timeline>, T), RingError>,
    ) -> Result<T, RingError> {
        for _ in 0..ATTEMPTS {
            let state = self.0.state.load_full();
            let (timeline, result) = match change(&state.timeline, self.now())? {
                (None, result) => return Ok(result),
                (Some(timeline), result) => (timeline, result),
            };
            match &self.0.shared {
                None => {
                    let next = State { version: state.version.saturating_add(1), timeline, read_at: state.read_at };
                    let previous = self.0.state.compare_and_swap(&state, Arc::new(next));
                    if Arc::ptr_eq(&previous, &state) {
                        return Ok(result);
                    }
                }
                Some(shared) => {
                    let asked_at = self.0.clock.monotonic();
                    match shared.replace(Some(state.version), timeline).await? {
                        Some((version, timeline)) => {
                            self.take(State { version, timeline, read_at: asked_at });
                            return Ok(result);
                        }
                        None => self.reload().await?,
                    }
                }
            }
        }
        Err(RingError::Contended)
    }

    /// Reads the ring in the store. Callers that wait share one load.
    async fn reload(&self) -> Result<(), RingError> {
        let asked = Instant::now();
        // A failed load counts also if it began before this call: otherwise callers would queue up behind a slow store.
        self.load(|last| if last.succeeded { last.started >= asked } else { last.finished >= asked }).await
    }

    /// Reads the ring in the store, for a token with an unknown key, at most once in [`COOLDOWN`].
    async fn reload_for_unknown_key(&self) -> Result<(), RingError> {
        self.load(|last| last.finished.elapsed() < COOLDOWN).await
    }

    /// Reads the ring in the store unless the result of the last load `suffices`.
    async fn load(&self, suffices: impl FnOnce(&LastLoad) -> bool) -> Result<(), RingError> {
        let Some(shared) = &self.0.shared else { return Ok(()) };
        let mut last_load = self.0.last_load.lock().await;
        if let Some(last) = last_load.as_ref().filter(|last| suffices(last)) {
            let failed = || StoreError::new("the last attempt to read it failed");
            return if last.succeeded { Ok(()) } else { Err(failed().into()) };
        }
        let (started, read_at, known) = (Instant::now(), self.0.clock.monotonic(), self.0.state.load_full());
        let result = shared.load_unless(known.version).await;
        *last_load = Some(LastLoad { started, finished: Instant::now(), succeeded: result.is_ok() });
        match result? {
            Some((version, timeline)) => self.take(State { version, timeline, read_at }),
            None => self.take(State { read_at, ..State::clone(&known) }),
        }
        Ok(())
    }

    /// Uses `state` unless a newer one is known.
    fn take(&self, state: State) {
        let state = Arc::new(state);
        self.0.state.rcu(|known| {
            let is_older =
                state.version < known.version || state.version == known.version && state.read_at < known.read_at;
            Arc::clone(if is_older { known } else { &state })
        });
    }

    fn find(&self, query: &KeyQuery<'_>) -> Option<Arc<VerifyingKey>> {
        let id = query.key_id()?;
        let fits = |key: &&Arc<VerifyingKey>| key.id() == Some(id) && key.algorithms().contains(query.algorithm());
        let state = self.0.state.load();
        let mut own = state.timeline.published(self.now()).map(|key| &key.public_key);
        own.find(fits).or_else(|| self.0.published.iter().find(fits)).cloned()
    }
}

#[async_trait]
impl KeyProvider for KeyRing {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        if let Some(key) = self.find(query) {
            return Ok(key);
        }
        // Another machine may have published the key since the store was read.
        if self.0.shared.is_some()
            && query.key_id().is_some()
            && let Err(error) = self.reload_for_unknown_key().await
        {
            return Err(Unavailable::new().with_source(error).into());
        }
        self.find(query).ok_or(KeyError::NotFound)
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        self.find(query).map(Ok)
    }

    /// All asymmetric algorithms, so that the ring can change to another one. Each key serves only its own.
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ASYMMETRIC
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.reload().await.map_err(|error| Unavailable::new().with_source(error).into())
    }

    fn status(&self) -> KeyStatus {
        let mut status = KeyStatus::ready();
        status.keys = self.published_in(&self.0.state.load()).len();
        status.age = self.age();
        status
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.load();
        f.debug_struct("KeyRing").field("keys", &state.timeline.keys()).finish_non_exhaustive()
    }
}

impl RingError {
    fn cause(&self) -> Option<String> {
        std::error::Error::source(self).map(ToString::to_string)
    }
}

impl Rotation {
    fn of(key: &RingKey, is_new: bool) -> Self {
        let key_id = key.public_key.id().unwrap_or_default().to_owned();
        Self { key_id, signs_from: NumericDate::from_unix(key.signs_from, 0), is_new }
    }
}

impl Shared {
    fn new(store: Arc<dyn RingStore>, secret: RingSecret) -> Self {
        Self { store, secret }
    }

    /// Returns the stored ring; `None` if nothing is stored yet.
    async fn load(&self) -> Result<Option<(u64, Timeline)>, RingError> {
        self.store.load().await?.map(|stored| self.open(&stored)).transpose()
    }

    fn open(&self, stored: &StoredRing) -> Result<(u64, Timeline), RingError> {
        let timeline = self.secret.open(stored).ok_or(RingError::Sealed)?;
        Ok((stored.version, timeline))
    }

    /// Returns the stored ring, or `None` if it still has the known version. Its keys are not prepared again then.
    async fn load_unless(&self, known: u64) -> Result<Option<(u64, Timeline)>, RingError> {
        let stored = self.store.load().await?.ok_or(RingError::WentBack)?;
        match stored.version.cmp(&known) {
            std::cmp::Ordering::Less => Err(RingError::WentBack),
            std::cmp::Ordering::Equal => Ok(None),
            std::cmp::Ordering::Greater => self.open(&stored).map(Some),
        }
    }

    /// Stores a changed ring. `None` if the stored version is another one.
    async fn replace(&self, known: Option<u64>, timeline: Timeline) -> Result<Option<(u64, Timeline)>, RingError> {
        let version = known.unwrap_or(0).saturating_add(1);
        let ring = self.secret.seal(&timeline, version).ok_or(RingError::NotStorable)?;
        Ok(self.store.replace(known, &ring).await?.then_some((version, timeline)))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Checks that the public key verifies what the private key signs.
async fn probe(key: &RingKey) -> Result<(), RingError> {
    let signature = key.sign(PROBE).await?;
    key.public_key.verify(key.algorithm, PROBE, &signature).map_err(|_| RingError::WrongSignature)
}

fn unix(clock: &dyn Clock) -> i64 {
    clock.now().seconds()
}
