//! Key providers that combine other key providers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::attempts::{Attempt, run_all};
use crate::catch_panic::catch_panic;
use crate::error::Unavailable;
use crate::jose::{AlgorithmSet, VerifyingKey};
use crate::keys::{KeyDiagnosis, KeyError, KeyProvider, KeyQuery, KeyStatus, status_of};

/// Asks several key providers for one issuer's keys, in order. The first that has the key returns it.
///
/// A key provider that is unavailable is skipped. When no other one has the key, the result is
/// [`KeyError::Unavailable`], because the key may exist. A slow key provider delays those after it, unless it is
/// `TimeLimited`.
///
/// A key that the token does not name, for example a secret, is tried. If it does not verify the signature, the next key is,
/// up to eight in all. So both secrets work here during a rotation:
///
/// ```
/// use std::sync::Arc;
/// use portcullis::keys::{FirstOf, FixedKeys};
/// use portcullis::{JwtVerifier, KeyProvider};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (new, old) = ([7; 32], [8; 32]);
/// let (new, old) = (FixedKeys::secret(&new)?, FixedKeys::secret(&old)?);
/// let keys = FirstOf::new([Arc::new(new) as Arc<dyn KeyProvider>, Arc::new(old)]);
/// let verifier = JwtVerifier::builder("https://issuer.example", "api", keys).build()?;
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
        let mut tried: Vec<Arc<VerifyingKey>> = Vec::new();
        for provider in &self.0 {
            for attempt in 0..=query.attempt() {
                match provider.key(&query.with_attempt(attempt)).await {
                    // A key provider that does not count attempts returns the same key again.
                    Ok(key) if tried.iter().any(|tried| tried.is_same(&key)) => break,
                    Ok(key) if tried.len() == query.attempt() => return Ok(key),
                    Ok(key) => tried.push(key),
                    Err(KeyError::Ambiguous) if tried.is_empty() => return Err(KeyError::Ambiguous),
                    Err(KeyError::Ambiguous | KeyError::NotFound) => break,
                    Err(KeyError::Unavailable(unavailable)) => {
                        unsure = unsure.or(Some(unavailable));
                        break;
                    }
                }
            }
        }
        Err(unsure.map_or(KeyError::NotFound, KeyError::Unavailable))
    }

    /// Only the first answer of the first key provider: everything else may need the others.
    fn key_at_hand(&self, query: &KeyQuery<'_>) -> Option<Result<Arc<VerifyingKey>, KeyError>> {
        let first = self.0.first().filter(|_| query.attempt() == 0)?;
        first.key_at_hand(query).filter(Result::is_ok)
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
        self.0.iter().map(|provider| status_of(|| provider.status())).fold(KeyStatus::waiting(), KeyStatus::or)
    }

    async fn diagnose(&self) -> Vec<KeyDiagnosis> {
        let mut all = Vec::new();
        for provider in &self.0 {
            all.extend(provider.diagnose().await);
        }
        all
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
    use crate::keys::test_support::{Cold, Scripted, a_key, busy, details, query};

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

    #[tokio::test]
    async fn each_attempt_has_the_next_key() {
        let secret = |byte| Arc::new(VerifyingKey::from_secret(&[byte; 32]).unwrap());
        let fixed =
            |bytes: &[u8]| Arc::new(FixedKeys::keys(bytes.iter().map(|byte| secret(*byte)))) as Arc<dyn KeyProvider>;
        let none = || Arc::new(Scripted::new(|| Err(KeyError::NotFound))) as Arc<dyn KeyProvider>;
        let always = || Arc::new(Scripted::new(a_key)) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([none(), always(), fixed(&[8, 9]), always(), fixed(&[10])]);
        for (attempt, byte) in [7, 8, 9, 10].into_iter().enumerate() {
            let key = keys.key(&query().with_attempt(attempt)).await.unwrap();
            assert!(key.is_same(&secret(byte)), "{attempt}");
        }
        assert!(matches!(keys.key(&query().with_attempt(4)).await, Err(KeyError::NotFound)));
        let down = Arc::new(Scripted::new(|| Err(busy(1).into()))) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([always(), down]);
        assert!(keys.key(&query()).await.is_ok());
        // The key may be one of the other key provider.
        assert!(matches!(keys.key(&query().with_attempt(1)).await, Err(KeyError::Unavailable(_))));
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

    /// Panics whenever it is called.
    #[derive(Debug)]
    struct Panics;

    #[async_trait]
    impl KeyProvider for Panics {
        async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
            panic!("a defect of the key provider")
        }

        async fn warm_up(&self) -> Result<(), KeyError> {
            panic!("a defect of the key provider")
        }

        fn status(&self) -> KeyStatus {
            panic!("a defect of the key provider")
        }
    }

    #[tokio::test]
    async fn panic_of_one_provider_does_not_affect_readiness() {
        let warm = || Arc::new(FixedKeys::secret(&[7; 32]).unwrap()) as Arc<dyn KeyProvider>;
        let keys = FirstOf::new([Arc::new(Panics) as Arc<dyn KeyProvider>, warm()]);
        assert!(keys.warm_up().await.is_ok() && keys.status().ready);
        let keys = FirstOf::new([Arc::new(Panics) as Arc<dyn KeyProvider>]);
        assert!(matches!(keys.warm_up().await, Err(KeyError::Unavailable(_))) && !keys.status().ready);
        // The same without a combination.
        let verifier = crate::JwtVerifier::builder("https://i.example", "api", Panics).build().unwrap();
        let gate = crate::Gate::new(verifier);
        assert_eq!(gate.warm_up().await.unwrap_err().status(), 500);
        let status = gate.ready().await;
        assert!(!status.ready && status.last_error.unwrap().contains("panicked"));
        assert!(!gate.status().ready);
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
