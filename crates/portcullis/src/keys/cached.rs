//! A cache in front of a key provider that answers for one key at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;

use crate::error::ConfigError;
use crate::jose::{AlgorithmSet, VerifyingKey};
use crate::keys::{KeyDiagnosis, KeyError, KeyProvider, KeyQuery, KeyStatus};
use crate::lookups::{Answer, Lifetimes, Lookups, MAX_REFUSED_LIFETIME, Name, NoValue, Options};

/// A cache in front of a slow key provider, for example of a table with one key per row.
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
/// Requests that need the same key at the same time share one lookup. A key is cached for `lifetime`: a withdrawn key is
/// accepted for up to this time. In the last quarter of it, one request looks the key up again, and the others continue with
/// the cached key. [`KeyError::NotFound`] and [`KeyError::Ambiguous`] are cached for at most 30 seconds, so a new key is
/// accepted after this time even if a token named it too early. An outage or a panic is not cached.
///
/// A `kid` is unverified text from a token. Lookups of keys that do not exist are limited to 10 at once, then one per second.
/// A `kid` that could not be looked up within this limit is answered with 503 and `Retry-After`. Keys that were found are not
/// affected. 1,000 requests may wait for keys that were found before, and 1,000 for others; more get 503.
///
/// The key provider is asked by one name: by the `kid`, in a token without `kid` by `x5t#S256`, and without both by `x5t`.
///
/// If one request gives all keys, implement `KeyLoader` instead: `RemoteKeys` keeps keys in an outage.
pub struct CachedKeys<P> {
    provider: P,
    keys: Lookups<Arc<VerifyingKey>>,
}

impl<P: KeyProvider> CachedKeys<P> {
    /// Caches at most `capacity` keys of `provider`, each for `lifetime`.
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
        let refused = lifetime.min(MAX_REFUSED_LIFETIME);
        let lifetimes = Lifetimes { confirmed: lifetime, stale: Duration::ZERO, refused, turn: None };
        Ok(Self { provider, keys: Lookups::new(Options::new(capacity, lifetimes)) })
    }
}

#[async_trait]
impl<P: KeyProvider> KeyProvider for CachedKeys<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let query = &by_one_name(query);
        let ask = |_| async move {
            match self.provider.key(query).await {
                // A key that serves every name says nothing about this one.
                Ok(key) => {
                    Answer::Found { is_named: key.id().is_some_and(|id| Some(id) == query.key_id()), value: key }
                }
                Err(KeyError::NotFound) => Answer::Absent,
                Err(KeyError::Ambiguous) => Answer::Ambiguous,
                Err(KeyError::Unavailable(unavailable)) => unavailable.into(),
            }
        };
        self.keys.get(name_of(query), ask).await.map_err(|no_key| match no_key {
            NoValue::Absent => KeyError::NotFound,
            NoValue::Ambiguous => KeyError::Ambiguous,
            NoValue::Unavailable(unavailable) => unavailable.into(),
        })
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

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        self.provider.diagnose().await
    }
}

impl<P: fmt::Debug> fmt::Debug for CachedKeys<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeys").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The query with only one of its names. With several names, a stranger could join a real name with any number of made-up
/// ones, and each pair would be a new question with a good answer.
fn by_one_name<'a>(query: &KeyQuery<'a>) -> KeyQuery<'a> {
    match (query.key_id(), query.x5t_s256()) {
        (Some(_), _) => query.with_x5t(None).with_x5t_s256(None),
        (None, Some(_)) => query.with_x5t(None),
        (None, None) => *query,
    }
}

fn name_of(query: &KeyQuery<'_>) -> Name {
    let mut context = digest::Context::new(&digest::SHA256);
    for number in [query.attempt, query.unnamed_tries] {
        context.update(&(number as u64).to_be_bytes());
    }
    let names = [query.key_id(), query.x5t(), query.x5t_s256(), query.issuer()];
    for part in [Some(query.algorithm().name())].into_iter().chain(names) {
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
    use crate::error::Unavailable;
    use crate::jose::Algorithm;
    use crate::keys::FixedKeys;
    use crate::keys::test_support::{Cold, Scripted, a_key, busy, details, query};

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
        let cold = CachedKeys::new(Cold, 1, minute).unwrap();
        assert!(cold.warm_up().await.is_err() && !cold.status().ready);
    }

    /// Has the key `k`, and returns it for every query that names it in some way.
    #[derive(Debug, Default)]
    struct Table {
        asked: AtomicUsize,
    }

    #[async_trait]
    impl KeyProvider for Table {
        async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let key = || Arc::new(VerifyingKey::from_secret(&[7; 32]).unwrap().with_id("k"));
            [query.key_id(), query.x5t(), query.x5t_s256()].contains(&Some("k")).then(key).ok_or(KeyError::NotFound)
        }
    }

    #[tokio::test]
    async fn made_up_names_cause_few_lookups() {
        let cached = CachedKeys::new(Table::default(), 10, Duration::from_secs(60)).unwrap();
        let real = query();
        assert!(cached.key(&real).await.is_ok());
        let mut refused = 0;
        for number in 0..1_000 {
            let made_up = number.to_string();
            for query in [
                query().with_key_id(&*made_up),
                query().with_key_id(None).with_x5t(&*made_up),
                query().with_key_id(None).with_x5t_s256(&*made_up),
                // A real name next to a made-up one.
                query().with_key_id(&*made_up).with_x5t("k"),
                query().with_key_id(None).with_x5t_s256(&*made_up).with_x5t("k"),
                query().with_key_id("k").with_x5t(&*made_up),
                query().with_key_id("k").with_x5t_s256(&*made_up),
            ] {
                match cached.key(&query).await {
                    Ok(_) => {}
                    Err(KeyError::NotFound) => refused += 1,
                    Err(KeyError::Unavailable(spent)) => assert_eq!(spent.retry_after, Some(Duration::from_secs(1))),
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(cached.key(&real).await.is_ok(), "a key that was found is not affected");
        }
        // The budget, and what it gains in the time of this test.
        let asked = cached.provider.asked.load(Ordering::SeqCst);
        assert!((11..40).contains(&asked) && refused >= 10, "{asked} {refused}");
        assert!(cached.keys.known_names() == 1);
    }

    #[tokio::test]
    async fn each_attempt_is_a_lookup_of_its_own() {
        let secrets = [7, 8].map(|byte| Arc::new(VerifyingKey::from_secret(&[byte; 32]).unwrap()));
        let cached = CachedKeys::new(FixedKeys::keys(secrets.clone()), 10, Duration::from_secs(60)).unwrap();
        for (attempt, secret) in secrets.iter().enumerate() {
            let key = cached.key(&query().with_attempt(attempt)).await.unwrap();
            assert!(key.is_same(secret), "{attempt}");
        }
    }

    #[tokio::test]
    async fn key_without_a_name_does_not_refill_the_budget() {
        let cached = CachedKeys::new(Scripted::new(a_key), 10, Duration::from_secs(60)).unwrap();
        for number in 0..1_000 {
            let _any = cached.key(&query().with_key_id(&*number.to_string())).await;
        }
        assert!(cached.provider.calls.load(Ordering::SeqCst) < 40);
    }

    #[tokio::test]
    async fn longest_lifetime_is_harmless() {
        let cached = CachedKeys::new(Scripted::new(a_key), u64::MAX, Duration::MAX).unwrap();
        for _ in 0..2 {
            assert!(cached.key(&query()).await.is_ok());
        }
        assert_eq!(cached.provider.calls.load(Ordering::SeqCst), 1);
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
            ask().with_attempt(1),
            ask().with_unnamed_tries(2),
            KeyQuery::new(Algorithm::Hs384),
        ];
        let digests: std::collections::HashSet<_> = queries.iter().map(name_of).collect();
        assert_eq!(digests.len(), queries.len());
    }

    #[test]
    fn zero_capacity_or_lifetime_is_an_error() {
        let with = |capacity, lifetime| CachedKeys::new(Scripted::new(a_key), capacity, lifetime);
        assert_eq!(with(0, Duration::from_secs(1)).unwrap_err().field(), "capacity");
        assert_eq!(with(1, Duration::ZERO).unwrap_err().field(), "lifetime");
    }
}
