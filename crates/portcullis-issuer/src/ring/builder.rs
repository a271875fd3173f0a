//! The options of a ring. Invalid options are errors here, not at the first rotation.

use std::sync::Arc;
use std::time::Duration;

use portcullis::ConfigError;
use portcullis::clock::{Clock, SystemClock};
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;

use crate::ring::sealed::RingSecret;
use crate::ring::store::RingStore;
use crate::ring::timeline::{RingKey, Spans, Timeline};
use crate::ring::{ATTEMPTS, KeyRing, RingError, Shared, probe, unix};
use crate::signer::Signer;
use crate::signing_key::SigningKey;

/// The shortest lifetime of cached keys. Many verifiers, the core's among them, keep keys for a minute in any case.
const MIN_CACHE: Duration = Duration::from_secs(60);
const MAX_CACHE: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_PUBLISH_AHEAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The largest interval of rotations: beyond any sensible one, and far from an overflow.
const MAX_ROTATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The options of a [`KeyRing`]; from [`KeyRing::builder`].
///
/// ```
/// use std::time::Duration;
/// use portcullis::jose::Algorithm;
/// use portcullis_issuer::KeyRing;
///
/// let ring = KeyRing::builder()
///     .algorithm(Algorithm::EdDsa)
///     .rotate_every(Duration::from_secs(30 * 24 * 3_600))
///     .build()?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use = "call build(), build_with() or open()"]
pub struct KeyRingBuilder {
    algorithm: Option<Algorithm>,
    first_key: Option<SigningKey>,
    published: Vec<VerifyingKey>,
    pub(super) options: Options,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) algorithm: Algorithm,
    pub(super) cache_lifetime: Duration,
    pub(super) max_token_lifetime: Duration,
    pub(super) publish_ahead: Duration,
    pub(super) rotate_every: Option<Duration>,
}

impl KeyRingBuilder {
    pub(super) fn new() -> Self {
        Self {
            algorithm: None,
            first_key: None,
            published: Vec::new(),
            options: Options {
                algorithm: Algorithm::Es256,
                cache_lifetime: Duration::from_secs(5 * 60),
                max_token_lifetime: Duration::from_secs(60 * 60),
                publish_ahead: Duration::from_secs(60 * 60),
                rotate_every: None,
            },
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets the algorithm of generated keys. Default: that of the first key, or else ES256.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Begins with this key instead of a generated one. A store that already has a ring keeps its keys.
    pub fn first_key(mut self, key: SigningKey) -> Self {
        self.first_key = Some(key);
        self
    }

    /// Also publishes this key, and accepts its tokens, until the service starts without it. Use it when you rotate by
    /// deployments: for the old key until its last token has expired, and for the new key before it signs.
    pub fn also_publish(mut self, key: VerifyingKey) -> Self {
        self.published.push(key);
        self
    }

    /// Sets how long verifiers may cache the published keys: `max-age` of the key set. Default: 5 minutes; 1 minute to 1
    /// day.
    pub fn cache_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.cache_lifetime = lifetime;
        self
    }

    /// Sets the longest lifetime of a token. A key stays published for this time, and ten minutes for clocks that differ,
    /// after it last signed. Default: 1 hour; at most 1 day.
    pub fn max_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.max_token_lifetime = lifetime;
        self
    }

    /// Sets how long a new key is published before it signs. Default: 1 hour; at most 30 days.
    ///
    /// It must be at least twice the [cache lifetime](Self::cache_lifetime) and one minute: a shared cache may deliver a key
    /// set that is already that old. The default also suits verifiers that ignore `max-age`.
    pub fn publish_ahead(mut self, ahead: Duration) -> Self {
        self.options.publish_ahead = ahead;
        self
    }

    /// Replaces each key after it has signed for this long, whenever [`KeyRing::maintain`] is called. Default: only
    /// [`KeyRing::rotate`] replaces keys.
    pub fn rotate_every(mut self, interval: Duration) -> Self {
        self.options.rotate_every = Some(interval);
        self
    }

    /// Sets another clock, for tests. It is also the clock of the issuer and of its verifier.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes a ring in the memory of this process.
    ///
    /// Without a [first key](Self::first_key), its key is generated, and tokens become invalid when the process ends.
    ///
    /// # Errors
    /// [`ConfigError`] names all options that cannot be used, and what to write instead.
    pub fn build(mut self) -> Result<KeyRing, ConfigError> {
        ConfigError::all(self.resolve())?;
        let key = self.take_first_key()?;
        let now = unix(&*self.clock);
        let timeline = Timeline::starting(RingKey::local(key, now), self.spans());
        Ok(self.ring(timeline, None))
    }

    /// Makes a ring in the memory of this process, with a key that is elsewhere, for example in a KMS.
    ///
    /// # Errors
    /// [`RingError::Config`] as [`Self::build`], and also with a [first key](Self::first_key) or a
    /// [schedule](Self::rotate_every). [`RingError::Sign`] if the
    /// key does not sign, [`RingError::WrongSignature`] if its public key does not verify the signature.
    pub async fn build_with(mut self, signer: Arc<dyn Signer>) -> Result<KeyRing, RingError> {
        self.algorithm.get_or_insert(signer.algorithm());
        let mut errors = self.resolve();
        if self.first_key.is_some() {
            let hint = "set no first key; the given signer is the first key";
            errors.push(ConfigError::new("first_key", "set together with a signer", hint));
        }
        if self.options.rotate_every.is_some() {
            let hint = "leave it out, and call KeyRing::rotate_with with the next key";
            errors.push(ConfigError::new("rotate_every", "the ring cannot make keys in a KMS", hint));
        }
        ConfigError::all(errors)?;
        let key = RingKey::remote(signer, unix(&*self.clock)).map_err(|error| unusable("signer", &error))?;
        probe(&key).await?;
        let timeline = Timeline::starting(key, self.spans());
        Ok(self.ring(timeline, None))
    }

    /// Opens the ring in `store`, which machines share, or stores a new one. The keys are sealed with `secret`.
    ///
    /// Every machine calls [`KeyRing::maintain`] now and then, to see what others changed.
    ///
    /// # Errors
    /// [`RingError::Config`] as [`Self::build`], and why the stored ring cannot be used.
    pub async fn open(mut self, store: impl RingStore + 'static, secret: RingSecret) -> Result<KeyRing, RingError> {
        ConfigError::all(self.resolve())?;
        let shared = Shared::new(Arc::new(store), secret);
        let (now, spans) = (unix(&*self.clock), self.spans());
        let mut generated = None;
        for _ in 0..ATTEMPTS {
            if let Some((version, timeline)) = shared.load().await? {
                let ring = self.ring(timeline, Some((shared, version)));
                ring.widen(spans).await?;
                return Ok(ring);
            }
            let key = match &generated {
                Some(key) => Arc::clone(key),
                None => Arc::clone(generated.insert(self.take_first_key()?)),
            };
            let first = Timeline::starting(RingKey::local(key, now), spans);
            if let Some((version, timeline)) = shared.replace(None, first).await? {
                return Ok(self.ring(timeline, Some((shared, version))));
            }
            // Another machine was faster. Its ring is loaded now.
        }
        Err(RingError::Contended)
    }

    fn take_first_key(&mut self) -> Result<Arc<SigningKey>, ConfigError> {
        let key = match self.first_key.take() {
            Some(key) => Ok(key),
            None => SigningKey::generate(self.options.algorithm),
        };
        key.map(Arc::new).map_err(|error| ConfigError::new("algorithm", error.to_string(), "write for example ES256"))
    }

    fn spans(&self) -> Spans {
        Spans { ahead: seconds(self.options.publish_ahead), token: seconds(self.options.max_token_lifetime) }
    }

    fn ring(self, timeline: Timeline, shared: Option<(Shared, u64)>) -> KeyRing {
        let published = self.published.into_iter().map(Arc::new).collect();
        KeyRing::assemble(timeline, shared, published, self.options, self.clock)
    }

    /// Sets what depends on other options, and returns what is wrong.
    fn resolve(&mut self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let options = &mut self.options;
        options.algorithm = match (self.algorithm, &self.first_key) {
            (Some(algorithm), _) => algorithm,
            (None, Some(key)) => key.algorithm(),
            (None, None) => Algorithm::Es256,
        };
        if options.algorithm.is_symmetric() {
            let hint = "choose an algorithm with a public key, for example ES256";
            errors.push(ConfigError::new("algorithm", "HMAC, so each service that verifies could also sign", hint));
        }
        let lowest_ahead = options.cache_lifetime.saturating_mul(2).saturating_add(MIN_CACHE);
        let lowest_interval = options.publish_ahead.saturating_add(MIN_CACHE);
        let second = Duration::from_secs(1);
        errors.extend(outside("cache_lifetime", options.cache_lifetime, MIN_CACHE, MAX_CACHE));
        errors.extend(outside("max_token_lifetime", options.max_token_lifetime, second, MAX_TOKEN_LIFETIME));
        errors.extend(outside("publish_ahead", options.publish_ahead, lowest_ahead, MAX_PUBLISH_AHEAD));
        if let Some(interval) = options.rotate_every {
            errors.extend(outside("rotate_every", interval, lowest_interval, MAX_ROTATION));
        }
        for key in std::mem::take(&mut self.published) {
            match key.thumbprint() {
                Some(thumbprint) => {
                    let id = key.id().map_or(thumbprint, str::to_owned);
                    self.published.push(key.with_id(id));
                }
                None => errors.push(ConfigError::new("also_publish", "a secret", "publish public keys only")),
            }
        }
        errors
    }
}

/// Returns the error of a value outside of its bounds.
fn outside(field: &'static str, value: Duration, lowest: Duration, highest: Duration) -> Option<ConfigError> {
    let problem = format!("{} seconds", value.as_secs_f64());
    let hint = format!("write {} to {} seconds", lowest.as_secs(), highest.as_secs());
    (!(lowest..=highest).contains(&value)).then(|| ConfigError::new(field, problem, hint))
}

pub(super) fn unusable(field: &'static str, error: &portcullis::keys::InvalidKey) -> ConfigError {
    ConfigError::new(
        field,
        error.to_string(),
        "use a key of RSA with 2048 to 8192 bits, P-256, P-384, P-521, Ed25519 or ML-DSA",
    )
}

/// Returns whole seconds, rounded up.
pub(super) fn seconds(duration: Duration) -> i64 {
    let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(whole).unwrap_or(i64::MAX)
}
