//! A deadline for a provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{ConfigError, Unavailable};
use crate::jose::{AlgorithmSet, VerifyingKey};
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// A provider that has so long to answer, and no longer: after that its keys can't be had ([`KeyError::Unavailable`]),
/// and what it was doing is dropped. It needs a tokio runtime with a timer, as those of Axum and Actix Web are.
///
/// Behind [`CachedKeys`](crate::keys::CachedKeys) the deadline is that of the one question that many requests wait for; within
/// [`FirstOf`](crate::keys::FirstOf) the next provider is asked when it has passed.
///
/// ```
/// use std::time::Duration;
/// use portcullis::keys::{CachedKeys, TimeLimited};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let vault = portcullis::keys::FixedKeys::secret(&[7; 32])?;
/// let keys = CachedKeys::new(TimeLimited::new(vault, Duration::from_secs(2))?, 1_000, Duration::from_secs(60))?;
/// # Ok(()) }
/// ```
///
/// [`RemoteKeys`](crate::keys::RemoteKeys) has a deadline of its own.
#[derive(Debug)]
pub struct TimeLimited<P> {
    provider: P,
    limit: Duration,
}

impl<P: KeyProvider> TimeLimited<P> {
    /// Waits for `provider` for as long as `limit`.
    ///
    /// # Errors
    /// [`ConfigError`] when the limit is zero.
    pub fn new(provider: P, limit: Duration) -> Result<Self, ConfigError> {
        if limit.is_zero() {
            return Err(ConfigError::new("limit", "zero", "write how long a request may wait, such as two seconds"));
        }
        Ok(Self { provider, limit })
    }

    async fn within<T>(&self, answer: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
        tokio::time::timeout(self.limit, answer).await.unwrap_or_else(|_| {
            Err(Unavailable::new().because(format!("no answer of the key provider within {:?}", self.limit)).into())
        })
    }
}

#[async_trait]
impl<P: KeyProvider> KeyProvider for TimeLimited<P> {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.within(self.provider.key(query)).await
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::{FirstOf, FixedKeys};

    /// Never says anything.
    #[derive(Debug)]
    struct Silent;

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
    async fn a_silent_provider_is_unavailable_and_says_why() {
        let unavailable = match limited(Silent).key(&KeyQuery::new(Algorithm::Hs256)).await {
            Err(KeyError::Unavailable(unavailable)) => unavailable,
            other => panic!("{other:?}"),
        };
        assert_eq!(unavailable.source.unwrap().to_string(), "no answer of the key provider within 10ms");
        assert!(matches!(limited(Silent).warm_up().await, Err(KeyError::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_next_of_several_is_asked_when_the_limit_has_passed() {
        let has = FixedKeys::secret(&[7; 32]).unwrap();
        let keys = FirstOf::new([Arc::new(limited(Silent)) as Arc<dyn KeyProvider>, Arc::new(has)]);
        assert!(keys.key(&KeyQuery::new(Algorithm::Hs256)).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_answers_is_passed_on() {
        let secret = TimeLimited::new(FixedKeys::secret(&[7; 32]).unwrap(), Duration::MAX).unwrap();
        assert!(secret.key(&KeyQuery::new(Algorithm::Hs256)).await.is_ok());
        assert!(matches!(secret.key(&KeyQuery::new(Algorithm::Rs256)).await, Err(KeyError::NotFound)));
        assert_eq!(secret.algorithms(), Algorithm::Hs256.into());
        assert_eq!((secret.status().keys, secret.warm_up().await.is_ok()), (1, true));
    }

    #[test]
    fn no_time_at_all_is_a_mistake() {
        assert_eq!(TimeLimited::new(Silent, Duration::ZERO).unwrap_err().field(), "limit");
    }
}
