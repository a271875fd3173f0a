//! The HTTP client, and its options.

use std::fmt;
use std::path::PathBuf;

use reqwest::{Certificate, Client, ClientBuilder, Proxy, Url};

use crate::endpoint;
use crate::error::ConfigError;
use crate::requests::{RequestHeaders, environment_proxy};

/// Idle connections kept per host. A kept connection belongs to one runtime. When that runtime stops, a later request on
/// the connection would hang.
const IDLE_CONNECTIONS: usize = 0;

/// How requests are sent.
#[derive(Clone, Default)]
pub(crate) struct RequestOptions {
    pub(crate) client: Option<Client>,
    pub(crate) root_certificates: Vec<Vec<u8>>,
    pub(crate) proxy: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    /// A file with the bearer token of requests.
    pub(crate) token_file: Option<PathBuf>,
    /// Hosts that may be asked over plain HTTP.
    pub(crate) http_hosts: Vec<String>,
}

/// A client, and the header fields that its requests carry.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    pub(crate) client: Client,
    pub(crate) headers: RequestHeaders,
}

impl RequestOptions {
    /// Parses a URL that may be asked.
    pub(crate) fn endpoint(&self, field: &'static str, url: &str) -> Result<Url, ConfigError> {
        endpoint::parse(url, &self.http_hosts).map_err(|problem| {
            ConfigError::new(
                field,
                problem,
                "write an https URL, for example https://issuer.example/; plain http is only for this machine, and for \
                 hosts that dangerous_allow_http_hosts or portcullis::dangerous::allow_http names",
            )
        })
    }

    /// Whether an option is set that a client of the user would not use.
    pub(crate) fn has_client_options(&self) -> bool {
        !self.headers.is_empty()
            || self.token_file.is_some()
            || !self.root_certificates.is_empty()
            || self.proxy.is_some()
    }

    /// Refuses options that the client of the user would not use.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.client.is_some() && self.has_client_options() {
            return Err(ConfigError::new(
                "client",
                "header fields, certificates or a proxy are set as well, and the client would not use them",
                "set them on the client",
            ));
        }
        Ok(())
    }

    /// Makes the client and its header fields. `named` are the URLs that the configuration names, and `accept` is the default
    /// `Accept`. With `needs_https`, an error says that the system has no certificates; otherwise the log says so.
    pub(crate) fn build(
        &self,
        accept: &'static str,
        named: Vec<Url>,
        needs_https: bool,
    ) -> Result<Requests, ConfigError> {
        let (headers, client) = match &self.client {
            Some(client) => (Ok(RequestHeaders::default()), Ok(client.clone())),
            None => (
                RequestHeaders::of(&self.headers, self.token_file.as_deref(), accept, named),
                self.build_client(needs_https),
            ),
        };
        let (headers, client) = ConfigError::both(headers, client)?;
        Ok(Requests { client, headers })
    }

    /// Everything that may change an answer, for the key of a cache. It holds secrets.
    pub(crate) fn fingerprint(&self) -> String {
        let Self { headers, token_file, root_certificates, proxy, http_hosts, .. } = self;
        format!("{headers:?} {token_file:?} {root_certificates:?} {proxy:?} {http_hosts:?}")
    }

    fn build_client(&self, needs_https: bool) -> Result<Client, ConfigError> {
        let client = self.client_options()?;
        match client.build() {
            Ok(client) => Ok(client),
            Err(error) if !self.root_certificates.is_empty() => Err(ConfigError::new(
                "root_certificate",
                format!("a certificate cannot be used: {}", deepest_cause(&error)),
                "write certificates of certificate authorities in PEM",
            )),
            // Everything else is checked before, so the certificates of the system are missing.
            Err(error) if needs_https => Err(no_certificates(&error)),
            Err(error) => {
                tracing::warn!(
                    because = %deepest_cause(&error),
                    "the system has no CA store, so keys cannot be fetched over https; plain http is not affected"
                );
                // Without any trusted certificate, each https request fails.
                self.client_options()?.tls_certs_only([]).build().map_err(|error| no_certificates(&error))
            }
        }
    }

    fn client_options(&self) -> Result<ClientBuilder, ConfigError> {
        // Redirects are off, because only the URL is configured, not where it leads. Proxies of the environment are off.
        // The time limit is that of the caller, for all its requests together.
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            // The rest is the default of reqwest, unless another crate of the program enables its features.
            .http1_only()
            .no_brotli()
            .no_deflate()
            .no_gzip()
            .no_hickory_dns()
            .no_zstd()
            .referer(false)
            .retry(reqwest::retry::never())
            .tls_backend_rustls();
        if self.proxy.is_none() {
            environment_proxy::warn_once();
        }
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.as_str()).map_err(|_| {
                ConfigError::new("proxy", "not a URL", "write the proxy's URL, for example http://proxy:3128")
            })?;
            client = client.proxy(proxy);
        }
        for pem in &self.root_certificates {
            let certificates =
                Certificate::from_pem_bundle(pem).ok().filter(|all| !all.is_empty()).ok_or_else(|| {
                    ConfigError::new("root_certificate", "no certificate in it", "write a certificate in PEM")
                })?;
            client = client.tls_certs_merge(certificates);
        }
        Ok(client)
    }
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions").field("http_hosts", &self.http_hosts).finish_non_exhaustive()
    }
}

/// Returns the error that https has no root certificates to trust.
fn no_certificates(error: &reqwest::Error) -> ConfigError {
    ConfigError::new(
        "root_certificate",
        format!("the system has no CA store, which https needs: {}", deepest_cause(error)),
        "install the package ca-certificates, or copy /etc/ssl/certs into the container image, or set SSL_CERT_FILE to a PEM \
         file; root_certificates_file and RemoteKeysBuilder::root_certificate name such a file as well",
    )
}

fn deepest_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
