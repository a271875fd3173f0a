//! One fetch: metadata where it is needed, then the key set, within limits of size and time.

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, StatusCode, Url};

use tokio::time::Instant;

use crate::jose::{KeySet, KeySetError};
use crate::keys::remote::freshness;
use crate::keys::remote::metadata::{self, MetadataError};
use crate::keys::remote::settings::Settings;

/// A validator longer than this is not kept.
const VALIDATOR_MAX: usize = 1_024;
/// How long the document of a discovery is kept before it is read again along with the keys.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(3_600);

/// Where a key set is.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Named by the issuer's metadata at `metadata`.
    Discovery { issuer: String, metadata: Url },
    /// At a known URL.
    KeySet(Url),
}

/// Keys, and what the next fetch can go by.
#[derive(Debug)]
pub(super) struct Fetched {
    /// `None` when the provider says that the keys in hand still stand.
    pub(super) keys: Option<KeySet>,
    pub(super) lifetime: Duration,
    pub(super) trail: Trail,
}

/// What one fetch leaves to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    /// Whose validators these are.
    validated: Option<Url>,
    /// The key set's URL by the last document, and when that was read.
    document: Option<(Url, Duration)>,
}

/// Which of the requests of a fetch failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{cause} ({document} at {url})")]
pub(super) struct FetchError {
    pub(super) cause: Cause,
    pub(super) document: Document,
    /// Without its query, which may carry a credential.
    pub(super) url: Url,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Document {
    KeySet,
    Metadata,
}

/// Why a request failed. No text of a response stands here but an issuer's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("the request failed: {0}")]
    Http(String),
    #[error("not a key set: {0}")]
    KeySet(#[from] KeySetError),
    #[error("the metadata can't be used: {0}")]
    Metadata(#[from] MetadataError),
    #[error("no key of the set can be used ({} skipped)", .keys.skipped().len())]
    NoUsableKey { keys: KeySet },
    #[error("status {status}, where only 200 is an answer")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("the fetch panicked")]
    Panicked,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body is not UTF-8")]
    Utf8,
}

impl FetchError {
    pub(super) fn new(document: Document, url: &Url, cause: Cause) -> Self {
        Self { cause, document, url: without_query(url) }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self.cause {
            Cause::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self.cause {
            Cause::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeySet => "the key set",
            Self::Metadata => "the metadata",
        })
    }
}

impl Source {
    /// What is asked first.
    pub(super) fn first_request(&self) -> (Document, &Url) {
        match self {
            Self::Discovery { metadata, .. } => (Document::Metadata, metadata),
            Self::KeySet(url) => (Document::KeySet, url),
        }
    }

    /// Fetches under one deadline for everything.
    pub(super) async fn fetch(
        &self,
        client: &Client,
        settings: &Settings,
        trail: Option<Trail>,
    ) -> Result<Fetched, FetchError> {
        // One that no clock can show is none.
        let deadline = Instant::now().checked_add(settings.timeout);
        let mut trail = trail.unwrap_or_default();
        let url = match self {
            Self::KeySet(url) => url.clone(),
            Self::Discovery { issuer, metadata } => {
                let asked = key_set_url(client, settings, &trail, issuer, metadata);
                let failed = |cause| FetchError::new(Document::Metadata, metadata, cause);
                let (url, read_at) = in_time(asked, deadline, settings).await.map_err(failed)?;
                trail.document = Some((url.clone(), read_at));
                url
            }
        };
        let asked = key_set(client, settings, trail, &url);
        in_time(asked, deadline, settings).await.map_err(|cause| FetchError::new(Document::KeySet, &url, cause))
    }
}

/// `url` as it may be shown: its query may carry a credential.
pub(super) fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

async fn in_time<T>(
    request: impl Future<Output = Result<T, Cause>>,
    deadline: Option<Instant>,
    settings: &Settings,
) -> Result<T, Cause> {
    match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline, request).await.map_err(|_| Cause::Timeout(settings.timeout))?
        }
        None => request.await,
    }
}

impl Trail {
    fn is_conditional(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Without the document, so that the next fetch reads it again.
    pub(super) fn without_document(mut self) -> Self {
        self.document = None;
        self
    }
}

/// The `jwks_uri` of the document that was read last, or of a new one when that is old.
async fn key_set_url(
    client: &Client,
    settings: &Settings,
    trail: &Trail,
    issuer: &str,
    metadata: &Url,
) -> Result<(Url, Duration), Cause> {
    let now = settings.clock.monotonic();
    if let Some((url, read_at)) = &trail.document
        && now.saturating_sub(*read_at) < DOCUMENT_LIFETIME
    {
        return Ok((url.clone(), *read_at));
    }
    let (_, body) = read_ok(get(client, metadata, None).await?, settings).await?;
    Ok((metadata::key_set_url(&body, metadata, issuer, &settings.http_hosts)?, now))
}

/// The key set at `url`, or that the one in hand still stands.
async fn key_set(client: &Client, settings: &Settings, mut trail: Trail, url: &Url) -> Result<Fetched, Cause> {
    // Validators belong to one URL: a set that moved is read whole.
    if trail.validated.as_ref() != Some(url) {
        trail = Trail { document: trail.document, ..Trail::default() };
    }
    let response = get(client, url, Some(&trail)).await?;
    let lifetime = freshness::lifetime(response.headers(), settings);
    if response.status() == StatusCode::NOT_MODIFIED && trail.is_conditional() {
        return Ok(Fetched { keys: None, lifetime, trail });
    }
    let (headers, body) = read_ok(response, settings).await?;
    let body = std::str::from_utf8(&body).map_err(|_| Cause::Utf8)?;
    let keys = KeySet::from_json(body)?;
    if keys.is_empty() {
        return Err(Cause::NoUsableKey { keys });
    }
    let trail = Trail {
        etag: validator(&headers, ETAG),
        last_modified: validator(&headers, LAST_MODIFIED),
        validated: Some(url.clone()),
        document: trail.document,
    };
    Ok(Fetched { keys: Some(keys), lifetime, trail })
}

async fn get(client: &Client, url: &Url, trail: Option<&Trail>) -> Result<reqwest::Response, Cause> {
    let mut request = client.get(url.clone()).header(ACCEPT, "application/json");
    if let Some(etag) = trail.and_then(|trail| trail.etag.clone()) {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(date) = trail.and_then(|trail| trail.last_modified.clone()) {
        request = request.header(IF_MODIFIED_SINCE, date);
    }
    request.send().await.map_err(http_error)
}

/// The body of a 200, read whole before anything in it is looked at.
async fn read_ok(mut response: reqwest::Response, settings: &Settings) -> Result<(HeaderMap, Vec<u8>), Cause> {
    if response.status() != StatusCode::OK {
        let retry_after = freshness::retry_after(response.headers());
        return Err(Cause::Status { status: response.status().as_u16(), retry_after });
    }
    let too_large = Cause::TooLarge(settings.body_max);
    if response.content_length().is_some_and(|length| length > settings.body_max as u64) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http_error)? {
        if body.len() + chunk.len() > settings.body_max {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.headers().clone(), body))
}

fn validator(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<HeaderValue> {
    headers.get(name).filter(|value| value.len() <= VALIDATOR_MAX).cloned()
}

/// The whole chain of causes: the outermost alone mostly says "error sending request". URLs are left out, since they
/// may carry credentials.
fn http_error(error: reqwest::Error) -> Cause {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    Cause::Http(text)
}
