//! Key providers for the tests of key providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Unavailable;
use crate::jose::{Algorithm, VerifyingKey};
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// Returns a fixed answer, and counts the calls.
#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) answer: fn() -> Result<Arc<VerifyingKey>, KeyError>,
    pub(super) calls: AtomicUsize,
}

impl Scripted {
    pub(super) fn new(answer: fn() -> Result<Arc<VerifyingKey>, KeyError>) -> Self {
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

pub(super) fn a_key() -> Result<Arc<VerifyingKey>, KeyError> {
    Ok(Arc::new(VerifyingKey::from_secret(&[7; 32]).unwrap()))
}

pub(super) fn query() -> KeyQuery<'static> {
    KeyQuery::new(Algorithm::Hs256).with_key_id("k")
}

pub(super) fn busy(seconds: u64) -> Unavailable {
    let mut unavailable = Unavailable::new().with_source("busy");
    unavailable.retry_after = Some(Duration::from_secs(seconds));
    unavailable
}

/// The details of an outage.
pub(super) fn details<T: std::fmt::Debug>(answer: Result<T, KeyError>) -> (Option<Duration>, Option<String>) {
    match answer {
        Err(KeyError::Unavailable(outage)) => (outage.retry_after, outage.source.map(|source| source.to_string())),
        other => panic!("{other:?}"),
    }
}

/// A key provider that can't be warmed up.
#[derive(Debug)]
pub(super) struct Cold;

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
