//! The part that all presets share.

use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "remote")]
use std::time::Duration;

use portcullis::jose::AlgorithmSet;
#[cfg(feature = "remote")]
use portcullis::keys::RemoteKeys;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Gate, Issuer, JwtVerifier, KeyProvider, TokenSource};

use crate::explain::Refused;
#[cfg(feature = "remote")]
use crate::key_set_file::KeySetFile;

/// How long a key that has its own URL is cached.
#[cfg(feature = "remote")]
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Settings of a verifier for the tokens of one issuer.
///
/// They are the issuer, the audience, the algorithms, the key location, and the checks that are particular to the issuer.
/// Keys are fetched when the first token arrives. [`Self::builder`] returns an error for an invalid setting.
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Preset<P> {
    pub(crate) source: P,
    keys: Option<Arc<dyn KeyProvider>>,
}

/// What a preset defines for its issuer.
pub trait TokenIssuer {
    /// The argument from which the preset makes the key URL. Errors about that URL name this argument.
    const URL_FIELD: &'static str = "issuer";

    /// Checks the arguments and returns the settings that every verifier needs.
    fn settings(&self) -> Result<Settings, ConfigError>;

    /// Says which kind of token was refused, for the log. Default: it does not know.
    fn explain(_refused: &Refused<'_>) -> Option<&'static str> {
        None
    }

    /// Adds the checks and required claims of the issuer. Default: it adds nothing.
    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder
    }
}

/// The settings that every verifier needs.
#[derive(Debug)]
pub struct Settings {
    pub(crate) issuers: Vec<String>,
    pub(crate) audience: Audience,
    pub(crate) algorithms: AlgorithmSet,
    pub(crate) keys: KeyLocation,
}

/// The place from which keys are fetched, and how.
#[derive(Debug)]
#[cfg_attr(
    all(not(feature = "remote"), not(test)),
    expect(dead_code, reason = "keys are fetched only with the feature `remote`")
)]
pub(crate) struct KeyLocation {
    pub(crate) place: Place,
    /// A file with the bearer token of requests, which is read for each request.
    pub(crate) token_file: Option<PathBuf>,
    /// A file with root certificates in PEM.
    pub(crate) root_certificates_file: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) enum Place {
    /// The `jwks_uri` in the metadata of this issuer.
    MetadataOf(String),
    /// This file with a key set, which is read again and again.
    File(PathBuf),
    /// Nowhere, unless the user gives keys. The text says what to call.
    Missing(&'static str),
    /// One PEM text for each key, at this URL followed by `kid`.
    PemBelow(String),
    /// This URL.
    Url(String),
}

/// A proxy that adds its token to requests, in a separate header field.
pub trait Proxy: TokenIssuer {
    /// Returns where the token is.
    fn source() -> TokenSource;
}

impl From<Place> for KeyLocation {
    fn from(place: Place) -> Self {
        Self { place, token_file: None, root_certificates_file: None }
    }
}

impl<P> Preset<P> {
    pub(crate) fn of(source: P) -> Self {
        Self { source, keys: None }
    }

    /// Takes the keys from this key provider. Default: they are fetched from the issuer.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }
}

impl<P: TokenIssuer> Preset<P> {
    /// Returns the general builder, to change further options. It has all settings and checks of the issuer.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let Settings { issuers, audience, algorithms, keys } = self.source.settings()?;
        let keys = match &self.keys {
            Some(keys) => Arc::clone(keys),
            None => keys.remote_keys(P::URL_FIELD)?,
        };
        let builder = JwtVerifier::builder(Issuer::any_of(issuers.clone()), audience, keys)
            .algorithms(algorithms)
            .explain(move |token, found| {
                let refused = Refused::new(token, found, &issuers);
                P::explain(&refused).or_else(|| refused.names_another_issuer())
            });
        Ok(self.source.refine(builder))
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}

impl<P: Proxy> Preset<P> {
    /// Returns where requests have the token: the header field of the proxy. For a gate that reads other places as well.
    #[must_use]
    pub fn token_source() -> TokenSource {
        P::source()
    }

    /// Builds the verifier and a gate that reads the token from the header field of the proxy, and from nowhere else.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        Ok(Gate::new(self.verifier()?).with_token_sources([P::source()]))
    }
}

impl KeyLocation {
    /// Returns a key provider that fetches from here. An error about the URL names `url_field`.
    #[cfg(feature = "remote")]
    fn remote_keys(&self, url_field: &'static str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let mut builder = RemoteKeys::builder();
        if let Some(path) = &self.token_file {
            builder = builder.bearer_token_file(path);
        }
        if let Some(path) = &self.root_certificates_file {
            let pem = std::fs::read(path).map_err(|error| {
                let problem = format!("{}: {error}", path.display());
                ConfigError::new("root_certificates_file", problem, "name a file with certificates in PEM")
            })?;
            builder = builder.root_certificate(pem);
        }
        let named = |keys: Result<RemoteKeys, ConfigError>| keys.map_err(|error| error.with_url_field(url_field));
        Ok(match &self.place {
            Place::File(path) => Arc::new(KeySetFile::keys(path)?),
            Place::Missing(instead) => return Err(ConfigError::new("keys", "there are none", *instead)),
            Place::PemBelow(url) => {
                // A key never changes, and the service should survive an outage.
                let builder = builder.lifetime(Duration::from_secs(60), DAY, DAY);
                Arc::new(builder.pem_below(url).map_err(|error| error.with_url_field(url_field))?)
            }
            Place::MetadataOf(issuer) => Arc::new(named(builder.discover(issuer))?),
            Place::Url(url) => Arc::new(named(builder.at(url))?),
        })
    }

    #[cfg(not(feature = "remote"))]
    fn remote_keys(&self, _url_field: &'static str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let place = match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Missing(instead) => return Err(ConfigError::new("keys", "there are none", *instead)),
            Place::MetadataOf(place) | Place::PemBelow(place) | Place::Url(place) => place.clone(),
        };
        let problem = format!("missing, and without the feature `remote` they are not fetched from {place}");
        Err(ConfigError::new("keys", problem, "pass a key provider to keys(), or enable the feature `remote`"))
    }
}
