//! Key providers that combine other key providers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::attempts::{Attempt, run_all};
use crate::catch_panic::catch_panic;
use crate::error::Unavailable;
use crate::jose::{AlgorithmSet, VerifyingKey};
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

    /// Makes one attempt with each key provider, all at the same time. Fails only when all of them fail.
    async fn warm_up(&self) -> Result<(), KeyError> {
        run_all(self.0.iter().map(|provider| -> Attempt<'_, _> { Box::pin(try_warm_up(&**provider)) })).await
    }

    /// Ready when one of the key providers is.
    fn status(&self) -> KeyStatus {
        self.0.iter().map(|provider| provider.status()).fold(KeyStatus::waiting(), KeyStatus::or)
    }
}

/// Warms one key provider up. A panic fails this attempt only.
async fn try_warm_up(provider: &dyn KeyProvider) -> Result<(), KeyError> {
    let attempt = catch_panic(async { provider.warm_up().await }).await;
    attempt.unwrap_or_else(|_| Err(Unavailable::new().with_source("the key provider panicked").into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::FixedKeys;
    use crate::keys::test_support::{Cold, Scripted, busy, details, query};

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
    async fn first_of_several_outages_is_reported() {
        let down = |answer| Arc::new(Scripted::new(answer)) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([down(|| Err(busy(1).into())), down(|| Err(busy(2).into()))]);
        assert_eq!(details(keys.key(&query()).await), (Some(Duration::from_secs(1)), Some("busy".to_owned())));
    }

    #[tokio::test]
    async fn warm_up_fails_only_when_all_fail() {
        let (cold, warm) =
            (|| Arc::new(Cold) as Arc<dyn KeyProvider>, || Arc::new(FixedKeys::secret(&[7; 32]).unwrap()) as Arc<_>);
        for keys in [FirstOf::new([cold(), warm()]), FirstOf::new([warm(), cold()])] {
            assert!(keys.warm_up().await.is_ok() && keys.status().ready);
        }
        let keys = FirstOf::new([cold(), cold()]);
        assert!(keys.warm_up().await.is_err() && !keys.status().ready);
    }
}
