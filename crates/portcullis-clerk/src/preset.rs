//! The preset: an instance, and the tokens to accept from it.

use std::fmt;
use std::sync::Arc;

use portcullis::checks::AuthorizedParties;
use portcullis::config::variables;
use portcullis::jose::Algorithm;
#[cfg(feature = "remote")]
use portcullis::keys::RemoteKeys;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider, TokenSource};

use crate::frontend_api::{self, InstanceIssuerForm};
use crate::grants::ClerkGrants;
use crate::publishable_key::PublishableKey;
use crate::rules::SessionSignedIn;
use crate::token_class::{TokenClass, TokenClassCheck};
use crate::{cookies, explain, jwt_key};

const PUBLISHABLE_KEY: &str = "CLERK_PUBLISHABLE_KEY";
const JWT_KEY: &str = "CLERK_JWT_KEY";
const AUTHORIZED_PARTIES: &str = "CLERK_AUTHORIZED_PARTIES";

#[cfg(feature = "remote")]
const BACKEND_API: &str = "https://api.clerk.com";

/// The prefixes of opaque tokens, which only Clerk's API can verify: API keys, machine tokens and OAuth access tokens.
const OPAQUE_PREFIXES: [&str; 3] = ["ak_", "mt_", "oat_"];

/// Settings of a verifier for the tokens of one Clerk instance.
#[derive(Clone)]
#[must_use = "call verifier() or builder()"]
pub struct Clerk {
    instance: Instance,
    authorized_parties: Option<Vec<String>>,
    pending_allowed: bool,
    classes: Vec<TokenClass>,
    audiences: Vec<String>,
    pem: Option<String>,
    keys: Option<Arc<dyn KeyProvider>>,
    #[cfg(feature = "remote")]
    secret_key: Option<String>,
    #[cfg(feature = "remote")]
    backend_api: String,
}

#[derive(Clone)]
enum Instance {
    FrontendApi(String),
    PublishableKey(PublishableKey),
    /// Only the public key is known.
    FromPem,
}

impl Clerk {
    /// Accepts the tokens of the instance that this publishable key names. Copy the key from the API keys page of the
    /// Clerk dashboard.
    ///
    /// # Errors
    /// [`ConfigError`] says why the text is not a publishable key.
    pub fn from_publishable_key(key: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self::new(Instance::PublishableKey(PublishableKey::parse(key.as_ref())?)))
    }

    /// Accepts the tokens of the instance whose Frontend API is at `host`.
    ///
    /// `host` is, for example, `clerk.example.com` or `lucky-cat-1.clerk.accounts.dev`. [`Self::builder`] returns an
    /// error for an invalid host.
    pub fn from_frontend_api(host: impl Into<String>) -> Self {
        Self::new(Instance::FrontendApi(host.into()))
    }

    /// Accepts the tokens that are signed with this instance's public key, without any network access.
    ///
    /// Copy the key from the API keys page of the Clerk dashboard. When the instance's key changes, change this one, too.
    ///
    /// The key identifies the instance. `iss` is only checked for its form, `https://clerk.{domain}` or
    /// `https://{slug}.clerk.accounts.dev`. To compare the whole issuer, use another constructor and pass the key to
    /// [`Self::pem`]. [`Self::builder`] returns an error for an invalid key.
    pub fn from_pem(pem: impl Into<String>) -> Self {
        Self::new(Instance::FromPem).pem(pem)
    }

    /// Reads the settings from environment variables.
    ///
    /// - `CLERK_PUBLISHABLE_KEY` names the instance.
    /// - `CLERK_JWT_KEY` is the public key in PEM. With it, nothing is fetched. It can also be used without
    ///   `CLERK_PUBLISHABLE_KEY`: see [`Self::from_pem`].
    /// - `CLERK_AUTHORIZED_PARTIES` is a list of origins, separated by commas (optional).
    ///
    /// Each of them restricts which tokens are accepted, so a variable that is set and blank is an error.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name, instead| variables::restriction(&lookup, name, instead);
        let pem = variable(JWT_KEY, "copy the PEM public key from the API keys page of the Clerk dashboard")?;
        if let Some(pem) = &pem {
            jwt_key::read(pem).map_err(|error| error.with_field(JWT_KEY))?;
        }
        let key = variable(PUBLISHABLE_KEY, "copy the publishable key from the API keys page of the Clerk dashboard")?;
        let clerk = match (key, pem) {
            (Some(key), pem) => {
                let clerk = Self::from_publishable_key(key).map_err(|error| error.with_field(PUBLISHABLE_KEY))?;
                Self { pem, ..clerk }
            }
            (None, Some(pem)) => Self::from_pem(pem),
            (None, None) => {
                let hint = "copy the publishable key from the API keys page of the Clerk dashboard";
                return Err(ConfigError::new(PUBLISHABLE_KEY, "not set", hint));
            }
        };
        let parties = variable(AUTHORIZED_PARTIES, "list origins, for example https://app.example.com")?;
        let Some(parties) = parties else { return Ok(clerk) };
        let clerk = clerk.authorized_parties(parties.split(',').map(str::trim));
        clerk.validate_parties().map_err(|error| error.with_field(AUTHORIZED_PARTIES))?;
        Ok(clerk)
    }

    fn new(instance: Instance) -> Self {
        Self {
            instance,
            authorized_parties: None,
            pending_allowed: false,
            classes: vec![TokenClass::Session],
            audiences: Vec::new(),
            pem: None,
            keys: None,
            #[cfg(feature = "remote")]
            secret_key: None,
            #[cfg(feature = "remote")]
            backend_api: BACKEND_API.to_owned(),
        }
    }

    /// Accepts only tokens that one of these origins asked for, for example `https://app.example.com`. `azp` is required.
    ///
    /// Always set this for session tokens: it refuses tokens that another application on your domain got. Machine tokens
    /// have no `azp`, so they need a verifier without this option.
    pub fn authorized_parties<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.authorized_parties = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Also accepts pending sessions (`sts`), for example of users who have not chosen an organization yet.
    ///
    /// Default: they are refused as `session_pending`, because Clerk does not count them as signed in.
    pub fn allow_pending(mut self) -> Self {
        self.pending_allowed = true;
        self
    }

    /// Accepts only tokens of these classes. Default: [`TokenClass::Session`].
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::ConfigError> {
    /// use portcullis_clerk::{Clerk, TokenClass};
    ///
    /// // Accepts calls from other machines to this one, `mch_…`.
    /// let machines = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")?
    ///     .token_classes([TokenClass::MachineToMachine])
    ///     .audience("mch_2xNPrLEvSPbwNGVPYqhxQ3lOGCk")
    ///     .verifier()?;
    /// # let _ = machines;
    /// # Ok(()) }
    /// ```
    pub fn token_classes(mut self, classes: impl IntoIterator<Item = TokenClass>) -> Self {
        self.classes = classes.into_iter().collect();
        self
    }

    /// Accepts only tokens for this audience. Each call adds one audience.
    ///
    /// Default: only tokens without `aud` are accepted. Session tokens have none, so a token with `aud` is for another
    /// service.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Verifies with this public key, in PEM, and fetches nothing. When the instance's key changes, change this one, too.
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.pem = Some(pem.into());
        self
    }

    /// Takes the keys from this key provider. Default: they are fetched from the instance's Frontend API.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Fetches the keys from Clerk's Backend API, with this secret key (`sk_…`), instead of from the public Frontend API.
    ///
    /// Use it for a service that can reach only `api.clerk.com`. The secret appears in no log, error or `Debug` output.
    #[cfg(feature = "remote")]
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// Sets the URL of the Backend API, which gets the secret of [`Self::secret_key`]. Default: `https://api.clerk.com`.
    #[cfg(feature = "remote")]
    pub fn backend_api(mut self, url: impl Into<String>) -> Self {
        self.backend_api = url.into();
        self
    }

    /// Returns the token source for the session cookies that browsers send.
    ///
    /// It reads `__session`. If the publishable key is known, it also reads `__session_{suffix}` with the instance's
    /// suffix. Of several cookies it takes one with a token of this instance, and of those the newest.
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::ConfigError> {
    /// use portcullis::{Gate, TokenSource};
    /// use portcullis_clerk::Clerk;
    ///
    /// let front_end = ["https://app.example.com"];
    /// let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")?.authorized_parties(front_end);
    /// let gate = Gate::new(clerk.verifier()?)
    ///     .with_token_sources([TokenSource::authorization(), clerk.session_cookies()])
    ///     .with_allowed_origins(front_end)?;
    /// # let _ = gate;
    /// # Ok(()) }
    /// ```
    ///
    /// Browsers also send cookies with requests that other sites cause. So set [`Self::authorized_parties`], and give the
    /// same origins to [`Gate::with_allowed_origins`](portcullis::Gate::with_allowed_origins): pages of other origins may then
    /// only read. Without allowed origins, unsafe requests by cookie are refused.
    #[must_use]
    pub fn session_cookies(&self) -> TokenSource {
        let suffix = match &self.instance {
            Instance::PublishableKey(key) => Some(key.cookie_suffix()),
            Instance::FrontendApi(_) | Instance::FromPem => None,
        };
        cookies::session(suffix, self.issuer().ok().flatten())
    }

    /// Returns the general builder, to change further options.
    ///
    /// It has the algorithm RS256, the instance's issuer and keys, the audience, a required `sub`, the checks of
    /// authorized parties, token class and session status, and [`ClerkGrants`].
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        self.validate_parties()?;
        if self.classes.is_empty() {
            return Err(ConfigError::new("token_classes", "empty", "name at least one, such as Session"));
        }
        let issuer = self.issuer()?;
        let (named, classes) = (issuer.clone(), self.classes.clone());
        let keys = self.key_provider(issuer.as_deref())?;
        let issuer = issuer.map_or_else(|| Issuer::by_rule(InstanceIssuerForm), Issuer::from);
        let audience = match self.audiences.as_slice() {
            [] => Audience::not_issued(),
            audiences => Audience::any_of(audiences),
        };
        let builder = JwtVerifier::builder(issuer, audience, keys)
            .algorithms(Algorithm::Rs256)
            .require_claims(["sub"])
            .grants(ClerkGrants)
            .opaque_prefixes(OPAQUE_PREFIXES)
            .explain(move |token, found| explain::explain(named.as_deref(), &classes, token, found));
        let builder = match &self.authorized_parties {
            Some(parties) => builder.check(AuthorizedParties::any_of(parties)),
            None => builder,
        };
        Ok(builder
            .check(TokenClassCheck(self.classes.clone()))
            .check(SessionSignedIn { pending_allowed: self.pending_allowed }))
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }

    fn issuer(&self) -> Result<Option<String>, ConfigError> {
        match &self.instance {
            Instance::FrontendApi(host) => frontend_api::issuer(host).map(Some),
            Instance::PublishableKey(key) => Ok(Some(key.issuer().to_owned())),
            Instance::FromPem => Ok(None),
        }
    }

    fn validate_parties(&self) -> Result<(), ConfigError> {
        let Some(parties) = &self.authorized_parties else { return Ok(()) };
        let problem = if parties.is_empty() {
            "empty"
        } else if parties.iter().any(String::is_empty) {
            "one is empty"
        } else if parties.iter().any(|party| party.ends_with('/')) {
            "one ends with a slash, but an origin does not"
        } else if parties.iter().any(|party| !party.contains("://") || party.contains('*')) {
            "one has no scheme, or has a wildcard, but the whole origin is compared"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(
            "authorized_parties",
            problem,
            "write origins exactly as browsers send them, such as https://app.example.com",
        ))
    }

    fn key_provider(&self, issuer: Option<&str>) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        match (&self.keys, &self.pem, issuer) {
            (Some(_), _, None) => Err(ConfigError::new(
                "keys",
                "set together with from_pem, which identifies the instance by its key",
                "name the instance with from_publishable_key or from_frontend_api",
            )),
            (Some(keys), ..) => Ok(Arc::clone(keys)),
            (_, Some(pem), _) => Ok(Arc::new(jwt_key::read(pem)?)),
            (_, _, Some(issuer)) => self.remote_keys(issuer),
            (_, _, None) => Err(ConfigError::new("pem", "missing", "write the public key in PEM")),
        }
    }

    /// Returns a key provider that fetches the keys: from the Backend API if there is a secret key, otherwise from the
    /// Frontend API of the instance with this issuer.
    #[cfg(feature = "remote")]
    fn remote_keys(&self, issuer: &str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let Some(secret) = &self.secret_key else {
            let keys = RemoteKeys::at(&format!("{issuer}/.well-known/jwks.json"));
            return Ok(Arc::new(keys.map_err(|error| error.with_url_field("frontend_api"))?));
        };
        let is_secret = ["sk_test_", "sk_live_"].iter().any(|prefix| secret.starts_with(prefix));
        if !is_secret || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hint = "copy it from the API keys page of the Clerk dashboard; it starts with sk_test_ or sk_live_";
            return Err(ConfigError::new("secret_key", "not a secret key", hint));
        }
        let url = format!("{}/v1/jwks", self.backend_api.trim_end_matches('/'));
        let keys = RemoteKeys::builder().header("authorization", format!("Bearer {secret}")).at(&url);
        Ok(Arc::new(keys.map_err(|error| error.with_url_field("backend_api"))?))
    }

    #[cfg(not(feature = "remote"))]
    fn remote_keys(&self, _issuer: &str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        Err(ConfigError::new(
            "keys",
            "missing, and without the feature `remote` they are not fetched",
            "pass the instance's public key to pem(), or enable the feature `remote`",
        ))
    }
}

impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk")
            .field("issuer", &self.issuer().ok().flatten())
            .field("authorized_parties", &self.authorized_parties)
            .field("token_classes", &self.classes)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}
