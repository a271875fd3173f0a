//! The preset: an instance, and what of its tokens is accepted.

use std::fmt;
use std::sync::Arc;

use portcullis::checks::AuthorizedParties;
use portcullis::config::variables;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::keys::RemoteKeys;
use portcullis::verifier::{JwtVerifierBuilder, UnverifiedToken};
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider, TokenSource};

use crate::frontend_api::{self, InstanceIssuerForm};
use crate::grants::ClerkGrants;
use crate::publishable_key::PublishableKey;
use crate::rules::SessionSignedIn;
use crate::token_class::{TokenClass, TokenClassCheck};
use crate::{cookies, jwt_key};

const PUBLISHABLE_KEY: &str = "CLERK_PUBLISHABLE_KEY";
const JWT_KEY: &str = "CLERK_JWT_KEY";
const AUTHORIZED_PARTIES: &str = "CLERK_AUTHORIZED_PARTIES";

const BACKEND_API: &str = "https://api.clerk.com";

/// What opaque tokens start with: API keys, machines' and OAuth access tokens.
const OPAQUE_PREFIXES: [&str; 3] = ["ak_", "mt_", "oat_"];

/// A verifier of the tokens of one Clerk instance.
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
    secret_key: Option<String>,
    backend_api: String,
}

#[derive(Clone)]
enum Instance {
    FrontendApi(String),
    PublishableKey(PublishableKey),
    /// Known by its public key alone.
    FromPem,
}

impl Clerk {
    /// The instance of this publishable key, from the API keys page of the Clerk dashboard.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no publishable key.
    pub fn from_publishable_key(key: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self::new(Instance::PublishableKey(PublishableKey::parse(key.as_ref())?)))
    }

    /// The instance whose Frontend API is at `host`, such as `clerk.example.com` or `lucky-cat-1.clerk.accounts.dev`.
    /// What is wrong with it, [`Self::builder`] says.
    pub fn from_frontend_api(host: impl Into<String>) -> Self {
        Self::new(Instance::FrontendApi(host.into()))
    }

    /// The instance whose public key is `pem`, from the API keys page of the Clerk dashboard. Nothing is fetched, ever;
    /// when the key is changed, this one has to be changed too.
    ///
    /// The key is the instance's own, so all else that is known of the issuer is its form: `https://clerk.{domain}` or
    /// `https://{slug}.clerk.accounts.dev`. To have it compared as a whole, name the instance and give the key to
    /// [`Self::pem`]. What is wrong with the key, [`Self::builder`] says.
    pub fn from_pem(pem: impl Into<String>) -> Self {
        Self::new(Instance::FromPem).pem(pem)
    }

    /// Reads `CLERK_PUBLISHABLE_KEY`, or `CLERK_JWT_KEY` with the public key in PEM, or both, which names the instance
    /// and fetches nothing; and `CLERK_AUTHORIZED_PARTIES`, separated by commas.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what to write.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// [`Self::from_env`], with variables that `lookup` knows.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what to write.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name| variables::given(&lookup, name);
        let pem = variable(JWT_KEY)?;
        if let Some(pem) = &pem {
            jwt_key::read(pem).map_err(|error| error.with_field(JWT_KEY))?;
        }
        let clerk = match (variable(PUBLISHABLE_KEY)?, pem) {
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
        let Some(parties) = variable(AUTHORIZED_PARTIES)? else { return Ok(clerk) };
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
            secret_key: None,
            backend_api: BACKEND_API.to_owned(),
        }
    }

    /// Accepts tokens that one of these origins asked for, such as `https://app.example.com`, and no others: `azp` must be
    /// there and be one of them. Name them always: they keep out what another application on your domain obtains.
    ///
    /// Tokens of machines have no `azp`, so that they need a verifier without this.
    pub fn authorized_parties<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.authorized_parties = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts sessions that are pending (`sts`): users who have still to choose an organization, say. Clerk does not
    /// count them as signed in, and neither do we otherwise.
    pub fn allow_pending(mut self) -> Self {
        self.pending_allowed = true;
        self
    }

    /// Accepts tokens of these classes and no others. Default: [`TokenClass::Session`].
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::ConfigError> {
    /// use portcullis_clerk::{Clerk, TokenClass};
    ///
    /// // Calls between machines: the token is for this one, `mch_…`.
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

    /// Accepts tokens for this audience, and none without one. Call it once for each. Default: session tokens have no
    /// `aud`, and a token that has one is for somebody else.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Uses this public key, in PEM, and fetches nothing. When the key is changed, this one has to be changed too.
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.pem = Some(pem.into());
        self
    }

    /// Takes the keys from here instead of from the instance's Frontend API.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Fetches the keys from Clerk's Backend API with this secret key, `sk_…`, instead of from the Frontend API, which
    /// has them for everybody: for services that reach `api.clerk.com` alone. The secret is shown nowhere.
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// Where the Backend API is, for [`Self::secret_key`]. Default: `https://api.clerk.com`. The secret goes there.
    pub fn backend_api(mut self, url: impl Into<String>) -> Self {
        self.backend_api = url.into();
        self
    }

    /// Where browsers have the session token: in `__session`, and where the publishable key is known, in `__session_` and
    /// a suffix that is the instance's own. Where both are there, the one of this instance is taken, and of two the newer.
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::ConfigError> {
    /// use portcullis::{Gate, TokenSource};
    /// use portcullis_clerk::Clerk;
    ///
    /// let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")?
    ///     .authorized_parties(["https://app.example.com"]);
    /// let gate = Gate::new(clerk.verifier()?)
    ///     .with_token_sources([TokenSource::Authorization, clerk.session_cookies()]);
    /// # let _ = gate;
    /// # Ok(()) }
    /// ```
    ///
    /// Browsers send cookies along with whatever request any site causes: name [`Self::authorized_parties`], and guard
    /// what changes something against cross-site requests.
    #[must_use]
    pub fn session_cookies(&self) -> TokenSource {
        let suffix = match &self.instance {
            Instance::PublishableKey(key) => Some(key.cookie_suffix()),
            Instance::FrontendApi(_) | Instance::FromPem => None,
        };
        cookies::session(suffix, self.issuer().ok().flatten())
    }

    /// The general builder, with all of this set: RS256, the instance's issuer and keys, the audience, `sub`, the rules
    /// for parties, classes and sessions, and [`ClerkGrants`].
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        self.validate_parties()?;
        if self.classes.is_empty() {
            return Err(ConfigError::new("token_classes", "none is given", "name at least one, such as Session"));
        }
        let issuer = self.issuer()?;
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
            .explain(name_opaque);
        let builder = match &self.authorized_parties {
            Some(parties) => builder.check(AuthorizedParties::any_of(parties)),
            None => builder,
        };
        Ok(builder
            .check(TokenClassCheck(self.classes.clone()))
            .check(SessionSignedIn { pending_allowed: self.pending_allowed }))
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that can't be used and what to write instead.
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
            "none is given"
        } else if parties.iter().any(String::is_empty) {
            "one is empty"
        } else if parties.iter().any(|party| party.ends_with('/')) {
            "one ends with a slash, which no origin does"
        } else if parties.iter().any(|party| !party.contains("://") || party.contains('*')) {
            "one has no scheme, or a wildcard: each is compared whole"
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
        match (&self.keys, &self.pem, &self.secret_key, issuer) {
            (Some(_), _, _, None) => Err(ConfigError::new(
                "keys",
                "given beside from_pem, which knows the instance by its key alone",
                "name the instance with from_publishable_key or from_frontend_api",
            )),
            (Some(keys), ..) => Ok(Arc::clone(keys)),
            (_, Some(pem), ..) => Ok(Arc::new(jwt_key::read(pem)?)),
            (_, _, Some(secret), _) => self.backend_keys(secret),
            (_, _, _, Some(issuer)) => {
                let keys = RemoteKeys::at(&format!("{issuer}/.well-known/jwks.json"));
                Ok(Arc::new(keys.map_err(|error| error.with_field("frontend_api"))?))
            }
            (_, _, _, None) => Err(ConfigError::new("pem", "none is given", "give the public key in PEM")),
        }
    }

    fn backend_keys(&self, secret: &str) -> Result<Arc<dyn KeyProvider>, ConfigError> {
        let is_secret = ["sk_test_", "sk_live_"].iter().any(|prefix| secret.starts_with(prefix));
        if !is_secret || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hint = "copy it from the API keys page of the Clerk dashboard; it starts with sk_test_ or sk_live_";
            return Err(ConfigError::new("secret_key", "not a secret key", hint));
        }
        let url = format!("{}/v1/jwks", self.backend_api.trim_end_matches('/'));
        let keys = RemoteKeys::builder().header("authorization", format!("Bearer {secret}")).at(&url);
        Ok(Arc::new(keys.map_err(|error| error.with_field("backend_api"))?))
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

/// Clerk's opaque tokens have to be shown to Clerk's API; no key helps.
fn name_opaque(token: &UnverifiedToken<'_>, found: InvalidToken) -> InvalidToken {
    match found {
        InvalidToken::NotCompactJws if OPAQUE_PREFIXES.iter().any(|prefix| token.text().starts_with(prefix)) => {
            InvalidToken::OpaqueToken
        }
        other => other,
    }
}
