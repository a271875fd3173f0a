//! The issuer: mints access tokens, and makes the verifier for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis::claims::NumericDate;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Gate, JwtVerifier};

use crate::access_token::{AccessToken, InvalidClaim, Stamp, is_scope};
use crate::encoding;
use crate::issuer_url::IssuerUrl;
use crate::ring::{KeyRing, RingError};
use crate::signer::SignError;

/// The longest token, in bytes: the core's default limit.
const MAX_BYTES: usize = portcullis::verifier::jws::DEFAULT_MAX_BYTES;
/// The length of a `jti`, in random bytes.
const ID_BYTES: usize = 16;

/// Your own issuer of access tokens. A clone shares the keys.
///
/// ```
/// use portcullis_issuer::{AccessToken, Issuer, KeyRing};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The URL of this service, which is `iss` of its tokens, and the name of the API, which is `aud`.
/// let ring = KeyRing::builder().build()?;
/// let issuer = Issuer::builder("https://api.example.com", "https://api.example.com", ring).build()?;
///
/// let token = issuer.mint(&AccessToken::new("user-1", "web").scopes(["read:messages"])).await?;
/// let caller = issuer.gate()?.verify(token.as_str()).await?;
/// assert_eq!((caller.subject(), caller.client_id().as_deref()), (Some("user-1"), Some("web")));
/// assert_eq!(caller.scopes(), ["read:messages"]);
/// # Ok(()) }
/// ```
///
/// # How long a token works
///
/// Until it expires. A logout, a changed password or a withdrawn role has no effect on a token that was minted before: a
/// route that does not ask a session check accepts it until it expires
/// ([`Gate::with_check`](portcullis::Gate::with_check)). So lifetimes are minutes.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    url: IssuerUrl,
    audience: String,
    ring: KeyRing,
    lifetime: Duration,
    login: LoginEndpoints,
}

/// What the metadata says about endpoints that this crate does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginEndpoints {
    pub(crate) authorization: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) scopes: Vec<String>,
}

/// The options of an [`Issuer`]; from [`Issuer::builder`].
#[derive(Debug)]
#[must_use = "call build()"]
pub struct IssuerBuilder {
    url: String,
    audience: String,
    ring: KeyRing,
    lifetime: Option<Duration>,
    login: LoginEndpoints,
}

/// An access token that was minted. `Debug` does not show it.
#[derive(Clone)]
pub struct MintedToken {
    text: String,
    id: String,
    issued_at: NumericDate,
    expires_at: NumericDate,
}

/// Why a token could not be minted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A claim has a value that it cannot have.
    #[error("claim {name}: {problem}")]
    Claim {
        /// The name of the claim.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The lifetime is shorter than a second, or longer than the ring allows.
    #[error("the lifetime is {seconds} seconds; it must be 1 to {max}, as KeyRingBuilder::max_token_lifetime sets")]
    Lifetime {
        /// The lifetime, in seconds.
        seconds: u64,
        /// The longest lifetime, in seconds.
        max: u64,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for the identifier of the token")]
    Random,
    /// The ring has no key at the moment: its store is unavailable.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The token is longer than the 16,384 bytes that verifiers accept.
    #[error("the token has {bytes} bytes, and verifiers accept 16384; put large data elsewhere than into claims")]
    TooLarge {
        /// The length of the token.
        bytes: usize,
    },
}

impl Issuer {
    /// Starts an issuer: `url` is `iss` of its tokens, and `audience` their `aud`.
    ///
    /// `url` is where other services find the metadata, so it is the URL of this service as they reach it.
    pub fn builder(url: impl Into<String>, audience: impl Into<String>, ring: KeyRing) -> IssuerBuilder {
        IssuerBuilder {
            url: url.into(),
            audience: audience.into(),
            ring,
            lifetime: None,
            login: LoginEndpoints::default(),
        }
    }

    /// Mints a token: adds `iss`, `aud`, `iat`, `exp` and a random `jti` of 128 bits, and signs it with the active key.
    ///
    /// # Errors
    /// [`MintError::Claim`], [`MintError::Lifetime`] and [`MintError::TooLarge`] for a token that cannot be;
    /// [`MintError::Ring`] and [`MintError::Sign`] when the ring or the key is unavailable, which is a 503.
    pub async fn mint(&self, token: &AccessToken) -> Result<MintedToken, MintError> {
        let Inner { url, audience, ring, .. } = &*self.0;
        let issued_at = ring.clock().now().seconds();
        token.validate(issued_at)?;
        let lifetime = token.lifetime.unwrap_or(self.0.lifetime);
        let seconds = check_lifetime(lifetime, ring.max_token_lifetime())?;
        let expires_at = issued_at.saturating_add(seconds);
        let id = new_id()?;
        let stamp = Stamp { issuer: url.as_str(), audience, issued_at, expires_at, id: &id };
        // Every value is JSON already, so this does not fail.
        let invalid = |_| InvalidClaim { name: String::new(), problem: "not JSON" };
        let payload = token.payload(&stamp).map_err(invalid)?;
        let key = ring.active().await?;
        // Enough for all but the signatures of ML-DSA.
        let mut text = String::with_capacity(key.header.len() + payload.len() / 3 * 4 + 512);
        text.push_str(&key.header);
        text.push('.');
        encoding::append_url(&mut text, &payload);
        let signature = key.sign(text.as_bytes()).await?;
        text.push('.');
        encoding::append_url(&mut text, &signature);
        if text.len() > MAX_BYTES {
            return Err(MintError::TooLarge { bytes: text.len() });
        }
        let date = |seconds| NumericDate::from_unix(seconds, 0);
        Ok(MintedToken { text, id, issued_at: date(issued_at), expires_at: date(expires_at) })
    }

    /// Returns the gate for its tokens. To set options, build it from [`Self::verifier`].
    ///
    /// # Errors
    /// None for an issuer that was built: issuer and audience are already checked.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        Ok(Gate::new(self.verifier().build()?))
    }

    /// Returns a builder of the verifier for its tokens, to set options. It uses the ring, without any network.
    ///
    /// It accepts only access tokens (`at+jwt`) with all claims that RFC 9068 §2.2 requires.
    pub fn verifier(&self) -> JwtVerifierBuilder {
        let Inner { url, audience, ring, .. } = &*self.0;
        JwtVerifier::builder(url.as_str(), Audience::any_of([audience.as_str()]), ring.clone())
            .token_types(["at+jwt"])
            .require_claims(["sub", "client_id", "iat", "jti"])
            .clock(ring.clock())
    }

    /// Returns the URL: `iss` of the tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// Returns the key ring, for example to rotate.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    pub(crate) fn parsed_url(&self) -> &IssuerUrl {
        &self.0.url
    }

    pub(crate) fn login(&self) -> &LoginEndpoints {
        &self.0.login
    }
}

impl IssuerBuilder {
    /// Sets the lifetime of tokens. Default: 10 minutes, or the longest lifetime of the ring if that is shorter. The longest
    /// is [`KeyRingBuilder::max_token_lifetime`](crate::KeyRingBuilder::max_token_lifetime), 1 hour by default.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Names the authorization endpoint in the metadata, if the service has one. This crate does not.
    pub fn authorization_endpoint(mut self, url: impl Into<String>) -> Self {
        self.login.authorization = Some(url.into());
        self
    }

    /// Names the token endpoint in the metadata, if the service has one. This crate does not.
    pub fn token_endpoint(mut self, url: impl Into<String>) -> Self {
        self.login.token = Some(url.into());
        self
    }

    /// Names scopes in the metadata that clients may ask for.
    pub fn scopes_supported<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.login.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Builds the issuer.
    ///
    /// # Errors
    /// [`ConfigError`] names all options that cannot be used, and what to write instead.
    pub fn build(self) -> Result<Issuer, ConfigError> {
        let mut errors = Vec::new();
        let endpoints = [("authorization_endpoint", &self.login.authorization), ("token_endpoint", &self.login.token)];
        for (field, endpoint) in endpoints {
            errors.extend(endpoint.as_ref().and_then(|endpoint| IssuerUrl::parse(field, endpoint, true).err()));
        }
        if self.audience.is_empty() {
            let hint = "write the name of the API, for example its URL";
            errors.push(ConfigError::new("audience", "empty", hint));
        }
        if !self.login.scopes.iter().all(|scope| is_scope(scope)) {
            errors.push(ConfigError::new("scopes_supported", "not a scope", "write each scope as one text"));
        }
        let longest = self.ring.max_token_lifetime();
        let lifetime = self.lifetime.unwrap_or(Duration::from_secs(10 * 60).min(longest));
        if let Err(error) = check_lifetime(lifetime, longest) {
            let hint = "write minutes, or raise KeyRingBuilder::max_token_lifetime";
            errors.push(ConfigError::new("lifetime", error.to_string(), hint));
        }
        let url = IssuerUrl::parse("issuer", &self.url, false);
        let (url, ()) = ConfigError::both(url, ConfigError::all(errors))?;
        let (audience, ring, login) = (self.audience, self.ring, self.login);
        Ok(Issuer(Arc::new(Inner { url, audience, ring, lifetime, login })))
    }
}

impl MintedToken {
    /// Returns the token in compact form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the token in compact form.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns `jti`, the identifier of the token, with which it can be revoked.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns `exp`, when the token expires.
    #[must_use]
    pub fn expires_at(&self) -> NumericDate {
        self.expires_at
    }

    /// Returns the lifetime of the token, the `expires_in` of a response (RFC 6749 §5.1), in seconds.
    #[must_use]
    pub fn expires_in(&self) -> i64 {
        self.expires_at.seconds().saturating_sub(self.issued_at.seconds())
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url()).field("ring", self.ring()).finish_non_exhaustive()
    }
}

impl From<InvalidClaim> for MintError {
    fn from(InvalidClaim { name, problem }: InvalidClaim) -> Self {
        Self::Claim { name, problem }
    }
}

/// Returns the lifetime in whole seconds.
fn check_lifetime(lifetime: Duration, longest: Duration) -> Result<i64, MintError> {
    let (seconds, max) = (lifetime.as_secs(), longest.as_secs());
    match i64::try_from(seconds) {
        Ok(whole) if whole >= 1 && lifetime <= longest => Ok(whole),
        _ => Err(MintError::Lifetime { seconds, max }),
    }
}

fn new_id() -> Result<String, MintError> {
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| MintError::Random)?;
    Ok(encoding::url(&bytes))
}
