//! The endpoint: where it is, how it is asked, and why there is no answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::runtime::Handle;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::clock::Clock;
use crate::error::{AuthError, Unavailable};
use crate::introspection::answer::{self, Answer, UnusableAnswer};
use crate::introspection::client::{AssertionError, ClientAuthentication};
use crate::introspection::signed::{MEDIA_TYPE, SignedAnswers, UnusableJwt};
use crate::keys::KeyStatus;
use crate::lookups::{self, Lookups, NoValue};
use crate::requests::{
    Metadata, MetadataError, RequestFailure, Requests, full_text, http_error, read_body, without_query,
};

/// The introspection endpoint of one issuer.
pub(super) struct Endpoint {
    pub(super) issuer: String,
    pub(super) location: Location,
    pub(super) requests: Requests,
    pub(super) client: ClientAuthentication,
    pub(super) signed: Option<SignedAnswers>,
    /// The time limit of one question, with all its requests.
    pub(super) timeout: Duration,
    pub(super) max_body_bytes: usize,
    pub(super) http_hosts: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Where the endpoint is.
#[allow(clippy::large_enum_variant, reason = "a verifier has one")]
pub(super) enum Location {
    /// The issuer's metadata names it. What was read is kept.
    Metadata {
        metadata: Metadata,
        known: Lookups<Url>,
    },
    Url(Url),
}

/// Why there is no answer about a token. Its text repeats nothing of the token, the answer and the credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("the client assertion cannot be signed: {0}")]
    Assertion(AssertionError),
    #[error(
        "the endpoint does not accept the credentials of this service (status {status}): check client_id and the secret or key, \
         and whether the issuer expects client_secret_basic, client_secret_post or private_key_jwt"
    )]
    Credentials { status: u16 },
    #[error("{0}")]
    Jwt(#[from] UnusableJwt),
    #[error("the metadata: {0}")]
    Metadata(Unavailable),
    #[error("there is no tokio runtime, which requests need")]
    NoRuntime,
    #[error("{0}")]
    Request(#[from] RequestFailure),
    #[error("the answer cannot be used: {0}")]
    Unusable(#[from] UnusableAnswer),
}

/// Why the metadata does not name the endpoint.
#[derive(Debug, thiserror::Error)]
enum NoMetadata {
    #[error("{0}")]
    Request(#[from] RequestFailure),
    #[error("{0}")]
    Unusable(#[from] MetadataError),
}

/// The longest `Retry-After` of the endpoint that callers are sent. A larger value would turn an outage of minutes into one of
/// hours.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The name of the only entry of the metadata.
const THE_METADATA: lookups::Name = [0; 32];

impl Endpoint {
    /// Asks about `token`, within the time limit.
    pub(super) async fn ask(&self, token: &str) -> Result<Answer, NoAnswer> {
        self.in_time(Box::pin(self.ask_now(token))).await
    }

    /// Finds the endpoint, and gets the keys of signed answers.
    pub(super) async fn warm_up(&self) -> Result<(), AuthError> {
        if let Location::Metadata { .. } = self.location {
            self.in_time(Box::pin(self.url())).await.map_err(NoAnswer::into_unavailable)?;
        }
        match &self.signed {
            Some(signed) => signed.warm_up().await,
            None => Ok(()),
        }
    }

    /// Ready when the endpoint is known, and the keys of signed answers.
    pub(super) fn status(&self) -> KeyStatus {
        let found = match &self.location {
            Location::Metadata { known, .. } if known.known_names() == 0 => KeyStatus::waiting(),
            _ => KeyStatus::ready(),
        };
        match &self.signed {
            Some(signed) => found.and(signed.status()),
            None => found,
        }
    }

    /// The URL for the log.
    pub(super) fn shown_url(&self) -> String {
        match &self.location {
            Location::Metadata { metadata, .. } => without_query(&metadata.url).into(),
            Location::Url(url) => without_query(url).into(),
        }
    }

    /// A question is boxed because it is large: the futures of all callers, which mostly need none, would contain it.
    async fn in_time<T>(&self, question: Pin<Box<impl Future<Output = Result<T, NoAnswer>>>>) -> Result<T, NoAnswer> {
        if Handle::try_current().is_err() {
            return Err(NoAnswer::NoRuntime);
        }
        let answer = tokio::time::timeout(self.timeout, question).await;
        answer.unwrap_or_else(|_| Err(RequestFailure::Timeout(self.timeout).into()))
    }

    async fn ask_now(&self, token: &str) -> Result<Answer, NoAnswer> {
        let url = self.url().await?;
        let body = self.post(&url, token).await?;
        let json = match &self.signed {
            Some(signed) => signed.open(&body).await?,
            None => body,
        };
        Ok(answer::read(json, &self.issuer)?)
    }

    /// Sends the request of RFC 7662 §2.1.
    async fn post(&self, url: &Url, token: &str) -> Result<Vec<u8>, NoAnswer> {
        let credentials = self.client.credentials(&self.issuer, self.clock.now()).await.map_err(NoAnswer::Assertion)?;
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .extend_pairs(credentials.form)
            .finish();
        let request = self.requests.headers.add_to(self.requests.client.post(url.clone()), url).await?;
        let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        if self.signed.is_some() {
            // It replaces the field of other requests.
            request = request.headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MEDIA_TYPE))]));
        }
        if let Some(field) = credentials.field {
            let mut field =
                HeaderValue::try_from(field).map_err(|_| NoAnswer::Assertion("not a header field".into()))?;
            field.set_sensitive(true);
            request = request.header(AUTHORIZATION, field);
        }
        let response = request.send().await.map_err(http_error)?;
        match read_body(response, self.max_body_bytes).await {
            Ok((_, body)) => Ok(body),
            Err(RequestFailure::Status { status: status @ (401 | 403), .. }) => Err(NoAnswer::Credentials { status }),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn url(&self) -> Result<Url, NoAnswer> {
        let (metadata, known) = match &self.location {
            Location::Url(url) => return Ok(url.clone()),
            Location::Metadata { metadata, known } => (metadata, known),
        };
        let found = match known.recall(&THE_METADATA) {
            Some(found) => found,
            None => known.get(THE_METADATA, |_| self.read_metadata(metadata)).await,
        };
        found.map_err(|missing| match missing {
            NoValue::Unavailable(unavailable) => NoAnswer::Metadata(unavailable),
            NoValue::Absent | NoValue::Ambiguous => NoAnswer::Metadata(Unavailable::new()),
        })
    }

    async fn read_metadata(&self, metadata: &Metadata) -> lookups::Answer<Url> {
        match self.fetch_metadata(metadata).await {
            Ok(url) => lookups::Answer::Found { value: url, is_named: true },
            Err(failure) => {
                let why = format!("{failure} ({})", without_query(&metadata.url));
                let retry_after = match failure {
                    NoMetadata::Request(failure) => failure.retry_after(),
                    NoMetadata::Unusable(_) => None,
                };
                lookups::Answer::Unavailable { retry_after, why: Some(why), limited: false }
            }
        }
    }

    async fn fetch_metadata(&self, metadata: &Metadata) -> Result<Url, NoMetadata> {
        let request =
            self.requests.headers.add_to(self.requests.client.get(metadata.url.clone()), &metadata.url).await?;
        let response = request.send().await.map_err(http_error)?;
        let (_, body) = read_body(response, self.max_body_bytes).await?;
        Ok(metadata.introspection_url(&body, &self.http_hosts)?)
    }
}

impl NoAnswer {
    /// Whether the operator of this service has to change something.
    pub(super) fn is_of_the_operator(&self) -> bool {
        matches!(self, Self::Assertion(_) | Self::Credentials { .. } | Self::NoRuntime)
    }

    /// When another attempt makes sense, if the endpoint says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let delay = match self {
            Self::Request(failure) => failure.retry_after(),
            Self::Metadata(unavailable) | Self::Jwt(UnusableJwt::Keys(unavailable)) => unavailable.retry_after,
            _ => None,
        };
        delay.map(|delay| delay.min(MAX_RETRY_AFTER))
    }

    /// The text with all its causes.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Metadata(unavailable) | Self::Jwt(UnusableJwt::Keys(unavailable)) => match &unavailable.source {
                Some(source) => format!("{self}: {}", full_text(&**source)),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }

    fn into_unavailable(self) -> Unavailable {
        let unavailable = Unavailable::new().with_source(self.text());
        match self.retry_after() {
            Some(delay) => unavailable.with_retry_after(delay),
            None => unavailable,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("issuer", &self.issuer)
            .field("url", &self.shown_url())
            .field("client", &self.client)
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}
