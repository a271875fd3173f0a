//! Providers made of providers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use moka::future::Cache;

use crate::error::{ConfigError, Unavailable};
use crate::jose::{Algorithm, AlgorithmSet, VerifyingKey};
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// Several providers of one issuer's keys, asked in order: the first that has the key gives it.
///
/// One that can't say now is passed over; only when no other has the key is the answer "unavailable", because then nobody
/// knows. A slow one holds up those after it, unless it is `TimeLimited`.
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
    /// Asks these, in this order.
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

    /// One attempt at each. Fails only when all fail.
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

    /// Ready when one of them is.
    fn status(&self) -> KeyStatus {
        self.0.iter().map(|provider| provider.status()).fold(KeyStatus::waiting(), KeyStatus::or)
    }
}

/// A cache in front of a slow provider, such as a vault or a database.
///
/// A key is asked for once, however many requests need it, and kept for `lifetime`: so long may a key that was withdrawn
/// go on. That there is no such key is remembered for the same time: so long may a new key be refused, if tokens named it
/// before it was there. An outage is not: the next request asks again, and so does each request after a panic.
///
/// Names come from tokens that nothing is known of, so that anybody can cause one question for each name that they think
/// of: a source where questions cost much wants a limit of its own.
#[derive(Debug)]
pub struct CachedKeys<P> {
    provider: P,
    keys: Cache<QueryDigest, Option<Arc<VerifyingKey>>>,
}

/// SHA-256 of a query: of fixed size, whatever a token names.
type QueryDigest = [u8; 32];

impl<P: KeyProvider> CachedKeys<P> {
    /// Keeps at most `capacity` answers of `provider`, each for `lifetime`.
    ///
    /// # Errors
    /// [`ConfigError`] when either is zero.
    pub fn new(provider: P, capacity: u64, lifetime: Duration) -> Result<Self, ConfigError> {
        if capacity == 0 {
            return Err(ConfigError::new("capacity", "zero", "write the number of keys to keep, such as 1000"));
        }
        if lifetime.is_zero() {
            return Err(ConfigError::new(
                "lifetime",
                "zero",
                "write how long a withdrawn key may go on, such as a minute",
            ));
        }
        Ok(Self { provider, keys: Cache::builder().max_capacity(capacity).time_to_live(lifetime).build() })
    }
}

/// What a look-up that gives no answer to keep ends with.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("ambiguous")]
    Ambiguous,
    #[error("unavailable")]
    Unavailable { retry_after: Option<Duration>, why: Option<String> },
}

#[async_trait]
impl<P: KeyProvider> KeyProvider for CachedKeys<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let ask = async {
            match self.provider.key(query).await {
                Ok(key) => Ok(Some(key)),
                Err(KeyError::NotFound) => Ok(None),
                Err(KeyError::Ambiguous) => Err(NoAnswer::Ambiguous),
                Err(KeyError::Unavailable(unavailable)) => Err(NoAnswer::Unavailable {
                    retry_after: unavailable.retry_after,
                    why: unavailable.source.map(|source| source.to_string()),
                }),
            }
        };
        match self.keys.try_get_with(query_digest(query), ask).await {
            Ok(found) => found.ok_or(KeyError::NotFound),
            Err(no_answer) => Err(match &*no_answer {
                NoAnswer::Ambiguous => KeyError::Ambiguous,
                NoAnswer::Unavailable { retry_after, why } => {
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
    for part in [Some(algorithm.name()), query.key_id(), query.issuer()] {
        // The length before each part keeps two different queries from reading alike.
        let (is_there, part) = (part.is_some(), part.unwrap_or_default());
        context.update(&[u8::from(is_there)]);
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

    /// Answers as told, and counts.
    #[derive(Debug)]
    struct Scripted {
        answer: fn() -> Result<Arc<VerifyingKey>, KeyError>,
        asked: AtomicUsize,
    }

    impl Scripted {
        fn new(answer: fn() -> Result<Arc<VerifyingKey>, KeyError>) -> Self {
            Self { answer, asked: AtomicUsize::new(0) }
        }
    }

    #[async_trait]
    impl KeyProvider for Scripted {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
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
    async fn the_first_provider_that_has_the_key_gives_it() {
        let none = || Arc::new(Scripted::new(|| Err(KeyError::NotFound))) as Arc<dyn KeyProvider>;
        let down = || Arc::new(Scripted::new(|| Err(Unavailable::new().into()))) as Arc<dyn KeyProvider>;
        let has = || Arc::new(FixedKeys::secret(&[7; 32]).unwrap()) as Arc<dyn KeyProvider>;
        assert!(FirstOf::new([none(), down(), has()]).key(&query()).await.is_ok());
        assert!(matches!(FirstOf::new([none(), none()]).key(&query()).await, Err(KeyError::NotFound)));
        // Nobody has it, and one can't say: nobody knows.
        assert!(matches!(FirstOf::new([down(), none()]).key(&query()).await, Err(KeyError::Unavailable(_))));
        assert!(FirstOf::new([none(), has()]).algorithms().contains(Algorithm::Hs256));
        assert!(FirstOf::new([down(), has()]).status().ready);
        // Whatever number of keys a provider says that it has.
        let many = KeyStatus { keys: usize::MAX, ..KeyStatus::ready() };
        assert_eq!(many.clone().or(many).keys, usize::MAX);
    }

    #[tokio::test]
    async fn a_slow_provider_is_asked_once_and_an_outage_is_not_remembered() {
        let minute = Duration::from_secs(60);
        let cached = CachedKeys::new(Scripted::new(a_key), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(cached.key(&query()).await.is_ok());
        }
        assert_eq!(cached.provider.asked.load(Ordering::SeqCst), 1);
        // Another key, algorithm or issuer is another question.
        for other in [query().with_key_id("l"), query().with_key_id(None), query().with_issuer("i")] {
            assert!(cached.key(&other).await.is_ok());
        }
        assert_eq!(cached.provider.asked.load(Ordering::SeqCst), 4);

        let absent = CachedKeys::new(Scripted::new(|| Err(KeyError::NotFound)), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(matches!(absent.key(&query()).await, Err(KeyError::NotFound)));
        }
        assert_eq!(absent.provider.asked.load(Ordering::SeqCst), 1);

        let down = CachedKeys::new(Scripted::new(|| Err(Unavailable::new().into())), 10, minute).unwrap();
        for _ in 0..3 {
            assert!(matches!(down.key(&query()).await, Err(KeyError::Unavailable(_))));
        }
        assert_eq!(down.provider.asked.load(Ordering::SeqCst), 3);
    }

    fn busy(seconds: u64) -> Unavailable {
        let mut unavailable = Unavailable::new().because("busy");
        unavailable.retry_after = Some(Duration::from_secs(seconds));
        unavailable
    }

    /// What is told of an outage.
    fn told<T: std::fmt::Debug>(answer: Result<T, KeyError>) -> (Option<Duration>, Option<String>) {
        match answer {
            Err(KeyError::Unavailable(outage)) => (outage.retry_after, outage.source.map(|source| source.to_string())),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn of_several_outages_the_first_is_told() {
        let down = |answer| Arc::new(Scripted::new(answer)) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([down(|| Err(busy(1).into())), down(|| Err(busy(2).into()))]);
        assert_eq!(told(keys.key(&query()).await), (Some(Duration::from_secs(1)), Some("busy".to_owned())));
    }

    #[tokio::test]
    async fn what_a_cache_does_not_keep_is_passed_on() {
        let minute = Duration::from_secs(60);
        let cached = |answer| CachedKeys::new(Scripted::new(answer), 10, minute).unwrap();
        let ambiguous = cached(|| Err(KeyError::Ambiguous));
        assert!(matches!(ambiguous.key(&query()).await, Err(KeyError::Ambiguous)));
        let outage = cached(|| Err(busy(7).into())).key(&query()).await;
        assert_eq!(told(outage), (Some(Duration::from_secs(7)), Some("busy".to_owned())));
        let fixed = CachedKeys::new(FixedKeys::secret(&[7; 32]).unwrap(), 10, minute).unwrap();
        assert_eq!((fixed.algorithms(), fixed.status().keys), (Algorithm::Hs256.into(), 1));
    }

    /// Can't be warmed up.
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
    async fn a_warm_up_fails_only_where_all_fail() {
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
    fn no_two_questions_have_one_name() {
        let ask = || KeyQuery::new(Algorithm::Hs256);
        let questions = [
            ask(),
            ask().with_key_id(""),
            ask().with_key_id("a").with_issuer("b\0"),
            ask().with_key_id("a\u{1}b"),
            ask().with_key_id("ab"),
            ask().with_key_id("a").with_issuer("b"),
            ask().with_issuer("ab"),
            KeyQuery::new(Algorithm::Hs384),
        ];
        let names: std::collections::HashSet<_> = questions.iter().map(query_digest).collect();
        assert_eq!(names.len(), questions.len());
    }

    #[test]
    fn a_cache_without_room_or_time_is_a_mistake() {
        let with = |capacity, lifetime| CachedKeys::new(Scripted::new(a_key), capacity, lifetime);
        assert_eq!(with(0, Duration::from_secs(1)).unwrap_err().field(), "capacity");
        assert_eq!(with(1, Duration::ZERO).unwrap_err().field(), "lifetime");
    }
}
