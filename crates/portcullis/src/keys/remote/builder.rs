//! The options of [`RemoteKeys`]. Invalid options are errors here, not at the first fetch.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;

use crate::clock::Clock;
use crate::error::ConfigError;
use crate::hash::sha256;
use crate::jose::KeySet;
use crate::keys::remote::cached_key_set::CachedKeySet;
use crate::keys::remote::fetch::KeySetSource;
use crate::keys::remote::settings::FetchSettings;
use crate::keys::remote::{KeyLoader, KeySetCache, PemKeys, RemoteKeys, limits};
use crate::requests::{MetadataLocation, MetadataUrl, RequestOptions};

/// The options of [`RemoteKeys`]; from [`RemoteKeys::builder`].
///
/// ```
/// use std::time::Duration;
/// use portcullis::keys::RemoteKeys;
///
/// let keys = RemoteKeys::builder()
///     .timeout(Duration::from_secs(2))
///     .proxy("http://proxy.example:3128")
///     .discover("https://issuer.example/")?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "call at(), discover() or loaded_by()"]
pub struct RemoteKeysBuilder {
    settings: FetchSettings,
    requests: RequestOptions,
    metadata: MetadataLocation,
    seed: Option<String>,
    cache: Option<KeySetCache>,
}

/// The default `Accept`. Some servers offer a key set only as `application/jwk-set+json` (RFC 7517 §8.5.2), and answer 406
/// to a request that does not accept it. The `Content-Type` of the response does not matter.
const ACCEPT: &str = "application/jwk-set+json, application/json, */*;q=0.1";

/// The default `Accept` of a single key.
const PEM: &str = "application/x-pem-file, */*;q=0.1";

impl RemoteKeysBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Sets how long fetched keys are fresh: `default` when the response has no `Cache-Control: max-age`, otherwise its
    /// `max-age`, but at least `min` and at most `max`. Defaults: `min` 60 seconds, `default` 10 minutes, `max` 1 hour.
    ///
    /// Keys are refreshed in the background after 75 to 85 % of this time.
    pub fn lifetime(mut self, min: Duration, default: Duration, max: Duration) -> Self {
        (self.settings.min_lifetime, self.settings.lifetime, self.settings.max_lifetime) = (min, default, max);
        self
    }

    /// Sets how long keys are used after their lifetime while no fetch succeeds. Default: 24 hours.
    ///
    /// It is also the longest time for which a withdrawn key is accepted during an outage, after its lifetime.
    pub fn stale(mut self, max: Duration) -> Self {
        self.settings.stale = max;
        self
    }

    /// Sets how many fetches tokens with unknown keys can cause: `burst` at once, then one per `cooldown`. Defaults: 30
    /// seconds, and 3 fetches.
    ///
    /// The fetch at the start counts as well: after it, two are left for unknown keys. Refreshes do not count. A token with
    /// a new key gets 503 with `Retry-After` while the burst is used up, so a new key is found at the latest one cooldown
    /// after its publication. [Design](crate::_docs::keys#what-happens-when-keys-rotate)
    pub fn cooldown(mut self, cooldown: Duration, burst: u32) -> Self {
        (self.settings.cooldown, self.settings.burst) = (cooldown, burst);
        self
    }

    /// Sets the time limit of one fetch, with all its requests. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the largest response body that is read, in bytes. Default and maximum: 1 MiB, the largest size of a key set.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_body_bytes = bytes;
        self
    }

    /// Trusts root certificates, in PEM, in addition to those of the system. They are enough if the system has none, as in
    /// many small container images.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.requests.root_certificates.push(pem.into());
        self
    }

    /// Sends all requests through the proxy at `url`. Default: no proxy.
    ///
    /// The variables `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are not used, because the keys decide who is let in: the path
    /// to them must not depend on variables that are set for other programs. One log event (`warn`) says so if a proxy
    /// variable is set and this option is not.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.requests.proxy = Some(url.into());
        self
    }

    /// Adds a header field to the requests, for example the `authorization` of a backend API. `accept` and `user-agent`
    /// replace the default. No log, error or `Debug` output shows its value.
    ///
    /// All fields but these two may be credentials, so they go only to hosts that the configuration names: scheme, host and
    /// port of the issuer's URL, and of the URLs in [`Self::at`], [`Self::metadata_at`] and [`Self::issuer_at`]. When the
    /// metadata names a key set on another host, that host gets the request without them. If it needs them, pass its URL to
    /// [`Self::at`]. Redirects are not followed.
    ///
    /// The build fails for a field that the HTTP client or a fetch sets itself, for example `host`, `content-length`,
    /// `accept-encoding` or `if-none-match`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.requests.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the text of the file at `path` as bearer token, in the field `authorization`: for a credential that is replaced
    /// while the service runs, for example the token of a pod in Kubernetes. The file is read again for each request. The
    /// token goes only to hosts that the configuration names, as [`Self::header`] says.
    ///
    /// ```no_run
    /// use portcullis::keys::RemoteKeys;
    ///
    /// let keys = RemoteKeys::builder()
    ///     .bearer_token_file("/var/run/secrets/kubernetes.io/serviceaccount/token")
    ///     .at("https://kubernetes.default.svc/openid/v1/jwks")?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// The build fails if the file has no token or is not a regular file, or if [`Self::header`] sets `authorization` as well. A fetch
    /// fails while the file has none or cannot be read within 2 seconds, and cached keys stay in use.
    pub fn bearer_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.requests.token_file = Some(path.into());
        self
    }

    /// Sends the requests with this client, with its header fields, redirects, proxies, certificates and connections. It
    /// sends its own header fields to every host, also to one that the metadata or a redirect names.
    ///
    /// Setting header fields, certificates or a proxy on this builder as well is an error. The limits on size and time
    /// still apply, and only status 200 is accepted.
    pub fn client(mut self, client: Client) -> Self {
        self.requests.client = Some(client);
        self
    }

    /// Fetches the metadata from the URL of RFC 8414 §3, `/.well-known/oauth-authorization-server`.
    pub fn oauth_metadata(mut self) -> Self {
        self.metadata.kind = MetadataUrl::Oauth;
        self
    }

    /// Fetches the metadata from `url`, for example an address inside the cluster. Its `issuer` must still be the one
    /// that is passed to [`Self::discover`].
    pub fn metadata_at(mut self, url: impl Into<String>) -> Self {
        self.metadata.kind = MetadataUrl::Url(url.into());
        self
    }

    /// Fetches from `url` what the issuer's own URL names: its metadata, and its key set if `jwks_uri` is below the issuer or
    /// on the same origin.
    ///
    /// It is for an issuer that clients and this service reach at different addresses, for example in a compose file:
    /// tokens name `http://localhost:8080/realms/main`, and the service reaches it at `http://keycloak:8080/realms/main`.
    /// Plain http to the internal host needs [`dangerous::allow_http`](crate::dangerous::allow_http).
    ///
    /// ```
    /// use portcullis::dangerous;
    /// use portcullis::keys::RemoteKeys;
    ///
    /// let keys = dangerous::allow_http(RemoteKeys::builder(), "keycloak")
    ///     .issuer_at("http://keycloak:8080/realms/main")
    ///     .discover("http://localhost:8080/realms/main")?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    pub fn issuer_at(mut self, url: impl Into<String>) -> Self {
        self.metadata.internal_issuer = Some(url.into());
        self
    }

    /// Starts with the keys of this JWK Set, so that a service can start during an outage of the identity provider. The
    /// first use starts a refresh.
    pub fn seed(mut self, json: impl Into<String>) -> Self {
        self.seed = Some(json.into());
        self
    }

    /// Starts with the keys of a file with a JWK Set, as [`Self::seed`] does.
    ///
    /// # Errors
    /// [`ConfigError`] when the file can't be read.
    pub fn seed_file(self, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let json = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new("seed_file", format!("{}: {error}", path.display()), "name a file with a JWK Set")
        })?;
        Ok(self.seed(json))
    }

    /// Shares cached keys with the other values that were built with `cache`; [`KeySetCache`] says when.
    pub fn cache(mut self, cache: &KeySetCache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// Replaces the clock, for tests. Its monotonic time decides what is fresh. Network time limits are real time.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Builds the keys at `url`.
    ///
    /// # Errors
    /// [`ConfigError`] names the option that can't be used and what to write instead.
    pub fn at(self, url: &str) -> Result<RemoteKeys, ConfigError> {
        let url = self.requests.endpoint("jwks_url", url)?;
        self.build(KeySetSource::Url(url))
    }

    /// Builds the keys that the metadata of `issuer` names.
    ///
    /// # Errors
    /// [`ConfigError`] names the option that can't be used and what to write instead.
    pub fn discover(self, issuer: &str) -> Result<RemoteKeys, ConfigError> {
        let metadata = self.metadata.of(issuer, &self.requests)?;
        self.build(KeySetSource::Discovery(metadata))
    }

    /// Builds keys of which each is a PEM text at its own URL: `url` followed by `kid`. See [`PemKeys`].
    ///
    /// A key is cached for the longest [`Self::lifetime`], and [`Self::timeout`] is the time limit of one request. Of the other
    /// options, only those of HTTP requests have a meaning.
    ///
    /// ```
    /// use portcullis::keys::RemoteKeys;
    ///
    /// let keys = RemoteKeys::builder().pem_below("https://public-keys.auth.elb.eu-central-1.amazonaws.com")?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] names the option that can't be used and what to write instead.
    pub fn pem_below(self, url: &str) -> Result<PemKeys, ConfigError> {
        let slash = if url.ends_with('/') { "" } else { "/" };
        let below = self.requests.endpoint("jwks_url", &format!("{url}{slash}"))?;
        if self.seed.is_some() || self.cache.is_some() || !self.metadata.is_default() || below.query().is_some() {
            return Err(ConfigError::new(
                "jwks_url",
                "it has a query, or options of key sets are set as well",
                "leave out seed, cache, issuer_at, the location of metadata, and the query",
            ));
        }
        let requests = self.requests.build(PEM, vec![below.clone()], below.scheme() == "https");
        let ((), requests) = ConfigError::both(self.validate(), requests)?;
        PemKeys::new(below, requests, self.settings.timeout, self.settings.max_lifetime)
    }

    /// Builds the keys that `loader` loads. Their lifetime is the default of [`Self::lifetime`], and [`Self::timeout`] is the
    /// time limit of one load.
    ///
    /// # Errors
    /// [`ConfigError`] names the option that can't be used and what to write instead. The options of HTTP requests are among
    /// them, because a loader makes its own requests.
    pub fn loaded_by(self, loader: impl KeyLoader + 'static) -> Result<RemoteKeys, ConfigError> {
        let options = self.requests.client.is_some() || self.requests.has_client_options() || self.cache.is_some();
        if options || !self.metadata.is_default() {
            return Err(ConfigError::new(
                "loader",
                "options of HTTP requests are set as well, and a loader would not use them",
                "leave out client, header, bearer_token_file, proxy, root_certificate, cache, issuer_at and the location of metadata",
            ));
        }
        self.build(KeySetSource::Loader(Arc::new(loader)))
    }

    /// Sets the bounds of [`Self::lifetime`] that are given. A bound that is not given keeps its default, or takes the
    /// value nearest to it that is in order.
    pub(crate) fn lifetimes(self, min: Option<Duration>, default: Option<Duration>, max: Option<Duration>) -> Self {
        let settings = &self.settings;
        let highest = max.or(default).unwrap_or(Duration::MAX);
        let min = min.unwrap_or(settings.min_lifetime.min(highest));
        let default = default.unwrap_or(settings.lifetime.min(highest).max(min));
        let max = max.unwrap_or(settings.max_lifetime.max(default));
        self.lifetime(min, default, max)
    }

    /// The options of requests.
    pub(crate) fn request_options(&self) -> &RequestOptions {
        &self.requests
    }

    pub(crate) fn allow_http_to(mut self, host: String) -> Self {
        self.requests.http_hosts.push(host);
        self
    }

    fn build(mut self, source: KeySetSource) -> Result<RemoteKeys, ConfigError> {
        let options = ConfigError::both(self.validate(), self.seed_keys());
        let requests = match &source {
            KeySetSource::Loader(_) => Ok(None),
            _ => self.requests.build(ACCEPT, source.named_urls(), source.needs_https()).map(Some),
        };
        let (((), seed), requests) = ConfigError::both(options, requests)?;
        let (client, headers) = requests.map(|requests| (requests.client, requests.headers)).unzip();
        self.settings.headers = headers.unwrap_or_default();
        self.settings.http_hosts.clone_from(&self.requests.http_hosts);
        let cache = self.cache.as_ref().filter(|_| self.requests.client.is_none());
        let cache = cache.map(|cache| (cache.clone(), self.cache_key(&source)));
        let settings = Arc::new(self.settings);
        let new = || CachedKeySet::new(source, client, settings, seed);
        let key_set = match cache {
            Some((cache, key)) => cache.0.get(&key).unwrap_or_else(|| {
                // Made before the cache is locked, because it reads the clock.
                let new = new();
                cache.0.get_with(key, || new)
            }),
            None => new(),
        };
        Ok(RemoteKeys { key_set })
    }

    /// Returns the key of the cached key set in a [`KeySetCache`]: the source, and everything that may change the answer.
    ///
    /// Header fields are part of it, because one URL may return different keys for different credentials, as Clerk's
    /// Backend API does. They are hashed, because they may be secrets.
    fn cache_key(&self, source: &KeySetSource) -> String {
        format!("{source:?} {:?}", sha256(self.requests.fingerprint().as_bytes()))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        let mut faults = Vec::new();
        let in_order = settings.min_lifetime <= settings.lifetime && settings.lifetime <= settings.max_lifetime;
        if !in_order || settings.min_lifetime.is_zero() {
            faults.push(ConfigError::new(
                "lifetime",
                "the bounds are zero or out of order",
                "write min, default and max in this order, with min above zero",
            ));
        }
        if settings.timeout.is_zero() {
            faults.push(ConfigError::new("timeout", "zero", "write a few seconds"));
        }
        if settings.cooldown.is_zero() {
            faults.push(ConfigError::new(
                "cooldown",
                "zero, so each token with an unknown key would cause a fetch",
                "write how often unknown keys may cause one, for example every 30 seconds",
            ));
        }
        if settings.burst == 0 {
            faults.push(ConfigError::new("burst", "zero", "write at least 1, so that a rotation is noticed"));
        }
        if settings.max_body_bytes == 0 {
            faults.push(ConfigError::new("max_body_bytes", "zero", "write at least a few thousand"));
        }
        if settings.max_body_bytes > limits::MAX_BODY_BYTES {
            let instead = format!("write at most {}", limits::MAX_BODY_BYTES);
            faults.push(ConfigError::new("max_body_bytes", "more than the largest key set", instead));
        }
        faults.extend(self.requests.validate().err());
        ConfigError::all(faults)
    }

    fn seed_keys(&self) -> Result<Option<KeySet>, ConfigError> {
        let Some(json) = &self.seed else { return Ok(None) };
        let invalid =
            |problem: String| ConfigError::new("seed", problem, "write the text of a JWK Set with usable keys");
        let keys = KeySet::from_json(json).map_err(|error| invalid(error.to_string()))?;
        if keys.is_empty() { Err(invalid("no key of it can be used".to_owned())) } else { Ok(Some(keys)) }
    }
}

impl fmt::Debug for RemoteKeysBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeysBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://issuer.example/keys";

    fn with() -> RemoteKeysBuilder {
        RemoteKeysBuilder::new()
    }

    #[test]
    fn unusable_option_is_named_but_not_quoted() {
        let [zero, one, two] = [0, 1, 2].map(Duration::from_secs);
        let client = || with().client(Client::new());
        for (builder, field) in [
            (with().lifetime(zero, one, two), "lifetime"),
            (with().lifetime(two, one, two), "lifetime"),
            (with().lifetime(one, two, one), "lifetime"),
            (with().timeout(zero), "timeout"),
            (with().cooldown(one, 0), "burst"),
            (with().cooldown(zero, 1), "cooldown"),
            (with().max_body_bytes(0), "max_body_bytes"),
            (with().max_body_bytes(limits::MAX_BODY_BYTES + 1), "max_body_bytes"),
            (with().seed("secret"), "seed"),
            (with().seed(r#"{"keys":[{"kty":"oct","k":"secret"}]}"#), "seed"),
            (with().header("x secret", "1"), "header"),
            (with().header("authorization", "Bearer secret\n"), "header"),
            (with().header("Host", "secret"), "header"),
            (with().header("proxy-authorization", "Basic secret"), "header"),
            (with().proxy("http://user:secret@"), "proxy"),
            (with().root_certificate("secret"), "root_certificate"),
            (client().header("authorization", "Bearer secret"), "client"),
            (client().proxy("http://proxy.example:3128"), "client"),
            (client().root_certificate("secret"), "client"),
        ] {
            assert!(!format!("{builder:?}").contains("secret"), "{builder:?}");
            let error = builder.at(URL).unwrap_err();
            assert_eq!(error.field(), field, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(with().seed_file("/nonexistent").unwrap_err().field(), "seed_file");
        let all = with().lifetime(zero, one, two).timeout(zero).seed("x").header("x y", "1").proxy("http://");
        let all = all.at(URL).unwrap_err();
        assert_eq!(all.fields().collect::<Vec<_>>(), ["lifetime", "timeout", "seed", "header", "proxy"]);
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = with().root_certificate(no_certificate).at(URL).unwrap_err();
        assert!(error.field() == "root_certificate" && !error.to_string().contains("CA store"), "{error}");
        for usable in [
            with().lifetime(one, one, one),
            with().cooldown(one, 1),
            with().max_body_bytes(limits::MAX_BODY_BYTES),
            with().header("authorization", "Bearer secret"),
            with().proxy("http://proxy.example:3128"),
            client(),
        ] {
            assert!(usable.at(URL).is_ok());
        }
    }

    #[test]
    fn seed_file_is_read_as_a_seed() {
        let path = std::env::temp_dir().join(format!("portcullis-seed-{}", std::process::id()));
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        std::fs::write(&path, format!(r#"{{"keys":[{jwk}]}}"#)).unwrap();
        let keys = with().seed_file(&path).unwrap().at(URL).unwrap();
        assert_eq!((keys.status().ready, keys.status().keys), (true, 1));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn unusable_url_is_named() {
        for url in ["", "issuer.example", "http://issuer.example/keys", "https://user@issuer.example/keys"] {
            assert_eq!(with().at(url).unwrap_err().field(), "jwks_url", "{url}");
            assert_eq!(with().discover(url).unwrap_err().field(), "issuer", "{url}");
            assert_eq!(with().oauth_metadata().discover(url).unwrap_err().field(), "issuer", "{url}");
            let error = with().metadata_at(url).discover("https://issuer.example").unwrap_err();
            assert_eq!(error.field(), "metadata_url", "{url}");
        }
        assert_eq!(with().discover("https://issuer.example?tenant=1").unwrap_err().field(), "issuer");
        assert!(with().allow_http_to("issuer.example".to_owned()).at("http://issuer.example/keys").is_ok());
    }
}
