//! Key providers that combine or cache other key providers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use moka::future::Cache;

use crate::error::{ConfigError, Unavailable};
use crate::jose::{Algorithm, AlgorithmSet, VerifyingKey};
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// Asks several key providers for one issuer's keys, in order. The first that has the key returns it.
///
/// A key provider that is unavailable is skipped. When no other one has the key, the result is
/// [`KeyError::Unavailable`], because the key may exist. A slow key provider delays those after it, unless it is
/// `TimeLimited`.
///
/// ```
/// use std::sync::Arc;
/// use portcullis::keys::{FirstOf, FixedKeys};
/// use portcullis::KeyProvider;
///
/// # fn main() -> Result<(), portcullis::keys::FixedKeysError> {
/// # let (ours, old) = (FixedKeys::secret(&[7; 32])?, FixedKeys::secret(&[8; 32])?);
/// let keys = FirstOf::new([Arc::new(ours) as Arc<dyn KeyProvider>, Arc::new(old)]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FirstOf(Vec<Arc<dyn KeyProvider>>);

impl FirstOf {
    /// Creates a key provider that asks `providers` in this order.
    pub fn new(providers: impl IntoIterator<Item = Arc<dyn KeyProvider>>) -> Self {
        Self(providers.into_iter().collect())
    }
}

#[async_trait]
impl KeyProvider for FirstOf {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let mut unsure = None;
        for provider in &self.0 {
            match provider.key(query).await {
                Err(KeyError::NotFound) => {}
                Err(KeyError::Unavailable(unavailable)) => unsure = unsure.or(Some(unavailable)),
                decided => return decided,
            }
        }
        Err(unsure.map_or(KeyError::NotFound, KeyError::Unavailable))
    }

    fn algorithms(&self) -> AlgorithmSet {
        self.0.iter().fold(AlgorithmSet::EMPTY, |set, provider| set.union(provider.algorithms()))
    }

    /// Makes one attempt with each key provider. Fails only when all of them fail.
    async fn warm_up(&self) -> Result<(), KeyError> {
        let (mut any, mut outcome) = (false, Ok(()));
        for provider in &self.0 {
            match provider.warm_up().await {
                Ok(()) => any = true,
                Err(error) => outcome = Err(error),
            }
        }
        if any { Ok(()) } else { outcome }
    }

    /// Ready when one of the key providers is.
    fn status(&self) -> KeyStatus {
        self.0.iter().map(|provider| provider.status()).fold(KeyStatus::waiting(), KeyStatus::or)
    }
}

/// A cache in front of a slow key provider, for example of a vault or a database.
///
/// ```
/// use std::time::Duration;
/// use portcullis::keys::CachedKeys;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = portcullis::keys::FixedKeys::secret(&[7; 32])?;
/// let keys = CachedKeys::new(database, 1_000, Duration::from_secs(60))?;
/// # Ok(()) }
/// ```
///
/// Requests that need the same key at the same time share one lookup. The result is cached for `lifetime`: a withdrawn key
/// is accepted for up to this time. [`KeyError::NotFound`] is cached as well, so a new key may be refused for up to this
/// time if a token named it before it existed. Other errors and panics are not cached: the next request asks again.
///
/// A `kid` is unverified text from a token, so each made-up `kid` causes one lookup. If lookups are expensive, limit their
/// number in your key provider.
#[derive(Debug)]
pub struct CachedKeys<P> {
    provider: P,
    keys: Cache<QueryDigest, Option<Arc<VerifyingKey>>>,
}

/// The SHA-256 of a query. Its size does not depend on the token.
type QueryDigest = [u8; 32];

impl<P: KeyProvider> CachedKeys<P> {
    /// Caches at most `capacity` results of `provider`, each for `lifetime`.
    ///
    /// # Errors
    /// [`ConfigError`] when either is zero.
    pub fn new(provider: P, capacity: u64, lifetime: Duration) -> Result<Self, ConfigError> {
        if capacity == 0 {
            return Err(ConfigError::new("capacity", "zero", "write the number of keys to cache, for example 1000"));
        }
        if lifetime.is_zero() {
            return Err(ConfigError::new(
                "lifetime",
                "zero",
                "write how long a withdrawn key may be accepted, for example a minute",
            ));
        }
        Ok(Self { provider, keys: Cache::builder().max_capacity(capacity).time_to_live(lifetime).build() })
    }
}

/// The result of a lookup that is not cached.
#[derive(Debug, thiserror::Error)]
enum NotCached {
    #[error("ambiguous")]
    Ambiguous,
    #[error("unavailable")]
    Unavailable { retry_after: Option<Duration>, why: Option<String> },
}

#[async_trait]
impl<P: KeyProvider> KeyProvider for CachedKeys<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let lookup = async {
            match self.provider.key(query).await {
                Ok(key) => Ok(Some(key)),
                Err(KeyError::NotFound) => Ok(None),
                Err(KeyError::Ambiguous) => Err(NotCached::Ambiguous),
                Err(KeyError::Unavailable(unavailable)) => Err(NotCached::Unavailable {
                    retry_after: unavailable.retry_after,
                    why: unavailable.source.map(|source| source.to_string()),
                }),
            }
        };
        match self.keys.try_get_with(query_digest(query), lookup).await {
            Ok(found) => found.ok_or(KeyError::NotFound),
            Err(not_cached) => Err(match &*not_cached {
                NotCached::Ambiguous => KeyError::Ambiguous,
                NotCached::Unavailable { retry_after, why } => {
                    let mut unavailable = Unavailable::new();
                    unavailable.retry_after = *retry_after;
                    unavailable.source = why.clone().map(Into::into);
                    unavailable.into()
                }
            }),
        }
    }

    fn algorithms(&self) -> AlgorithmSet {
        self.provider.algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.provider.warm_up().await
    }

    fn status(&self) -> KeyStatus {
        self.provider.status()
    }
}

fn query_digest(query: &KeyQuery<'_>) -> QueryDigest {
    let mut context = digest::Context::new(&digest::SHA256);
    let algorithm: Algorithm = query.algorithm();
    let names = [query.key_id(), query.x5t(), query.x5t_s256(), query.issuer()];
    for part in [Some(algorithm.name())].into_iter().chain(names) {
        // The length before each part makes the digests of different queries differ.
        let (present, part) = (part.is_some(), part.unwrap_or_default());
        context.update(&[u8::from(present)]);
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::keys::FixedKeys;

    /// Returns a fixed answer, and counts the calls.
    #[derive(Debug)]
    struct Scripted {
        answer: fn() -> Result<Arc<VerifyingKey>, KeyError>,
        calls: AtomicUsize,
    }

    impl Scripted {
        fn new(answer: fn() -> Result<Arc<VerifyingKey>, KeyError>) -> Self {
            Self { answer, calls: AtomicUsize::new(0) }
        }
    }

    #[async_trait]
    impl KeyProvider for Scripted {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            (self.answer)()
        }
    }

    fn a_key() -> Result<Arc<VerifyingKey>, KeyError> {
        Ok(Arc::new(VerifyingKey::from_secret(&[7; 32]).unwrap()))
    }

    fn query() -> KeyQuery<'static> {
        KeyQuery::new(Algorithm::Hs256).with_key_id("k")
    }

    #[tokio::test]
    async fn first_provider_with_the_key_returns_it() {
        let none = || Arc::new(Scripted::new(|| Err(KeyError::NotFound))) as Arc<dyn KeyProvider>;
        let down = || Arc::new(Scripted::new(|| Err(Unavailable::new().into()))) as Arc<dyn KeyProvider>;
        let has = || Arc::new(FixedKeys::secret(&[7; 32]).unwrap()) as Arc<dyn KeyProvider>;
        assert!(FirstOf::new([none(), down(), has()]).key(&query()).await.is_ok());
        assert!(matches!(FirstOf::new([none(), none()]).key(&query()).await, Err(KeyError::NotFound)));
        // No key provider has the key, and one is unavailable.
        assert!(matches!(FirstOf::new([down(), none()]).key(&query()).await, Err(KeyError::Unavailable(_))));
        assert!(FirstOf::new([none(), has()]).algorithms().contains(Algorithm::Hs256));
        assert!(FirstOf::new([down(), has()]).status().ready);
        // The sum of the keys does not overflow.
        let many = KeyStatus { keys: usize::MAX, ..KeyStatus::ready() };
        assert_eq!(many.clone().or(many).keys, usize::MAX);
    }

    #[test]
    fn combined_status_has_higher_age_and_first_error() {
        let failed = |seconds, error: &str| KeyStatus {
            age: Some(Duration::from_secs(seconds)),
            last_error: Some(error.to_owned()),
            next_attempt: Some(Duration::from_secs(seconds)),
            keys: 1,
            ..KeyStatus::waiting()
        };
        let combined = failed(1, "first").or(failed(2, "second"));
        assert_eq!(combined, KeyStatus { age: Some(Duration::from_secs(2)), keys: 2, ..failed(1, "first") });
    }

    #[tokio::test]
    async fn keys_and_absences_are_cached_but_outages_are_not() {
        let minute = Duration::from_secs(60);
        let cached = CachedKeys::new(Scripted::new(a_key), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(cached.key(&query()).await.is_ok());
        }
        assert_eq!(cached.provider.calls.load(Ordering::SeqCst), 1);
        // Another key, algorithm or issuer is another lookup.
        for other in [query().with_key_id("l"), query().with_key_id(None), query().with_issuer("i")] {
            assert!(cached.key(&other).await.is_ok());
        }
        assert_eq!(cached.provider.calls.load(Ordering::SeqCst), 4);

        let absent = CachedKeys::new(Scripted::new(|| Err(KeyError::NotFound)), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(matches!(absent.key(&query()).await, Err(KeyError::NotFound)));
        }
        assert_eq!(absent.provider.calls.load(Ordering::SeqCst), 1);

        let down = CachedKeys::new(Scripted::new(|| Err(Unavailable::new().into())), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(matches!(down.key(&query()).await, Err(KeyError::Unavailable(_))));
        }
        assert_eq!(down.provider.calls.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn concurrent_requests_share_one_lookup() {
        let cached = Arc::new(CachedKeys::new(Scripted::new(a_key), 10, Duration::from_secs(60)).unwrap());
        let requests: Vec<_> = (0..20)
            .map(|_| {
                let cached = Arc::clone(&cached);
                tokio::spawn(async move { cached.key(&query()).await.is_ok() })
            })
            .collect();
        for request in requests {
            assert!(request.await.unwrap());
        }
        assert_eq!(cached.provider.calls.load(Ordering::SeqCst), 1);
    }

    fn busy(seconds: u64) -> Unavailable {
        let mut unavailable = Unavailable::new().with_source("busy");
        unavailable.retry_after = Some(Duration::from_secs(seconds));
        unavailable
    }

    /// The details of an outage.
    fn details<T: std::fmt::Debug>(answer: Result<T, KeyError>) -> (Option<Duration>, Option<String>) {
        match answer {
            Err(KeyError::Unavailable(outage)) => (outage.retry_after, outage.source.map(|source| source.to_string())),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn first_of_several_outages_is_reported() {
        let down = |answer| Arc::new(Scripted::new(answer)) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([down(|| Err(busy(1).into())), down(|| Err(busy(2).into()))]);
        assert_eq!(details(keys.key(&query()).await), (Some(Duration::from_secs(1)), Some("busy".to_owned())));
    }

    #[tokio::test]
    async fn errors_that_are_not_cached_are_passed_on() {
        let minute = Duration::from_secs(60);
        let cached = |answer| CachedKeys::new(Scripted::new(answer), 10, minute).unwrap();
        let ambiguous = cached(|| Err(KeyError::Ambiguous));
        assert!(matches!(ambiguous.key(&query()).await, Err(KeyError::Ambiguous)));
        let outage = cached(|| Err(busy(7).into())).key(&query()).await;
        assert_eq!(details(outage), (Some(Duration::from_secs(7)), Some("busy".to_owned())));
        let fixed = CachedKeys::new(FixedKeys::secret(&[7; 32]).unwrap(), 10, minute).unwrap();
        assert_eq!((fixed.algorithms(), fixed.status().keys), (Algorithm::Hs256.into(), 1));
    }

    /// A key provider that can't be warmed up.
    #[derive(Debug)]
    struct Cold;

    #[async_trait]
    impl KeyProvider for Cold {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            Err(KeyError::NotFound)
        }

        async fn warm_up(&self) -> Result<(), KeyError> {
            Err(busy(1).into())
        }

        fn status(&self) -> KeyStatus {
            KeyStatus::waiting()
        }
    }

    #[tokio::test]
    async fn warm_up_fails_only_when_all_fail() {
        let (cold, warm) = (|| Arc::new(Cold) as Arc<dyn KeyProvider>, || Arc::new(Scripted::new(a_key)) as Arc<_>);
        for keys in [FirstOf::new([cold(), warm()]), FirstOf::new([warm(), cold()])] {
            assert!(keys.warm_up().await.is_ok() && keys.status().ready);
        }
        let keys = FirstOf::new([cold(), cold()]);
        assert!(keys.warm_up().await.is_err() && !keys.status().ready);
        let cached = CachedKeys::new(Cold, 1, Duration::from_secs(1)).unwrap();
        assert!(cached.warm_up().await.is_err() && !cached.status().ready);
    }

    #[test]
    fn different_queries_have_different_digests() {
        let ask = || KeyQuery::new(Algorithm::Hs256);
        let queries = [
            ask(),
            ask().with_key_id(""),
            ask().with_key_id("a").with_issuer("b\0"),
            ask().with_key_id("a\u{1}b"),
            ask().with_key_id("ab"),
            ask().with_key_id("a").with_issuer("b"),
            ask().with_issuer("ab"),
            ask().with_x5t("ab"),
            ask().with_x5t_s256("ab"),
            KeyQuery::new(Algorithm::Hs384),
        ];
        let digests: std::collections::HashSet<_> = queries.iter().map(query_digest).collect();
        assert_eq!(digests.len(), queries.len());
    }

    #[test]
    fn zero_capacity_or_lifetime_is_an_error() {
        let with = |capacity, lifetime| CachedKeys::new(Scripted::new(a_key), capacity, lifetime);
        assert_eq!(with(0, Duration::from_secs(1)).unwrap_err().field(), "capacity");
        assert_eq!(with(1, Duration::ZERO).unwrap_err().field(), "lifetime");
    }
}
