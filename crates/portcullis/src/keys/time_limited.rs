//! A time limit for a key provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{ConfigError, Unavailable};
use crate::jose::{AlgorithmSet, VerifyingKey};
use crate::keys::{KeyDiagnosis, KeyError, KeyProvider, KeyQuery, KeyStatus};

/// Gives a key provider a time limit for each answer. After it the result is [`KeyError::Unavailable`], and the future of
/// the key provider is dropped. This needs a tokio runtime with timers, as Axum and Actix Web have.
///
/// In [`CachedKeys`](crate::keys::CachedKeys), the time limit is that of the one lookup that many requests share. In
/// [`FirstOf`](crate::keys::FirstOf), the next key provider is asked after the time limit.
///
/// ```
/// use std::time::Duration;
/// use portcullis::keys::{CachedKeys, TimeLimited};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let table = portcullis::keys::FixedKeys::secret(&[7; 32])?;
/// let keys = CachedKeys::new(TimeLimited::new(table, Duration::from_secs(2))?, 1_000, Duration::from_secs(60))?;
/// # Ok(()) }
/// ```
///
/// [`RemoteKeys`](crate::keys::RemoteKeys) has its own time limit, also for keys that a
/// [`KeyLoader`](crate::keys::KeyLoader) loads.
#[derive(Debug)]
pub struct TimeLimited<P> {
    provider: P,
    limit: Duration,
}

impl<P: KeyProvider> TimeLimited<P> {
    /// Waits for `provider` for at most `limit`.
    ///
    /// # Errors
    /// [`ConfigError`] when the limit is zero.
    pub fn new(provider: P, limit: Duration) -> Result<Self, ConfigError> {
        if limit.is_zero() {
            return Err(ConfigError::new(
                "limit",
                "zero",
                "write how long a request may wait, for example two seconds",
            ));
        }
        Ok(Self { provider, limit })
    }

    async fn within<T>(&self, answer: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
        tokio::time::timeout(self.limit, answer).await.unwrap_or_else(|_| {
            Err(Unavailable::new().with_source(format!("no answer of the key provider within {:?}", self.limit)).into())
        })
    }
}

#[async_trait]
impl<P: KeyProvider> KeyProvider for TimeLimited<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.within(self.provider.key(query)).await
    }

    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        self.provider.key_at_hand(query)
    }

    fn algorithms(&self) -> AlgorithmSet {
        self.provider.algorithms()
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.within(self.provider.warm_up()).await
    }

    fn status(&self) -> KeyStatus {
        self.provider.status()
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        self.provider.diagnose().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::{FirstOf, FixedKeys};

    /// Never answers.
    #[derive(Debug)]
    struct Silent;

    /// Never answers, and counts the futures that were dropped.
    #[derive(Debug, Default)]
    struct DropCounter(Arc<AtomicUsize>);

    impl Drop for DropCounter {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[async_trait]
    impl KeyProvider for DropCounter {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            let _count_drop = Self(Arc::clone(&self.0));
            std::future::pending().await
        }
    }

    #[async_trait]
    impl KeyProvider for Silent {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            std::future::pending().await
        }

        async fn warm_up(&self) -> Result<(), KeyError> {
            std::future::pending().await
        }
    }

    fn limited<P: KeyProvider>(provider: P) -> TimeLimited<P> {
        TimeLimited::new(provider, Duration::from_millis(10)).unwrap()
    }

    #[tokio::test]
    async fn silent_provider_is_unavailable_and_says_why() {
        let unavailable = match limited(Silent).key(&KeyQuery::new(Algorithm::Hs256)).await {
            Err(KeyError::Unavailable(unavailable)) => unavailable,
            other => panic!("{other:?}"),
        };
        assert_eq!(unavailable.source.unwrap().to_string(), "no answer of the key provider within 10ms");
        assert!(matches!(limited(Silent).warm_up().await, Err(KeyError::Unavailable(_))));
    }

    #[tokio::test]
    async fn future_is_dropped_after_the_time_limit() {
        let provider = limited(DropCounter::default());
        assert!(provider.key(&KeyQuery::new(Algorithm::Hs256)).await.is_err());
        assert_eq!(provider.provider.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn next_provider_is_asked_after_the_time_limit() {
        let has = FixedKeys::secret(&[7; 32]).unwrap();
        let keys = FirstOf::new([Arc::new(limited(Silent)) as Arc<dyn KeyProvider>, Arc::new(has)]);
        assert!(keys.key(&KeyQuery::new(Algorithm::Hs256)).await.is_ok());
    }

    #[tokio::test]
    async fn answers_in_time_are_passed_on() {
        let secret = TimeLimited::new(FixedKeys::secret(&[7; 32]).unwrap(), Duration::MAX).unwrap();
        assert!(secret.key(&KeyQuery::new(Algorithm::Hs256)).await.is_ok());
        assert!(matches!(secret.key(&KeyQuery::new(Algorithm::Rs256)).await, Err(KeyError::NotFound)));
        assert_eq!(secret.algorithms(), Algorithm::Hs256.into());
        assert_eq!((secret.status().keys, secret.warm_up().await.is_ok()), (1, true));
    }

    #[test]
    fn zero_time_limit_is_an_error() {
        assert_eq!(TimeLimited::new(Silent, Duration::ZERO).unwrap_err().field(), "limit");
    }
}
