//! Building [`RemoteKeys`]: what is wrong with it shows here, not at the first fetch.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Proxy, Url};

use crate::clock::Clock;
use crate::error::ConfigError;
use crate::hash::sha256;
use crate::jose::KeySet;
use crate::jose::key_set::MAX_BYTES;
use crate::keys::remote::entry::Entry;
use crate::keys::remote::fetch::Source;
use crate::keys::remote::settings::Settings;
use crate::keys::remote::{KeySetCache, RemoteKeys, endpoint, metadata};

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
    pub(super) fn new() -> Self {
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
    /// seconds. Every fetch counts, so after the first one two are left for unknown keys.
    pub fn cooldown(mut self, cooldown: Duration, burst: u32) -> Self {
        (self.settings.cooldown, self.settings.burst) = (cooldown, burst);
        self
    }

    /// The longest that a fetch may take as a whole. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The largest body that is read, in bytes. Default, and the most that a key set may have: 1 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.settings.body_max = bytes;
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

    /// Uses this client as it is, with its own header fields, redirects, proxies, certificates and connections, so none of
    /// these may be set here as well. Size, status and time are limited all the same.
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

    /// Shares keys with the other providers that are made with `cache`, as far as they ask the same URL with the same
    /// header fields, certificates and proxy. With a client of your own nothing is shared: whom it speaks for can't be
    /// told from outside.
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
        if url.path().contains("/.well-known/") {
            let instead = "write the issuer, as iss and the metadata have it: what stands before /.well-known/";
            return Err(ConfigError::new("issuer", "it is the URL of the metadata", instead));
        }
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
                 that portcullis::dangerous::allow_http names, in keys of your own",
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
        let cache = self.cache.as_ref().filter(|_| self.client.is_none());
        let place = cache.map(|cache| (cache.clone(), self.name(&source)));
        let settings = Arc::new(self.settings);
        let make = || Entry::new(source, client, settings, seed);
        let entry = match place {
            Some((cache, name)) => cache.0.get_with(name, make),
            None => make(),
        };
        Ok(RemoteKeys { entry })
    }

    /// What tells key sets apart. Header fields are part of it, since providers such as Clerk's Backend API give whoever
    /// asks their own keys under one URL; hashed, since they are secrets. All of it is the text and the bytes as they
    /// were given.
    fn name(&self, source: &Source) -> String {
        let way = format!("{:?} {:?} {:?} {:?}", self.headers, self.roots, self.proxy, self.settings.http_hosts);
        format!("{source:?} {:?}", sha256(way.as_bytes()))
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
            return Err(ConfigError::new("max_body_bytes", "zero", "write at least a few thousand"));
        }
        if settings.body_max > MAX_BYTES {
            return Err(ConfigError::new("max_body_bytes", "more than a key set may have", "write at most 1048576"));
        }
        let of_the_client = !self.headers.is_empty() || !self.roots.is_empty() || self.proxy.is_some();
        if self.client.is_some() && of_the_client {
            return Err(ConfigError::new(
                "client",
                "given beside a header field, certificate or proxy, which it would not know of",
                "set these on the client",
            ));
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
    use super::*;

    const URL: &str = "https://issuer.example/keys";

    fn with() -> RemoteKeysBuilder {
        RemoteKeysBuilder::new()
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_repeated() {
        let [zero, one, two] = [0, 1, 2].map(Duration::from_secs);
        let client = || with().client(Client::new());
        for (builder, field) in [
            (with().lifetime(zero, one, two), "lifetime"),
            (with().lifetime(two, one, two), "lifetime"),
            (with().lifetime(one, two, one), "lifetime"),
            (with().timeout(zero), "timeout"),
            (with().cooldown(one, 0), "burst"),
            (with().max_body_bytes(0), "max_body_bytes"),
            (with().max_body_bytes(MAX_BYTES + 1), "max_body_bytes"),
            (with().seed("secret"), "seed"),
            (with().seed(r#"{"keys":[{"kty":"oct","k":"secret"}]}"#), "seed"),
            (with().header("x secret", "1"), "header"),
            (with().header("authorization", "Bearer secret\n"), "header"),
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
        for usable in [
            with().lifetime(one, one, one),
            with().cooldown(zero, 1),
            with().max_body_bytes(MAX_BYTES),
            with().header("authorization", "Bearer secret"),
            with().proxy("http://proxy.example:3128"),
            client(),
        ] {
            assert!(usable.at(URL).is_ok());
        }
    }

    #[test]
    fn places_that_cannot_be_asked_are_named() {
        for url in ["", "issuer.example", "http://issuer.example/keys", "https://user@issuer.example/keys"] {
            assert_eq!(with().at(url).unwrap_err().field(), "jwks_url", "{url}");
            assert_eq!(with().discover(url).unwrap_err().field(), "issuer", "{url}");
            assert_eq!(with().oauth_metadata().discover(url).unwrap_err().field(), "issuer", "{url}");
            let error = with().metadata_at(url).discover("https://issuer.example").unwrap_err();
            assert_eq!(error.field(), "metadata_url", "{url}");
        }
        assert_eq!(with().discover("https://issuer.example?tenant=1").unwrap_err().field(), "issuer");
        assert!(with().allow_http("issuer.example".to_owned()).at("http://issuer.example/keys").is_ok());
    }
}
