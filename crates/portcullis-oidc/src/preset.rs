//! What all presets have in common.

use std::sync::Arc;

use portcullis::{
    AlgorithmSet, Audience, ConfigError, Issuer, JwtVerifier, JwtVerifierBuilder, KeyProvider, RemoteKeys,
};

/// A verifier to be, of the tokens of one provider: issuer, audience, algorithms, where the keys are, and the provider's
/// own rules.
///
/// Nothing is fetched before the first token, and what is wrong with a name shows in [`Self::builder`].
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Preset<P> {
    pub(crate) provider: P,
    keys: Option<Arc<dyn KeyProvider>>,
}

/// What is particular to a provider.
pub trait Provider {
    /// What can't be left out.
    fn settings(&self) -> Result<Settings, ConfigError>;

    /// The rules beyond that.
    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder
    }
}

/// What a verifier can't do without.
#[derive(Debug)]
pub struct Settings {
    pub(crate) issuers: Vec<String>,
    pub(crate) audience: Audience,
    pub(crate) algorithms: AlgorithmSet,
    pub(crate) keys: KeysAt,
}

/// Where a provider's keys are.
#[derive(Debug)]
pub(crate) enum KeysAt {
    /// At this URL.
    Url(String),
}

impl<P> Preset<P> {
    pub(crate) fn of(provider: P) -> Self {
        Self { provider, keys: None }
    }

    /// Takes the keys from here instead of from the provider.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }
}

#[allow(private_bounds, reason = "presets are for the providers of this crate alone")]
impl<P: Provider> Preset<P> {
    /// The general builder, with everything of the provider set.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let Settings { issuers, audience, algorithms, keys } = self.provider.settings()?;
        let keys = match &self.keys {
            Some(keys) => Arc::clone(keys),
            None => Arc::new(keys.provider()?),
        };
        let builder = JwtVerifier::builder(Issuer::any_of(issuers), audience, keys).algorithms(algorithms);
        Ok(self.provider.refine(builder))
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}

impl KeysAt {
    fn provider(&self) -> Result<RemoteKeys, ConfigError> {
        match self {
            Self::Url(url) => RemoteKeys::at(url),
        }
    }
}
