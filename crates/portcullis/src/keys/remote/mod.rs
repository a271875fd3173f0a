//! Keys that are fetched: JWKS endpoints, and discovery that leads to them.

mod endpoint;
mod entry;
mod fetch;
mod freshness;
mod metadata;
mod schedule;
mod settings;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Proxy, Url};

use crate::clock::Clock;
use crate::error::ConfigError;
use crate::jose::key_set::MAX_OCTETS;
use crate::jose::{KeySet, VerifyingKey};
use crate::keys::remote::entry::Entry;
use crate::keys::remote::fetch::Source;
use crate::keys::remote::settings::Settings;
use crate::keys::{KeyError, KeyProvider, KeyQuery, KeyStatus};

/// An issuer's keys, fetched from its JWKS endpoint when they are first needed, and kept as the provider rotates them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::{Audience, JwtVerifier, RemoteKeys};
///
/// // Found by the issuer's metadata, or at a URL that is known.
/// let keys = RemoteKeys::discover("https://issuer.example/")?;
/// let keys = RemoteKeys::at("https://issuer.example/.well-known/jwks.json")?;
/// let verifier = JwtVerifier::builder("https://issuer.example/", Audience::any_of(["api"]), keys).build()?;
/// # Ok(()) }
/// ```
///
/// Nothing is fetched before the first token, unless [`Gate::warm_up`](crate::Gate::warm_up) asks for it. While usable
/// keys are held no caller ever waits: a refresh runs beside, ahead of time. When the provider is down, held keys serve
/// for a day; when none are held, callers are told to come back (503), never that their token is bad. Fetches run on the
/// tokio runtime of whoever needs them, and end when the last clone of this value is dropped.
#[derive(Clone)]
pub struct RemoteKeys {
    entry: Arc<Entry>,
}

impl RemoteKeys {
    /// The keys at `url`, an https URL (or http on this machine).
    ///
    /// # Errors
    /// [`ConfigError`] when the URL can't be used.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().at(url)
    }

    /// The keys that the metadata of `issuer` names (OpenID Connect Discovery 1.0 §4). `issuer` is written exactly as
    /// the provider writes it, with its slash at the end or without.
    ///
    /// # Errors
    /// [`ConfigError`] when the issuer is no URL that can be used.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        RemoteKeysBuilder::new().discover(issuer)
    }

    /// Every option.
    pub fn builder() -> RemoteKeysBuilder {
        RemoteKeysBuilder::new()
    }

    /// Fetches the keys now, unless they are held: one attempt.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the attempt failed.
    pub async fn warm_up(&self) -> Result<(), KeyError> {
        self.entry.warm_up().await
    }

    /// Fetches the key set and shows it, be it one without a usable key: for diagnosis. What is held does not change, and
    /// no cooldown counts; to verify tokens, use this value as the [`KeyProvider`] that it is.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when no key set came.
    pub async fn inspect(&self) -> Result<KeySet, KeyError> {
        self.entry.inspect().await.map_err(KeyError::from)
    }

    /// What is held, and how the last fetch went.
    #[must_use]
    pub fn status(&self) -> KeyStatus {
        self.entry.status()
    }

    /// Ends the fetch that is under way, if any. Keys that are held go on serving; a later need fetches again.
    pub fn stop(&self) {
        self.entry.stop();
    }
}

#[async_trait]
impl KeyProvider for RemoteKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.entry.key(query).await
    }

    async fn warm_up(&self) -> Result<(), KeyError> {
        self.entry.warm_up().await
    }

    fn status(&self) -> KeyStatus {
        self.entry.status()
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Key sets by their URL: providers made with one cache share the keys, and the fetch, of a URL that they have in common.
///
/// Bounded: past its capacity the key set that was used least is forgotten, and fetched again when it is needed.
#[derive(Clone)]
pub struct KeySetCache(Cache<String, Arc<Entry>>);

impl KeySetCache {
    /// A cache of at most `key_sets` key sets.
    #[must_use]
    pub fn new(key_sets: u64) -> Self {
        Self(Cache::new(key_sets))
    }
}

impl fmt::Debug for KeySetCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetCache").field("key_sets", &self.0.entry_count()).finish_non_exhaustive()
    }
}

/// Options of [`RemoteKeys`]; from [`RemoteKeys::builder`].
#[derive(Clone, Default)]
#[must_use = "call at() or discover()"]
pub struct RemoteKeysBuilder {
    settings: Settings,
    client: Option<Client>,
    roots: Vec<Vec<u8>>,
    proxy: Option<String>,
    headers: Vec<(String, String)>,
    metadata: Metadata,
    seed: Option<String>,
    cache: Option<KeySetCache>,
}

#[derive(Clone, Debug, Default)]
enum Metadata {
    At(String),
    Oauth,
    #[default]
    OpenId,
}

impl RemoteKeysBuilder {
    fn new() -> Self {
        Self::default()
    }

    /// Bounds for how long keys are fresh, and what holds where the provider's `Cache-Control` does not say. Default: 60
    /// seconds to an hour, and ten minutes. Keys are refreshed ahead of the end, at about four fifths.
    pub fn lifetime(mut self, shortest: Duration, usual: Duration, longest: Duration) -> Self {
        (self.settings.lifetime_min, self.settings.lifetime, self.settings.lifetime_max) = (shortest, usual, longest);
        self
    }

    /// How long keys go on serving after they stopped being fresh, while no refresh succeeds. Default: 24 hours. It is
    /// also the longest that a withdrawn key can go on while the provider can't be reached.
    pub fn stale(mut self, longest: Duration) -> Self {
        self.settings.stale = longest;
        self
    }

    /// How many fetches tokens with unknown keys can cause: `burst` at once, then one each `cooldown`. Default: 3, and 30
    /// seconds.
    pub fn cooldown(mut self, cooldown: Duration, burst: u32) -> Self {
        (self.settings.cooldown, self.settings.burst) = (cooldown, burst);
        self
    }

    /// The longest that a fetch may take as a whole. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The largest body that is read, in octets. Default, and the most that a key set may have: 1 MiB.
    pub fn max_body_octets(mut self, octets: usize) -> Self {
        self.settings.body_max = octets;
        self
    }

    /// Trusts one more root certificate, in PEM, beside those of the system.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Goes through the proxy at `url`. Default: none, whatever the environment says.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sends this header field with every request, such as the authorization of a backend API. Its value is shown
    /// nowhere.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Uses this client as it is, with its own redirects, proxies, certificates and connections. Size, status and time
    /// are limited all the same.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Looks for the metadata where RFC 8414 §3 has it, `/.well-known/oauth-authorization-server`.
    pub fn oauth_metadata(mut self) -> Self {
        self.metadata = Metadata::Oauth;
        self
    }

    /// Looks for the metadata at `url`, such as an address inside the cluster. The issuer in it must still be the one
    /// that is asked for.
    pub fn metadata_at(mut self, url: impl Into<String>) -> Self {
        self.metadata = Metadata::At(url.into());
        self
    }

    /// Starts with the keys of this JWK Set, for a start while the provider can't be reached. They are refreshed as soon
    /// as they are used.
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

    /// Shares keys with the other providers that are made with `cache`, as far as they ask the same URL.
    pub fn cache(mut self, cache: &KeySetCache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// Another clock, for tests. Its monotonic time decides what is fresh; deadlines of the network are real time.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// The keys at `url`.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn at(self, url: &str) -> Result<RemoteKeys, ConfigError> {
        let url = self.endpoint("jwks_url", url)?;
        self.finish(Source::KeySet(url))
    }

    /// The keys that the metadata of `issuer` names.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn discover(self, issuer: &str) -> Result<RemoteKeys, ConfigError> {
        let metadata = match &self.metadata {
            Metadata::At(url) => self.endpoint("metadata_url", url)?,
            Metadata::Oauth => metadata::oauth_url(&self.issuer_url(issuer)?),
            Metadata::OpenId => metadata::openid_url(&self.issuer_url(issuer)?),
        };
        self.finish(Source::Discovery { issuer: issuer.to_owned(), metadata })
    }

    pub(crate) fn allow_http(mut self, host: String) -> Self {
        self.settings.http_hosts.push(host);
        self
    }

    fn issuer_url(&self, issuer: &str) -> Result<Url, ConfigError> {
        let url = self.endpoint("issuer", issuer)?;
        match url.query() {
            None => Ok(url),
            Some(_) => {
                Err(ConfigError::new("issuer", "it has a query", "write an issuer as RFC 8414 section 2 has it"))
            }
        }
    }

    fn endpoint(&self, field: &'static str, url: &str) -> Result<Url, ConfigError> {
        endpoint::parse(url, &self.settings.http_hosts).map_err(|problem| {
            ConfigError::new(
                field,
                problem,
                "write an https URL, such as https://issuer.example/; plain http only reaches this machine, or hosts \
                 that dangerous::allow_http names",
            )
        })
    }

    fn finish(self, source: Source) -> Result<RemoteKeys, ConfigError> {
        self.validate()?;
        let seed = self.seed_keys()?;
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.build_client()?,
        };
        let cache = self.cache;
        let settings = Arc::new(self.settings);
        let make = || Entry::new(source.clone(), client, settings, seed);
        let entry = match cache {
            Some(cache) => cache.0.get_with(format!("{source:?}"), make),
            None => make(),
        };
        Ok(RemoteKeys { entry })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        let in_order = settings.lifetime_min <= settings.lifetime && settings.lifetime <= settings.lifetime_max;
        if !in_order || settings.lifetime_min.is_zero() {
            return Err(ConfigError::new(
                "lifetime",
                "the bounds are zero or out of order",
                "write shortest, usual and longest in this order, the shortest above zero",
            ));
        }
        if settings.timeout.is_zero() {
            return Err(ConfigError::new("timeout", "zero", "write a few seconds"));
        }
        if settings.burst == 0 {
            return Err(ConfigError::new("burst", "zero", "write at least 1, so that a rotation is noticed"));
        }
        if settings.body_max == 0 {
            return Err(ConfigError::new("max_body_octets", "zero", "write at least a few thousand"));
        }
        if settings.body_max > MAX_OCTETS {
            return Err(ConfigError::new("max_body_octets", "more than a key set may have", "write at most 1048576"));
        }
        Ok(())
    }

    fn seed_keys(&self) -> Result<Option<KeySet>, ConfigError> {
        let Some(json) = &self.seed else { return Ok(None) };
        let problem =
            |problem: String| ConfigError::new("seed", problem, "give the text of a JWK Set with usable keys");
        let keys = KeySet::from_json(json).map_err(|error| problem(error.to_string()))?;
        if keys.is_empty() { Err(problem("no key of it can be used".to_owned())) } else { Ok(Some(keys)) }
    }

    fn build_client(&self) -> Result<Client, ConfigError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let invalid = |_| ConfigError::new("header", "not a header field", "write a name and a value of RFC 9110");
            let name = HeaderName::try_from(name.as_str()).map_err(|_| ()).map_err(invalid)?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| ()).map_err(invalid)?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        // No redirects: the URL is configured, and where it leads is not. No proxy that is not asked for. No idle
        // connections: one that belongs to a runtime which no longer turns would take a later fetch with it. No time
        // limit here: the fetch has one, for all of its requests together.
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.as_str()).map_err(|_| {
                ConfigError::new("proxy", "not a URL", "write the proxy's URL, such as http://proxy:3128")
            })?;
            client = client.proxy(proxy);
        }
        for pem in &self.roots {
            let certificates =
                Certificate::from_pem_bundle(pem).ok().filter(|all| !all.is_empty()).ok_or_else(|| {
                    ConfigError::new("root_certificate", "no certificate in it", "give a certificate in PEM")
                })?;
            client = client.tls_certs_merge(certificates);
        }
        client.build().map_err(|error| {
            let problem = format!("the HTTP client can't be made: {}", error.without_url());
            ConfigError::new("client", problem, "check the root certificates of the system")
        })
    }
}

impl fmt::Debug for RemoteKeysBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeysBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::jose::InvalidKey;

    #[tokio::test]
    async fn a_set_without_a_usable_key_can_be_inspected_and_is_not_held() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for body in [r#"{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}"#, "no key set"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        let keys = RemoteKeys::at(&url).unwrap();
        let seen = keys.inspect().await.unwrap();
        assert!(seen.is_empty());
        let skipped = &seen.skipped()[0];
        assert_eq!((skipped.key_type.as_deref(), &skipped.why), (Some("oct"), &InvalidKey::SymmetricInSet));
        assert_eq!((keys.status().ready, keys.status().last_error), (false, None));
        let KeyError::Unavailable(error) = keys.inspect().await.unwrap_err() else { panic!("another error") };
        assert!(error.source.unwrap().to_string().starts_with("not a key set"));
        server.await.unwrap();
    }
}
