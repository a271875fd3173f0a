//! The builder of an [`IntrospectionVerifier`]. It finds configuration errors before the first request does.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;

use crate::checks::{Audience, RequiredClaims, TimeCheck};
use crate::claims::{Claims, GrantReader, StandardGrants};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, InvalidToken};
use crate::hash::sha256;
use crate::introspection::client::ClientAuthentication;
use crate::introspection::endpoint::{Endpoint, Location};
use crate::introspection::signed::SignedAnswers;
use crate::introspection::{AnswerCheck, Core, IntrospectionVerifier, weight};
use crate::keys::KeyProvider;
use crate::lookups::{Lifetimes, Limits, Lookups, Options};
use crate::measure::{Counters, Histograms, table};
use crate::requests::{MetadataLocation, MetadataUrl, RequestOptions};
use crate::verifier::Common;

/// Options of an [`IntrospectionVerifier`]; from [`IntrospectionVerifier::builder`].
///
/// ```
/// use std::time::Duration;
/// use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
///
/// let client = ClientAuthentication::client_secret_basic("orders-api", "a secret from a vault");
/// let verifier = IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client)
///     .endpoint("https://issuer.example/introspect")
///     .cache(Duration::from_secs(10), Duration::from_secs(1))
///     .check_fn("organization", |claims| {
///         matches!(claims.get::<String>("org_id"), Ok(Some(id)) if id == "org_1")
///     })
///     .build()?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[must_use = "call build()"]
pub struct IntrospectionBuilder {
    issuer: String,
    audience: Audience,
    client: ClientAuthentication,
    endpoint: Option<String>,
    metadata: MetadataLocation,
    requests: RequestOptions,
    timeout: Duration,
    signed_by: Option<Arc<dyn KeyProvider>>,
    time: TimeCheck,
    required_claims: RequiredClaims,
    checks: Vec<Box<AnswerCheck>>,
    grants: Arc<dyn GrantReader>,
    clock: Arc<dyn Clock>,
    accepts_jwts: bool,
    max_token_bytes: usize,
    active_for: Duration,
    inactive_for: Duration,
    cached_bytes: u64,
    made_up_burst: u32,
    made_up_per_second: u32,
}

/// The time limit of one question. Callers wait for it, so it is about as long as a client waits for a response.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer, in bytes. Real answers have about one kilobyte.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Opaque tokens are shorter. It is what the gate reads of a token that is not a JWT.
const DEFAULT_MAX_TOKEN_BYTES: usize = 8 * 1024;

const DEFAULT_ACTIVE_FOR: Duration = Duration::from_secs(30);
const DEFAULT_INACTIVE_FOR: Duration = Duration::from_secs(5);

/// A revoked token is accepted for as long as its answer is used.
const LONGEST_ACTIVE_FOR: Duration = Duration::from_secs(10 * 60);

const DEFAULT_CACHED_BYTES: u64 = 64 * 1024 * 1024;

const DEFAULT_MADE_UP_BURST: u32 = 100;
const DEFAULT_MADE_UP_PER_SECOND: u32 = 50;

/// The number of callers that wait for answers. At about 2 KiB for a waiting request, they need about 8 MiB.
const MAX_WAITING: usize = 4_096;

/// The number of tokens that are remembered as not active. An entry is a hash and a time.
const MAX_INACTIVE: u64 = 16_384;

/// How long the endpoint that the metadata names is used before the metadata is read again, and how much longer in an
/// outage.
const METADATA_LIFETIME: Duration = Duration::from_secs(60 * 60);
const METADATA_STALE: Duration = Duration::from_secs(24 * 60 * 60);

impl IntrospectionBuilder {
    pub(super) fn new(issuer: String, audience: Audience, client: ClientAuthentication) -> Self {
        Self {
            issuer,
            audience,
            client,
            endpoint: None,
            metadata: MetadataLocation::default(),
            requests: RequestOptions::default(),
            timeout: DEFAULT_TIMEOUT,
            signed_by: None,
            time: TimeCheck::default(),
            required_claims: RequiredClaims::default(),
            checks: Vec::new(),
            grants: Arc::new(StandardGrants::new()),
            clock: Arc::new(SystemClock::new()),
            accepts_jwts: false,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            active_for: DEFAULT_ACTIVE_FOR,
            inactive_for: DEFAULT_INACTIVE_FOR,
            cached_bytes: DEFAULT_CACHED_BYTES,
            made_up_burst: DEFAULT_MADE_UP_BURST,
            made_up_per_second: DEFAULT_MADE_UP_PER_SECOND,
        }
    }

    /// Asks at `url`, an https URL, or http on this machine. Default: the `introspection_endpoint` in the metadata of the issuer
    /// (OpenID Connect Discovery, RFC 8414 §2), whose `issuer` must be the configured one.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Reads the metadata from the URL of RFC 8414 §3, `/.well-known/oauth-authorization-server`.
    pub fn oauth_metadata(mut self) -> Self {
        self.metadata.kind = MetadataUrl::Oauth;
        self
    }

    /// Reads the metadata from `url`. Its `issuer` must still be the configured one.
    pub fn metadata_at(mut self, url: impl Into<String>) -> Self {
        self.metadata.kind = MetadataUrl::Url(url.into());
        self
    }

    /// Reaches the issuer at `url`, for example inside a cluster, as
    /// [`RemoteKeysBuilder::issuer_at`](crate::keys::RemoteKeysBuilder::issuer_at) does.
    pub fn issuer_at(mut self, url: impl Into<String>) -> Self {
        self.metadata.internal_issuer = Some(url.into());
        self
    }

    /// Accepts only answers that the issuer signed with one of `keys` (RFC 9701). An answer without a signature is an outage.
    ///
    /// Use the keys of the issuer's tokens, unless it has others for this. FAPI 2.0 Message Signing demands signed answers,
    /// because they prove later what the issuer said.
    ///
    /// ```
    /// use portcullis::introspection::{ClientAuthentication, IntrospectionVerifier};
    /// use portcullis::keys::RemoteKeys;
    ///
    /// let issuer = "https://issuer.example";
    /// let client = ClientAuthentication::client_secret_basic("orders-api", "a secret from a vault");
    /// let verifier = IntrospectionVerifier::builder(issuer, "https://api.example.com", client)
    ///     .signed_answers(RemoteKeys::discover(issuer)?)
    ///     .build()?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    pub fn signed_answers(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.signed_by = Some(Arc::new(keys));
        self
    }

    /// Sets how long answers are used: `active` for active tokens, at most 10 minutes and never after the token's `exp`, and
    /// `inactive` for others, at most as long. Defaults: 30 seconds and 5 seconds.
    ///
    /// A revoked token is accepted for up to `active`, and a token that was asked about before it was issued is refused for up to
    /// `inactive`. With zero, every request asks, except those that come while a question about their token is in flight.
    pub fn cache(mut self, active: Duration, inactive: Duration) -> Self {
        (self.active_for, self.inactive_for) = (active, inactive);
        self
    }

    /// Sets how much memory the answers may take, in bytes. Default: 64 MiB (67,108,864). An answer of a usual size takes about
    /// 2 KiB. A full cache drops the answers that were used least recently.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cached_bytes = bytes;
        self
    }

    /// Sets how many questions made-up tokens can cause: `burst` at once, then `per_second` per second. Defaults: 100 and 50.
    ///
    /// A question counts until the endpoint says that its token is active. While none is left, tokens without an answer get 503
    /// with `Retry-After`; tokens that were active before are not affected. `burst` is also the number of questions about new
    /// tokens that are in flight at the same time.
    pub fn made_up_tokens(mut self, burst: u32, per_second: u32) -> Self {
        (self.made_up_burst, self.made_up_per_second) = (burst, per_second);
        self
    }

    /// Sets the time limit of one question, with all its requests. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts root certificates, in PEM, in addition to those of the system.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.requests.root_certificates.push(pem.into());
        self
    }

    /// Sends all requests through the proxy at `url`. Default: no proxy; the variables `HTTPS_PROXY` and `NO_PROXY` are not used.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.requests.proxy = Some(url.into());
        self
    }

    /// Adds a header field to the requests. It goes only to hosts that the configuration names, and no log, error or `Debug`
    /// output shows its value, as [`RemoteKeysBuilder::header`](crate::keys::RemoteKeysBuilder::header) says.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.requests.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the requests with this client, with its header fields, redirects, proxies, certificates and connections. The limits
    /// on size and time still apply, and only status 200 is accepted.
    ///
    /// It can keep connections, or present a client certificate (RFC 8705 §2). The default client opens a connection for each
    /// question, because a kept one belongs to one runtime. The client must not follow redirects, because the token and the
    /// credentials are in the request.
    pub fn client(mut self, client: Client) -> Self {
        self.requests.client = Some(client);
        self
    }

    /// Sets how far clocks may differ. Default: 5 seconds; at most 10 minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.time.leeway = leeway;
        self
    }

    /// Accepts answers without `exp`, which is optional in them (RFC 7662 §2.2). Such a token is valid until the issuer says
    /// that it is not active.
    pub fn accept_without_expiration(mut self) -> Self {
        self.time.expiration_required = false;
        self
    }

    /// Asks the endpoint also about tokens of the form of a JWT: for issuers that say only there whether a JWT was revoked. The
    /// signature is not checked here.
    pub fn accept_jwts(mut self) -> Self {
        self.accepts_jwts = true;
        self
    }

    /// Sets the longest token that is sent to the endpoint, in bytes. Default: 8,192.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Requires these members of the answer to be present and not null.
    pub fn require_claims<S: Into<Cow<'static, str>>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required_claims.0.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds a check of the answer by closure. If it returns `false`, the token is refused as `check_failed`, and `name` goes to
    /// the log. Checks run in the order of these calls, after the standard checks, on every request.
    pub fn check_fn<F>(mut self, name: impl Into<Cow<'static, str>>, check: F) -> Self
    where
        F: Fn(&Claims) -> bool + Send + Sync + 'static,
    {
        let name = name.into();
        self.checks.push(Box::new(move |claims| {
            if check(claims) { Ok(()) } else { Err(InvalidToken::CheckFailed { name: name.clone() }) }
        }));
        self
    }

    /// Sets where scopes, permissions and roles are read from. Default: [`StandardGrants`].
    pub fn grants(mut self, grants: impl GrantReader + 'static) -> Self {
        self.grants = Arc::new(grants);
        self
    }

    /// Sets another clock, for tests. Network time limits are real time.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(crate) fn allow_http_to(mut self, host: String) -> Self {
        self.requests.http_hosts.push(host);
        self
    }

    /// Sets the options of requests.
    pub(crate) fn requests(mut self, requests: RequestOptions) -> Self {
        self.requests = requests;
        self
    }

    /// Builds the verifier. Nothing is requested yet.
    ///
    /// # Errors
    /// [`ConfigError`] names each option that cannot be used and what to write instead.
    pub fn build(self) -> Result<IntrospectionVerifier, ConfigError> {
        let (location, ()) = ConfigError::both(self.location(), self.validate())?;
        let (url, named) = match &location {
            Location::Url(url) => (url, vec![url.clone()]),
            Location::Metadata { metadata, .. } => (&metadata.url, metadata.named_urls()),
        };
        let requests = self.requests.build("application/json", named, url.scheme() == "https")?;
        let signed = match self.signed_by {
            Some(keys) => {
                let (clock, leeway) = (Arc::clone(&self.clock), self.time.leeway);
                Some(SignedAnswers::new(&self.issuer, self.client.id(), keys, clock, leeway, MAX_BODY_BYTES)?)
            }
            None => None,
        };
        let origin = [self.issuer.as_str(), url.as_str(), self.client.id()];
        let origin = sha256(&origin.map(|text| sha256(text.as_bytes())).concat());
        let lifetimes = Lifetimes {
            confirmed: self.active_for,
            stale: Duration::ZERO,
            refused: self.inactive_for,
            turn: Some(self.timeout),
        };
        let limits = Limits {
            burst: self.made_up_burst,
            cooldown: Duration::from_secs(1) / self.made_up_per_second,
            waiting: MAX_WAITING,
            refused: MAX_INACTIVE,
        };
        let answers = Options {
            limits,
            weight,
            longest: |token| token.longest,
            clock: Arc::clone(&self.clock),
            ..Options::new(self.cached_bytes, lifetimes)
        };
        let core = Core {
            endpoint: Endpoint {
                issuer: self.issuer,
                location,
                requests,
                client: self.client,
                signed,
                timeout: self.timeout,
                max_body_bytes: MAX_BODY_BYTES,
                http_hosts: self.requests.http_hosts,
                clock: Arc::clone(&self.clock),
            },
            audience: self.audience,
            time: self.time,
            required_claims: self.required_claims,
            checks: self.checks,
            common: Arc::new(Common { grants: self.grants, clock: Some(Arc::clone(&self.clock)) }),
            clock: self.clock,
            accepts_jwts: self.accepts_jwts,
            max_token_bytes: self.max_token_bytes,
            origin: origin.first_chunk().copied().unwrap_or_default(),
            answers: Lookups::new(answers),
            answered: Counters::new(&table::INTROSPECTION),
            asked: Histograms::new(&table::INTROSPECTION_DURATION),
        };
        Ok(IntrospectionVerifier { core: Arc::new(core) })
    }

    fn location(&self) -> Result<Location, ConfigError> {
        let Some(url) = &self.endpoint else {
            let lifetimes = Lifetimes {
                confirmed: METADATA_LIFETIME,
                stale: METADATA_STALE,
                refused: Duration::ZERO,
                turn: Some(self.timeout),
            };
            let limits = Limits { waiting: MAX_WAITING, ..Limits::default() };
            let options = Options { limits, clock: Arc::clone(&self.clock), ..Options::new(1, lifetimes) };
            let metadata = self.metadata.of(&self.issuer, &self.requests)?;
            return Ok(Location::Metadata { metadata, known: Lookups::new(options) });
        };
        if !self.metadata.is_default() {
            return Err(ConfigError::new(
                "endpoint",
                "the location of metadata is set as well, and it would not be read",
                "leave out oauth_metadata, metadata_at and issuer_at, or leave out the endpoint",
            ));
        }
        self.requests.endpoint("introspection_url", url).map(Location::Url)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |is_wrong: bool, field: &'static str, problem: &'static str, hint: &'static str| {
            faults.extend(is_wrong.then(|| ConfigError::new(field, problem, hint)));
        };
        let issuer = &self.issuer;
        fault(
            issuer.is_empty() || issuer.trim() != issuer,
            "issuer",
            if issuer.is_empty() { "empty" } else { "it begins or ends with white space" },
            "write the issuer exactly as its metadata has it, for example https://issuer.example/",
        );
        fault(self.timeout.is_zero(), "timeout", "zero", "write a few seconds");
        fault(self.max_token_bytes == 0, "max_token_bytes", "zero", "write at least a few hundred, for example 8192");
        fault(
            self.cached_bytes == 0,
            "cache_bytes",
            "zero",
            "write the memory for answers in bytes, for example 67108864",
        );
        fault(
            self.active_for > LONGEST_ACTIVE_FOR,
            "cache",
            "longer than ten minutes, for which revoked tokens would be accepted",
            "write at most ten minutes, for example 30 seconds",
        );
        fault(
            self.inactive_for > self.active_for,
            "cache",
            "tokens that are not active are remembered for longer than active ones",
            "write the time for active tokens first, and at most as much for others",
        );
        fault(
            self.made_up_burst == 0 || self.made_up_per_second == 0,
            "made_up_tokens",
            "zero, so no token could be asked about",
            "write how many questions made-up tokens may cause, for example 100 at once and 50 per second",
        );
        let names_authorization = |(name, _): &(String, String)| name.eq_ignore_ascii_case("authorization");
        fault(
            self.client.is_basic() && self.requests.headers.iter().any(names_authorization),
            "header",
            "authorization is set as well, and client_secret_basic uses it",
            "leave it out, or use client_secret_post or private_key_jwt",
        );
        faults.extend(self.client.validate().err());
        faults.extend(self.audience.validate().err());
        faults.extend(self.time.validate().err());
        faults.extend(self.required_claims.validate().err());
        faults.extend(self.requests.validate().err());
        ConfigError::all(faults)
    }
}

impl fmt::Debug for IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FixedKeys;

    fn with() -> IntrospectionBuilder {
        let client = ClientAuthentication::client_secret_basic("api", "very-secret");
        IntrospectionVerifier::builder("https://issuer.example", "https://api.example.com", client)
    }

    #[test]
    fn unusable_option_is_named_but_no_secret() {
        let seconds = Duration::from_secs;
        let (zero, second) = (Duration::ZERO, seconds(1));
        let issuer = |issuer: &str| {
            let client = ClientAuthentication::client_secret_basic("api", "very-secret");
            IntrospectionVerifier::builder(issuer, "https://api.example.com", client)
        };
        for (builder, field) in [
            (issuer(""), "issuer"),
            (issuer("https://issuer.example "), "issuer"),
            (issuer("issuer.example"), "issuer"),
            (issuer("http://issuer.example"), "issuer"),
            (issuer("https://issuer.example/.well-known/openid-configuration"), "issuer"),
            (with().endpoint("http://issuer.example/introspect"), "introspection_url"),
            (with().endpoint("introspect"), "introspection_url"),
            (with().endpoint("https://u:very-secret@issuer.example/introspect"), "introspection_url"),
            (with().endpoint("https://issuer.example/introspect").oauth_metadata(), "endpoint"),
            (with().endpoint("https://issuer.example/introspect").issuer_at("https://i.internal"), "endpoint"),
            (with().metadata_at("http://issuer.example/metadata"), "metadata_url"),
            (with().timeout(zero), "timeout"),
            (with().max_token_bytes(0), "max_token_bytes"),
            (with().cache_bytes(0), "cache_bytes"),
            (with().cache(seconds(601), second), "cache"),
            (with().cache(second, seconds(2)), "cache"),
            (with().made_up_tokens(0, 1), "made_up_tokens"),
            (with().made_up_tokens(1, 0), "made_up_tokens"),
            (with().header("Authorization", "Bearer very-secret"), "header"),
            (with().header("host", "very-secret"), "header"),
            (with().proxy("http://u:very-secret@"), "proxy"),
            (with().root_certificate("very-secret"), "root_certificate"),
            (with().client(Client::new()).header("x", "very-secret"), "client"),
            (with().leeway(seconds(601)), "leeway"),
            (with().require_claims([""]), "require_claims"),
        ] {
            assert!(!format!("{builder:?}").contains("very-secret"), "{builder:?}");
            let error = builder.build().unwrap_err();
            assert_eq!(error.field(), field, "{error}");
            assert!(!error.to_string().contains("very-secret"), "{error}");
        }
        let client = ClientAuthentication::client_secret_basic("api", "");
        let none =
            IntrospectionVerifier::builder("https://issuer.example", Audience::any_of([""]), client).timeout(zero);
        let fields = ["timeout", "client_secret", "audience"];
        assert_eq!(none.build().unwrap_err().fields().collect::<Vec<_>>(), fields);
    }

    #[test]
    fn usable_options_build_a_verifier_that_prints_no_secret() {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        let client = ClientAuthentication::client_secret_post("api", "very-secret");
        let post = IntrospectionVerifier::builder("https://issuer.example", Audience::not_issued(), client);
        for builder in [
            with(),
            with().oauth_metadata(),
            with().endpoint("http://127.0.0.1:1/introspect?tenant=very-secret"),
            with().endpoint("https://issuer.example/introspect").signed_answers(keys),
            with().cache(Duration::ZERO, Duration::ZERO).accept_jwts().accept_without_expiration(),
            with().allow_http_to("issuer.cluster".to_owned()).endpoint("http://issuer.cluster/introspect"),
            post.header("authorization", "Bearer very-secret"),
        ] {
            let verifier = builder.build().unwrap();
            assert!(!format!("{verifier:?}").contains("very-secret"), "{verifier:?}");
        }
    }

    #[test]
    fn names_of_tokens_depend_on_endpoint_and_client() {
        let name = |issuer: &str, url: &str, client: &str| {
            let client = ClientAuthentication::client_secret_basic(client, "secret");
            let builder = IntrospectionVerifier::builder(issuer, "https://api.example.com", client).endpoint(url);
            builder.build().unwrap().core.name_of(b"token")
        };
        let (issuer, url, client) = ("https://issuer.example", "https://issuer.example/introspect", "api");
        assert_eq!(name(issuer, url, client), name(issuer, url, client));
        for other in [
            name("https://other.example", url, client),
            name(issuer, "https://issuer.example/other", client),
            name(issuer, url, "other"),
        ] {
            assert_ne!(other, name(issuer, url, client));
        }
        let core = with().build().unwrap().core;
        assert_ne!(core.name_of(b"a"), core.name_of(b"b"));
    }
}
