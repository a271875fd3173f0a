//! One fetch: the metadata if necessary, then the key set, within limits of size and time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::Instant;

use crate::error::Unavailable;
use crate::jose::{AlgorithmSet, KeySet, KeySetError};
use crate::keys::remote::loader::{KeyLoader, LoadError};
use crate::keys::remote::settings::FetchSettings;
use crate::keys::remote::trace::Trace;
use crate::keys::remote::{freshness, limits};
use crate::measure::{Document, FetchOutcome};
use crate::requests::{Metadata, MetadataError, RequestFailure, full_text, http_error, read_body, without_query};

/// Where a key set is.
#[derive(Clone, Debug)]
pub(super) enum KeySetSource {
    /// The issuer's metadata names its URL.
    Discovery(Metadata),
    /// Code of the user loads it. There is no client.
    Loader(Arc<dyn KeyLoader>),
    /// The URL is configured.
    Url(Url),
}

/// The result of a successful fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    /// `None` when the key set has not changed since the last fetch (304).
    pub(super) keys: Option<KeySet>,
    pub(super) lifetime: Duration,
    pub(super) revalidation: Revalidation,
}

/// What a fetch keeps for the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Revalidation {
    validators: Option<CacheValidators>,
    metadata: Option<CachedMetadata>,
}

/// The validators of the key set at `url` (RFC 9110 §8.8).
#[derive(Clone, Debug)]
struct CacheValidators {
    url: Url,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// The `jwks_uri` of the metadata, and when it was fetched.
#[derive(Clone, Debug)]
struct CachedMetadata {
    jwks_uri: Url,
    fetched_at: Duration,
}

/// A failed fetch: which of its requests failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{failure} ({document}{})", at(.url))]
pub(super) struct FetchError {
    pub(super) failure: FetchFailure,
    pub(super) document: FetchedDocument,
    pub(super) url: ShownUrl,
}

/// A URL without its query, which may contain a credential; `None` for a loader.
#[derive(Debug)]
pub(super) struct ShownUrl(Option<Url>);

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum FetchedDocument {
    KeySet,
    LoadedKeySet,
    Metadata,
}

/// Why a request failed. Its text contains nothing of a response except an issuer's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFailure {
    #[error("not a key set: {0}")]
    KeySet(#[from] KeySetError),
    #[error("the loader failed: {}", full_text(&**.0))]
    Loader(LoadError),
    #[error("the metadata can't be used: {0}")]
    Metadata(#[from] MetadataError),
    #[error("no key of the set can be used ({} skipped)", .keys.skipped().len())]
    NoUsableKey { keys: KeySet },
    #[error("the fetch panicked")]
    Panicked,
    #[error("{0}")]
    Request(#[from] RequestFailure),
    #[error("the body is not UTF-8")]
    Utf8,
}

impl FetchFailure {
    pub(super) fn outcome(&self) -> FetchOutcome {
        match self {
            Self::KeySet(_) | Self::Metadata(_) | Self::Utf8 => FetchOutcome::BadDocument,
            Self::Loader(_) => FetchOutcome::Loader,
            Self::NoUsableKey { .. } => FetchOutcome::NoUsableKey,
            Self::Panicked => FetchOutcome::Panicked,
            Self::Request(RequestFailure::Http(_)) => FetchOutcome::Connection,
            Self::Request(RequestFailure::Status { .. }) => FetchOutcome::Status,
            Self::Request(RequestFailure::Timeout(_)) => FetchOutcome::Timeout,
            Self::Request(RequestFailure::TokenFile(_)) => FetchOutcome::TokenFile,
            Self::Request(RequestFailure::TooLarge(_)) => FetchOutcome::TooLarge,
        }
    }
}

impl From<FetchedDocument> for Document {
    fn from(document: FetchedDocument) -> Self {
        match document {
            FetchedDocument::KeySet | FetchedDocument::LoadedKeySet => Self::KeySet,
            FetchedDocument::Metadata => Self::Metadata,
        }
    }
}

impl FetchError {
    pub(super) fn new(document: FetchedDocument, url: Option<&Url>, failure: FetchFailure) -> Self {
        Self { failure, document, url: ShownUrl::of(url) }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match &self.failure {
            FetchFailure::Loader(error) => error.downcast_ref::<Unavailable>().and_then(|error| error.retry_after),
            FetchFailure::Request(failure) => failure.retry_after(),
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self.failure {
            FetchFailure::Request(RequestFailure::Status { status, .. }) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for FetchedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeySet => "the key set",
            Self::LoadedKeySet => "the key set of the loader",
            Self::Metadata => "the metadata",
        })
    }
}

impl ShownUrl {
    fn of(url: Option<&Url>) -> Self {
        Self(url.map(without_query))
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(url) => url.fmt(f),
            None => f.write_str("-"),
        }
    }
}

fn at(url: &ShownUrl) -> String {
    url.0.as_ref().map_or(String::new(), |url| format!(" at {url}"))
}

impl Revalidation {
    /// Drops the metadata, so that the next fetch reads it again.
    pub(super) fn without_metadata(self) -> Self {
        Self { metadata: None, ..self }
    }
}

impl KeySetSource {
    /// The first request of a fetch.
    pub(super) fn first_request(&self) -> (FetchedDocument, Option<&Url>) {
        match self {
            Self::Discovery(metadata) => (FetchedDocument::Metadata, Some(&metadata.url)),
            Self::Loader(_) => (FetchedDocument::LoadedKeySet, None),
            Self::Url(url) => (FetchedDocument::KeySet, Some(url)),
        }
    }

    /// Whether the first request uses https.
    pub(super) fn needs_https(&self) -> bool {
        self.first_request().1.is_some_and(|url| url.scheme() == "https")
    }

    /// The algorithms that the keys may serve. A secret never comes from a URL.
    pub(super) fn algorithms(&self) -> AlgorithmSet {
        match self {
            Self::Loader(loader) => loader.algorithms(),
            Self::Discovery(_) | Self::Url(_) => AlgorithmSet::ASYMMETRIC,
        }
    }

    /// The host of the first request, with its port unless it is the default, for metrics: the configuration names it.
    pub(super) fn host(&self) -> String {
        let Some(url) = self.first_request().1 else { return "loader".to_owned() };
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The URL of the first request, for the log.
    pub(super) fn shown_url(&self) -> String {
        ShownUrl::of(self.first_request().1).to_string()
    }

    /// The URLs that the configuration names.
    pub(super) fn named_urls(&self) -> Vec<Url> {
        match self {
            Self::Discovery(metadata) => metadata.named_urls(),
            Self::Loader(_) => Vec::new(),
            Self::Url(url) => vec![url.clone()],
        }
    }

    /// Fetches the key set. All requests together have one time limit. Only a loader works without a client.
    pub(super) async fn fetch(
        &self,
        client: Option<&Client>,
        settings: &FetchSettings,
        previous: Option<Revalidation>,
        trace: Option<&Trace>,
    ) -> Result<Fetched, FetchError> {
        // A deadline too far away to represent means no deadline.
        let deadline = Instant::now().checked_add(settings.timeout);
        let Revalidation { validators, metadata: cached } = previous.unwrap_or_default();
        let (client, url, metadata) = match (self, client) {
            (Self::Loader(loader), _) => {
                let failed = |failure| FetchError::new(FetchedDocument::LoadedKeySet, None, failure);
                return within(deadline, settings, load(&**loader, settings)).await.map_err(failed);
            }
            (_, None) => {
                let (document, url) = self.first_request();
                return Err(FetchError::new(
                    document,
                    url,
                    RequestFailure::Http("there is no client".to_owned()).into(),
                ));
            }
            (Self::Url(url), Some(client)) => (client, url.clone(), None),
            (Self::Discovery(metadata), Some(client)) => {
                let request = fetch_metadata(client, settings, cached, metadata, trace);
                let failed = |failure| FetchError::new(FetchedDocument::Metadata, Some(&metadata.url), failure);
                let current = traced(trace, within(deadline, settings, request)).await.map_err(failed)?;
                (client, current.jwks_uri.clone(), Some(current))
            }
        };
        let request = fetch_key_set(client, settings, validators, &url, trace);
        let failed = |failure| FetchError::new(FetchedDocument::KeySet, Some(&url), failure);
        let fetched = traced(trace, within(deadline, settings, request)).await.map_err(failed)?;
        let (keys, lifetime, validators) = fetched;
        Ok(Fetched { keys, lifetime, revalidation: Revalidation { validators: Some(validators), metadata } })
    }
}

async fn load(loader: &dyn KeyLoader, settings: &FetchSettings) -> Result<Fetched, FetchFailure> {
    let keys = loader.load().await.map_err(FetchFailure::Loader)?;
    if keys.is_empty() {
        return Err(FetchFailure::NoUsableKey { keys });
    }
    Ok(Fetched { keys: Some(keys), lifetime: settings.lifetime, revalidation: Revalidation::default() })
}

/// Adds the failure of a request to the trace.
async fn traced<T>(
    trace: Option<&Trace>,
    request: impl Future<Output = Result<T, FetchFailure>>,
) -> Result<T, FetchFailure> {
    let result = request.await;
    if let (Some(trace), Err(failure)) = (trace, &result) {
        trace.failed(failure.to_string());
    }
    result
}

async fn within<T>(
    deadline: Option<Instant>,
    settings: &FetchSettings,
    request: impl Future<Output = Result<T, FetchFailure>>,
) -> Result<T, FetchFailure> {
    match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline, request).await.map_err(|_| RequestFailure::Timeout(settings.timeout))?
        }
        None => request.await,
    }
}

/// Returns the cached metadata, or fetches it when it is missing or too old.
async fn fetch_metadata(
    client: &Client,
    settings: &FetchSettings,
    cached: Option<CachedMetadata>,
    metadata: &Metadata,
    trace: Option<&Trace>,
) -> Result<CachedMetadata, FetchFailure> {
    let now = settings.clock.monotonic();
    if let Some(cached) = cached
        && now.saturating_sub(cached.fetched_at) < limits::METADATA_LIFETIME
    {
        return Ok(cached);
    }
    let response = get(client, settings, &metadata.url, None, trace.map(|trace| (trace, "metadata"))).await?;
    let (_, body) = read_body(response, settings.max_body_bytes).await?;
    let jwks_uri = metadata.key_set_url(&body, &settings.http_hosts)?;
    Ok(CachedMetadata { jwks_uri, fetched_at: now })
}

/// Fetches the key set at `url`; `None` means that it has not changed.
async fn fetch_key_set(
    client: &Client,
    settings: &FetchSettings,
    validators: Option<CacheValidators>,
    url: &Url,
    trace: Option<&Trace>,
) -> Result<(Option<KeySet>, Duration, CacheValidators), FetchFailure> {
    // Validators belong to one URL: a key set that moved is read whole.
    let validators = validators.filter(|validators| validators.url == *url);
    let response = get(client, settings, url, validators.as_ref(), trace.map(|trace| (trace, "key set"))).await?;
    let lifetime = freshness::lifetime(response.headers(), settings);
    if response.status() == StatusCode::NOT_MODIFIED
        && let Some(validators) = validators
        && (validators.etag.is_some() || validators.last_modified.is_some())
    {
        return Ok((None, lifetime, validators));
    }
    let (headers, body) = read_body(response, settings.max_body_bytes).await?;
    let body = std::str::from_utf8(&body).map_err(|_| FetchFailure::Utf8)?;
    let keys = KeySet::from_json(body)?;
    if keys.is_empty() {
        return Err(FetchFailure::NoUsableKey { keys });
    }
    let validator =
        |name: HeaderName| headers.get(name).filter(|value| value.len() <= limits::MAX_VALIDATOR_BYTES).cloned();
    let validators =
        CacheValidators { url: url.clone(), etag: validator(ETAG), last_modified: validator(LAST_MODIFIED) };
    Ok((Some(keys), lifetime, validators))
}

async fn get(
    client: &Client,
    settings: &FetchSettings,
    url: &Url,
    validators: Option<&CacheValidators>,
    trace: Option<(&Trace, &'static str)>,
) -> Result<Response, FetchFailure> {
    if let Some((trace, document)) = trace {
        trace.sent(document, url);
    }
    let mut request = settings.headers.add_to(client.get(url.clone()), url).await?;
    if let Some(etag) = validators.and_then(|validators| validators.etag.clone()) {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(date) = validators.and_then(|validators| validators.last_modified.clone()) {
        request = request.header(IF_MODIFIED_SINCE, date);
    }
    let response = request.send().await.map_err(http_error)?;
    if let Some((trace, _)) = trace {
        trace.answered(&response);
    }
    Ok(response)
}
