//! Keys of which each has its own URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;

use crate::error::{ConfigError, Unavailable};
use crate::jose::VerifyingKey;
use crate::keys::{CachedKeys, KeyError, KeyProvider, KeyQuery, KeyStatus};
use crate::requests::{RequestFailure, Requests, http_error, read_body};

/// How many keys are cached. Issuers of this kind have a few.
const CAPACITY: u64 = 100;

/// The longest `kid` that is put into a URL, in bytes.
const MAX_KEY_ID_BYTES: usize = 128;

/// The largest body that is read, in bytes. A key in PEM has less than 1,000.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Keys of which each is a PEM text at its own URL: the configured one, followed by `kid`. AWS publishes the keys of its load
/// balancers so. [`RemoteKeysBuilder::pem_below`](crate::keys::RemoteKeysBuilder::pem_below) makes it.
///
/// `kid` is unverified text. Only letters, digits, `-` and `_` are put into the URL; any other `kid` is that of no key. Requests
/// for made-up names are limited, and keys are cached, as in [`CachedKeys`]. The keys are asked for one by one, so there is
/// nothing to fetch before the first token, and the status is always ready.
pub struct PemKeys(CachedKeys<FetchedPems>);

/// Fetches one key.
struct FetchedPems {
    /// It ends with a slash.
    below: Url,
    requests: Requests,
    timeout: Duration,
}

impl PemKeys {
    pub(super) fn new(
        below: Url,
        requests: Requests,
        timeout: Duration,
        lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        Ok(Self(CachedKeys::new(FetchedPems { below, requests, timeout }, CAPACITY, lifetime)?))
    }
}

impl FetchedPems {
    async fn fetch(&self, key_id: &str) -> Result<Arc<VerifyingKey>, KeyError> {
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| {
            KeyError::Unavailable(Unavailable { source: Some(source), ..Unavailable::new() })
        };
        let url = self.below.join(key_id).map_err(|_| KeyError::NotFound)?;
        let body = match self.get(&url).await {
            Ok(body) => body,
            // Storage services answer 403 where there is nothing.
            Err(RequestFailure::Status { status: 400 | 403 | 404 | 410, .. }) => return Err(KeyError::NotFound),
            Err(failure) => return Err(unavailable(failure.into())),
        };
        let pem = String::from_utf8(body).map_err(|_| unavailable("the body is not UTF-8".into()))?;
        let key = VerifyingKey::from_pem(&pem).map_err(|error| unavailable(error.into()))?;
        Ok(Arc::new(key.with_id(key_id)))
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, RequestFailure> {
        let request = async {
            let request = self.requests.headers.add_to(self.requests.client.get(url.clone()), url).await?;
            let (_, body) = read_body(request.send().await.map_err(http_error)?, MAX_BODY_BYTES).await?;
            Ok(body)
        };
        tokio::time::timeout(self.timeout, request).await.map_err(|_| RequestFailure::Timeout(self.timeout))?
    }
}

#[async_trait]
impl KeyProvider for PemKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let is_plain = |id: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES && id.bytes().all(plain)
        };
        if query.key_id().is_some_and(is_plain) { self.0.key(query).await } else { Err(KeyError::NotFound) }
    }

    fn status(&self) -> KeyStatus {
        self.0.status()
    }
}

#[async_trait]
impl KeyProvider for FetchedPems {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        match query.key_id() {
            Some(key_id) => self.fetch(key_id).await,
            None => Err(KeyError::NotFound),
        }
    }
}

impl fmt::Debug for PemKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for FetchedPems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedPems").finish_non_exhaustive()
    }
}
