//! One fetch: metadata where it is needed, then the key set, within limits of size and time.

use std::time::Duration;

use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, StatusCode, Url};

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

/// Why a fetch failed. No text of a response stands here but an issuer's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
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
    #[error("the body is larger than {0} octets")]
    TooLarge(usize),
    #[error("the body is not UTF-8")]
    Utf8,
}

impl FetchError {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Source {
    /// What is asked first.
    pub(super) fn url(&self) -> &Url {
        match self {
            Self::Discovery { metadata, .. } => metadata,
            Self::KeySet(url) => url,
        }
    }

    /// Fetches under one deadline for everything.
    pub(super) async fn fetch(
        &self,
        client: &Client,
        settings: &Settings,
        trail: Option<Trail>,
    ) -> Result<Fetched, FetchError> {
        let fetch = self.fetch_in_time(client, settings, trail);
        tokio::time::timeout(settings.timeout, fetch).await.map_err(|_| FetchError::Timeout(settings.timeout))?
    }

    async fn fetch_in_time(
        &self,
        client: &Client,
        settings: &Settings,
        trail: Option<Trail>,
    ) -> Result<Fetched, FetchError> {
        let mut trail = trail.unwrap_or_default();
        let url = match self {
            Self::KeySet(url) => url.clone(),
            Self::Discovery { issuer, metadata } => {
                let (url, read_at) = key_set_url(client, settings, &trail, issuer, metadata).await?;
                trail.document = Some((url.clone(), read_at));
                url
            }
        };
        // Validators belong to one URL: a set that moved is read whole.
        if trail.validated.as_ref() != Some(&url) {
            trail = Trail { document: trail.document, ..Trail::default() };
        }
        let response = get(client, &url, Some(&trail)).await?;
        let lifetime = freshness::lifetime(response.headers(), settings);
        if response.status() == StatusCode::NOT_MODIFIED && trail.is_conditional() {
            return Ok(Fetched { keys: None, lifetime, trail });
        }
        let (headers, body) = read_ok(response, settings).await?;
        let body = std::str::from_utf8(&body).map_err(|_| FetchError::Utf8)?;
        let keys = KeySet::from_json(body)?;
        if keys.is_empty() {
            return Err(FetchError::NoUsableKey { keys });
        }
        let trail = Trail {
            etag: validator(&headers, ETAG),
            last_modified: validator(&headers, LAST_MODIFIED),
            validated: Some(url),
            document: trail.document,
        };
        Ok(Fetched { keys: Some(keys), lifetime, trail })
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
) -> Result<(Url, Duration), FetchError> {
    let now = settings.clock.monotonic();
    if let Some((url, read_at)) = &trail.document
        && now.saturating_sub(*read_at) < DOCUMENT_LIFETIME
    {
        return Ok((url.clone(), *read_at));
    }
    let (_, body) = read_ok(get(client, metadata, None).await?, settings).await?;
    Ok((metadata::key_set_url(&body, metadata, issuer, &settings.http_hosts)?, now))
}

async fn get(client: &Client, url: &Url, trail: Option<&Trail>) -> Result<reqwest::Response, FetchError> {
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
async fn read_ok(mut response: reqwest::Response, settings: &Settings) -> Result<(HeaderMap, Vec<u8>), FetchError> {
    if response.status() != StatusCode::OK {
        let retry_after = freshness::retry_after(response.headers());
        return Err(FetchError::Status { status: response.status().as_u16(), retry_after });
    }
    let too_large = FetchError::TooLarge(settings.body_max);
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
fn http_error(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    FetchError::Http(text)
}
