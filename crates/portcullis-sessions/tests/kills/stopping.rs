//! A store that stops for good before or after one of its operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::async_trait;
use portcullis::error::Unavailable;
use portcullis_sessions::{
    DenyListStore, Ended, SessionStore, StoredDenial, StoredPurposeToken, StoredSession, Timestamp, TokenHash, Which,
};

use crate::process::tell;

#[derive(Debug)]
pub(crate) struct Stopping {
    inner: Arc<dyn SessionStore>,
    step: usize,
    passed: AtomicUsize,
}

impl Stopping {
    /// Stops at a step: 0 is before the first operation, 1 is after it, and so on.
    pub(crate) fn at(inner: Arc<dyn SessionStore>, step: usize) -> Self {
        Self { inner, step, passed: AtomicUsize::new(0) }
    }

    async fn around<T>(&self, name: &str, operation: impl Future<Output = T>) -> T {
        self.pass("before", name).await;
        let result = operation.await;
        self.pass("after", name).await;
        result
    }

    async fn pass(&self, moment: &str, name: &str) {
        if self.passed.fetch_add(1, Ordering::SeqCst) == self.step {
            tell(&format!("{moment} {name}"));
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl SessionStore for Stopping {
    async fn insert(&self, session: &StoredSession) -> Result<(), Unavailable> {
        self.around("insert", self.inner.insert(session)).await
    }

    async fn find(&self, id: &str) -> Result<Option<StoredSession>, Unavailable> {
        self.around("find", self.inner.find(id)).await
    }

    async fn find_by_family(&self, family: &TokenHash) -> Result<Option<StoredSession>, Unavailable> {
        self.around("find_by_family", self.inner.find_by_family(family)).await
    }

    async fn open_sessions(&self, subject: &str, now: Timestamp) -> Result<Vec<StoredSession>, Unavailable> {
        self.around("open_sessions", self.inner.open_sessions(subject, now)).await
    }

    async fn replace(&self, session: &StoredSession) -> Result<bool, Unavailable> {
        self.around("replace", self.inner.replace(session)).await
    }

    async fn end(&self, which: Which<'_>, ended: Ended) -> Result<u64, Unavailable> {
        self.around("end", self.inner.end(which, ended)).await
    }

    async fn insert_purpose_token(&self, token: &StoredPurposeToken) -> Result<(), Unavailable> {
        self.around("insert_purpose_token", self.inner.insert_purpose_token(token)).await
    }

    async fn find_purpose_token(&self, token: &TokenHash) -> Result<Option<StoredPurposeToken>, Unavailable> {
        self.around("find_purpose_token", self.inner.find_purpose_token(token)).await
    }

    async fn take_purpose_token(&self, token: &TokenHash) -> Result<bool, Unavailable> {
        self.around("take_purpose_token", self.inner.take_purpose_token(token)).await
    }

    async fn remove_expired(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.around("remove_expired", self.inner.remove_expired(before, limit)).await
    }
}

#[async_trait]
impl DenyListStore for Stopping {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        self.around("deny", self.inner.deny(denial)).await
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        self.around("denials", self.inner.denials(names)).await
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.around("remove_expired_denials", self.inner.remove_expired_denials(before, limit)).await
    }
}
