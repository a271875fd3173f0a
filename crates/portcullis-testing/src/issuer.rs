//! The issuer: its keys, and the key set that it publishes.

use std::fmt;
use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, Gate, JwtVerifier};
use serde_json::{Map, Value, json};

use crate::samples::Samples;
use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// An issuer for tests, with freshly generated keys. **For tests only.**
///
/// Constructors make an issuer with random keys: [`TestIssuer::new`] for no particular identity provider,
/// [`TestIssuer::auth0`], [`TestIssuer::keycloak`] and others for tokens like those of one. Methods that begin with
/// `with_` change one property of the issuer.
#[derive(Clone)]
pub struct TestIssuer {
    url: String,
    audience: String,
    keys: Vec<Arc<SigningKey>>,
    customize_token: Arc<CustomizeToken>,
    customize_jwk: Arc<CustomizeJwk>,
    published_jwks: Vec<Value>,
    pub(crate) samples: Samples,
}

type CustomizeToken = dyn Fn(TokenBuilder) -> TokenBuilder + Send + Sync;
type CustomizeJwk = dyn Fn(&mut Map<String, Value>) + Send + Sync;

impl TestIssuer {
    /// Makes an issuer with one RS256 key. Its URL is `https://issuer.test/`, its audience `https://api.test`.
    #[must_use]
    pub fn new() -> Self {
        Self::from_algorithms([Algorithm::Rs256])
    }

    /// Makes an issuer with one key for each of `algorithms`. Tokens are signed with the first key by default.
    pub fn from_algorithms(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let issuer = Self {
            url: "https://issuer.test/".to_owned(),
            audience: "https://api.test".to_owned(),
            keys: Vec::new(),
            customize_token: Arc::new(|token| token),
            customize_jwk: Arc::new(|_| {}),
            published_jwks: Vec::new(),
            samples: |_| Vec::new(),
        };
        issuer.with_more_algorithms(algorithms)
    }

    /// Sets the issuer's URL: `iss` of its tokens.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets the audience: `aud` of its tokens.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Changes every valid token with `shape`, for example to add the claims of an identity provider.
    ///
    /// ```
    /// let issuer = portcullis_testing::TestIssuer::new().with_tokens(|token| token.header("typ", "JWT").claim("tid", "t1"));
    /// assert_eq!(issuer.token().claims()["tid"], "t1");
    /// ```
    #[must_use]
    pub fn with_tokens(mut self, shape: impl Fn(TokenBuilder) -> TokenBuilder + Send + Sync + 'static) -> Self {
        self.customize_token = Arc::new(shape);
        self
    }

    /// Changes every published key with `shape`, for example to remove `alg`.
    ///
    /// ```
    /// let issuer = portcullis_testing::TestIssuer::new().with_published_keys(|jwk| {
    ///     jwk.remove("alg");
    /// });
    /// assert!(!issuer.jwks().contains("RS256\","));
    /// ```
    #[must_use]
    pub fn with_published_keys(mut self, shape: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        self.customize_jwk = Arc::new(shape);
        self
    }

    /// Sets the tokens of every kind.
    #[must_use]
    pub(crate) fn with_samples(mut self, samples: Samples) -> Self {
        self.samples = samples;
        self
    }

    /// Also publishes this JWK, for example an encryption key. The issuer never signs with it.
    #[must_use]
    pub fn with_published_jwk(mut self, jwk: Value) -> Self {
        self.published_jwks.push(jwk);
        self
    }

    /// Adds a key for each of `algorithms` after the existing keys.
    #[must_use]
    pub fn with_more_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        for algorithm in algorithms {
            let number = self.keys.iter().filter(|key| key.algorithm() == algorithm).count() + 1;
            self.keys.push(Arc::new(SigningKey::generate(algorithm, format!("{algorithm}-{number}"))));
        }
        self
    }

    /// Replaces all keys. Tokens are signed with the first key by default.
    #[must_use]
    pub(crate) fn with_signing_keys(mut self, keys: Vec<Arc<SigningKey>>) -> Self {
        self.keys = keys;
        self
    }

    /// Returns the issuer's URL: `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the audience: `aud` of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Returns the issuer's keys.
    #[must_use]
    pub fn signing_keys(&self) -> &[Arc<SigningKey>] {
        &self.keys
    }

    /// Returns the key that signs by default.
    ///
    /// # Panics
    /// If the issuer was made without keys.
    #[must_use]
    #[allow(clippy::expect_used, reason = "an issuer without keys is an error in the test")]
    pub fn first_key(&self) -> &Arc<SigningKey> {
        self.keys.first().expect("the issuer has at least one key")
    }

    /// Returns the published JWK Set. It contains all public keys and no secret.
    #[must_use]
    pub fn jwks(&self) -> String {
        let own = self.keys.iter().filter(|key| !key.algorithm().is_symmetric()).map(|key| self.published(key));
        let public: Vec<_> = own.chain(self.published_jwks.iter().cloned()).collect();
        json!({ "keys": public }).to_string()
    }

    fn published(&self, key: &SigningKey) -> Value {
        let mut jwk = key.jwk();
        if let Some(members) = jwk.as_object_mut() {
            (self.customize_jwk)(members);
        }
        jwk
    }

    /// Returns the first public key as PEM.
    ///
    /// # Panics
    /// If all keys are secrets.
    #[must_use]
    #[allow(clippy::expect_used, reason = "asking a secret for its public key is an error in the test")]
    pub fn public_key_pem(&self) -> String {
        self.keys.iter().find_map(|key| key.public_key_pem()).expect("the issuer has a public key")
    }

    /// Returns a key provider with the keys that verify its tokens, including secrets.
    ///
    /// # Panics
    /// If [`Self::with_published_keys`] made a key unusable.
    #[must_use]
    #[allow(clippy::expect_used, reason = "an unusable key is an error in the test")]
    pub fn keys(&self) -> FixedKeys {
        FixedKeys::keys(self.keys.iter().map(|key| {
            Arc::new(if key.algorithm().is_symmetric() {
                key.verifying_key()
            } else {
                VerifyingKey::from_jwk(&self.published(key).to_string()).expect("the published key is usable")
            })
        }))
    }

    /// Returns a builder of a verifier for its tokens, to set options.
    pub fn verifier(&self) -> JwtVerifierBuilder {
        JwtVerifier::builder(self.url.as_str(), Audience::any_of([self.audience.as_str()]), self.keys())
    }

    /// Returns a gate for its tokens.
    ///
    /// # Panics
    /// If the issuer's URL or audience is empty.
    #[must_use]
    #[allow(clippy::expect_used, reason = "an empty URL is an error in the test")]
    pub fn gate(&self) -> Gate {
        Gate::new(self.verifier().build().expect("the issuer has a URL and an audience"))
    }

    /// Returns a valid token, to change and sign.
    pub fn token(&self) -> TokenBuilder {
        (self.customize_token)(TokenBuilder::new(self.first_key(), &self.keys, &self.url, &self.audience))
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer")
            .field("url", &self.url)
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}
