//! The part that all presets share.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis::jose::AlgorithmSet;
#[cfg(feature = "remote")]
use portcullis::keys::RemoteKeys;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider};

use crate::explain::Refused;

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
    /// This URL.
    Url(String),
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
            Place::MetadataOf(issuer) => Arc::new(named(builder.discover(issuer))?),
            Place::Url(url) => Arc::new(named(builder.at(url))?),
        })
    }

    #[cfg(not(feature = "remote"))]
    fn remote_keys(&self, _url_field: &'static str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let (Place::MetadataOf(place) | Place::Url(place)) = &self.place;
        let problem = format!("missing, and without the feature `remote` they are not fetched from {place}");
        Err(ConfigError::new("keys", problem, "pass a key provider to keys(), or enable the feature `remote`"))
    }
}
