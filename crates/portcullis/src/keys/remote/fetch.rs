//! One fetch: the metadata if necessary, then the key set, within limits of size and time.

use std::fmt;
use std::time::Duration;

use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::Instant;

use crate::jose::{KeySet, KeySetError};
use crate::keys::remote::metadata::{self, InternalIssuer, MetadataError};
use crate::keys::remote::settings::FetchSettings;
use crate::keys::remote::{freshness, limits};

/// Where a key set is.
#[derive(Clone, Debug)]
pub(super) enum KeySetSource {
    /// The issuer's metadata at `metadata` names its URL.
    Discovery { issuer: String, metadata: Url, internal: Option<InternalIssuer> },
    /// The URL is configured.
    Url(Url),
}

impl KeySetSource {
    /// Whether the first request uses https.
    pub(super) fn needs_https(&self) -> bool {
        let (Self::Discovery { metadata: url, .. } | Self::Url(url)) = self;
        url.scheme() == "https"
    }
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
#[error("{failure} ({document} at {url})")]
pub(super) struct FetchError {
    pub(super) failure: FetchFailure,
    pub(super) document: FetchedDocument,
    /// Without its query, which may contain a credential.
    pub(super) url: Url,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum FetchedDocument {
    KeySet,
    Metadata,
}

/// Why a request failed. Its text contains nothing of a response except an issuer's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFailure {
    #[error("the request failed: {0}")]
    Http(String),
    #[error("not a key set: {0}")]
    KeySet(#[from] KeySetError),
    #[error("the metadata can't be used: {0}")]
    Metadata(#[from] MetadataError),
    #[error("no key of the set can be used ({} skipped)", .keys.skipped().len())]
    NoUsableKey { keys: KeySet },
    #[error("the fetch panicked")]
    Panicked,
    #[error("status {status} instead of 200{}", advice(*status, .location.as_deref()))]
    Status { status: u16, location: Option<String>, retry_after: Option<Duration> },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body is not UTF-8")]
    Utf8,
}

impl FetchError {
    pub(super) fn new(document: FetchedDocument, url: &Url, failure: FetchFailure) -> Self {
        Self { failure, document, url: without_query(url) }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self.failure {
            FetchFailure::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self.failure {
            FetchFailure::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for FetchedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeySet => "the key set",
            Self::Metadata => "the metadata",
        })
    }
}

impl Revalidation {
    /// Drops the metadata, so that the next fetch reads it again.
    pub(super) fn without_metadata(self) -> Self {
        Self { metadata: None, ..self }
    }
}

impl KeySetSource {
    /// The first request of a fetch.
    pub(super) fn first_request(&self) -> (FetchedDocument, &Url) {
        match self {
            Self::Discovery { metadata, .. } => (FetchedDocument::Metadata, metadata),
            Self::Url(url) => (FetchedDocument::KeySet, url),
        }
    }

    /// The URLs that the configuration names.
    pub(super) fn named_urls(&self) -> Vec<Url> {
        match self {
            Self::Discovery { issuer, metadata, internal } => {
                let internal = internal.iter().map(|internal| internal.internal.clone());
                [metadata.clone()].into_iter().chain(internal).chain(Url::parse(issuer).ok()).collect()
            }
            Self::Url(url) => vec![url.clone()],
        }
    }

    /// Fetches the key set. All requests together have one time limit.
    pub(super) async fn fetch(
        &self,
        client: &Client,
        settings: &FetchSettings,
        previous: Option<Revalidation>,
    ) -> Result<Fetched, FetchError> {
        // A deadline too far away to represent means no deadline.
        let deadline = Instant::now().checked_add(settings.timeout);
        let Revalidation { validators, metadata: cached } = previous.unwrap_or_default();
        let (url, metadata) = match self {
            Self::Url(url) => (url.clone(), None),
            Self::Discovery { issuer, metadata, internal } => {
                let request = fetch_metadata(client, settings, cached, issuer, metadata, internal.as_ref());
                let failed = |failure| FetchError::new(FetchedDocument::Metadata, metadata, failure);
                let current = within(deadline, settings, request).await.map_err(failed)?;
                (current.jwks_uri.clone(), Some(current))
            }
        };
        let request = fetch_key_set(client, settings, validators, &url);
        let failed = |failure| FetchError::new(FetchedDocument::KeySet, &url, failure);
        let (keys, lifetime, validators) = within(deadline, settings, request).await.map_err(failed)?;
        Ok(Fetched { keys, lifetime, revalidation: Revalidation { validators: Some(validators), metadata } })
    }
}

/// Removes the query, which may contain a credential, so that the URL can be shown.
pub(super) fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

async fn within<T>(
    deadline: Option<Instant>,
    settings: &FetchSettings,
    request: impl Future<Output = Result<T, FetchFailure>>,
) -> Result<T, FetchFailure> {
    match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline, request).await.map_err(|_| FetchFailure::Timeout(settings.timeout))?
        }
        None => request.await,
    }
}

/// Returns the cached metadata, or fetches it when it is missing or too old.
async fn fetch_metadata(
    client: &Client,
    settings: &FetchSettings,
    cached: Option<CachedMetadata>,
    issuer: &str,
    metadata: &Url,
    internal: Option<&InternalIssuer>,
) -> Result<CachedMetadata, FetchFailure> {
    let now = settings.clock.monotonic();
    if let Some(cached) = cached
        && now.saturating_sub(cached.fetched_at) < limits::METADATA_LIFETIME
    {
        return Ok(cached);
    }
    let (_, body) = read_body(get(client, settings, metadata, None).await?, settings).await?;
    let jwks_uri = metadata::key_set_url(&body, metadata, issuer, internal, &settings.http_hosts)?;
    Ok(CachedMetadata { jwks_uri, fetched_at: now })
}

/// Fetches the key set at `url`; `None` means that it has not changed.
async fn fetch_key_set(
    client: &Client,
    settings: &FetchSettings,
    validators: Option<CacheValidators>,
    url: &Url,
) -> Result<(Option<KeySet>, Duration, CacheValidators), FetchFailure> {
    // Validators belong to one URL: a key set that moved is read whole.
    let validators = validators.filter(|validators| validators.url == *url);
    let response = get(client, settings, url, validators.as_ref()).await?;
    let lifetime = freshness::lifetime(response.headers(), settings);
    if response.status() == StatusCode::NOT_MODIFIED
        && let Some(validators) = validators
        && (validators.etag.is_some() || validators.last_modified.is_some())
    {
        return Ok((None, lifetime, validators));
    }
    let (headers, body) = read_body(response, settings).await?;
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
) -> Result<Response, FetchFailure> {
    let mut request = settings.headers.add_to(client.get(url.clone()), url);
    if let Some(etag) = validators.and_then(|validators| validators.etag.clone()) {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(date) = validators.and_then(|validators| validators.last_modified.clone()) {
        request = request.header(IF_MODIFIED_SINCE, date);
    }
    request.send().await.map_err(http_error)
}

/// Reads the whole body of a response with status 200, before any of it is parsed.
async fn read_body(mut response: Response, settings: &FetchSettings) -> Result<(HeaderMap, Vec<u8>), FetchFailure> {
    if response.status() != StatusCode::OK {
        let retry_after = freshness::retry_after(response.headers());
        let location = response.headers().get(LOCATION).and_then(|location| shown_location(response.url(), location));
        return Err(FetchFailure::Status { status: response.status().as_u16(), location, retry_after });
    }
    let too_large = FetchFailure::TooLarge(settings.max_body_bytes);
    if response.content_length().is_some_and(|length| length > settings.max_body_bytes as u64) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http_error)? {
        if body.len() + chunk.len() > settings.max_body_bytes {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.headers().clone(), body))
}

/// What to do about a status, in the words of the error.
fn advice(status: u16, location: Option<&str>) -> String {
    match (status, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            format!(": a redirect to {location}, which is not followed; configure the final URL")
        }
        (301 | 302 | 303 | 307 | 308, None) => ": a redirect without a readable Location".to_owned(),
        (401 | 403, _) => {
            ": it needs a credential; the option header sends one to hosts that the configuration names".to_owned()
        }
        (404 | 410, _) => ": there is nothing at this URL".to_owned(),
        (406, _) => ": it has no format that the request accepts; set the field accept by the option header".to_owned(),
        (407, _) => ": the proxy needs a credential; write it in the URL of the proxy".to_owned(),
        (429, _) => ": there were too many requests".to_owned(),
        _ => String::new(),
    }
}

/// Returns the absolute URL of a `Location`, without what may be a credential, and not too long.
fn shown_location(base: &Url, location: &HeaderValue) -> Option<String> {
    let mut url = without_query(&base.join(location.to_str().ok()?).ok()?);
    url.set_fragment(None);
    let _without_user = url.set_username("").and_then(|()| url.set_password(None));
    Some(String::from(url).chars().take(limits::MAX_SHOWN_LOCATION_CHARS).collect())
}

/// Formats the error with all its sources, because its own text is often only "error sending request". URLs are left
/// out, because they may contain credentials.
fn http_error(error: reqwest::Error) -> FetchFailure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    FetchFailure::Http(text)
}
