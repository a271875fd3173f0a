//! The issuer: keys, and what it publishes of them.

use std::fmt;
use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, Gate, JwtVerifier};
use serde_json::{Map, Value, json};

use crate::signing_key::SigningKey;
use crate::token::TokenBuilder;

/// An identity provider for tests, with keys of its own.
#[derive(Clone)]
pub struct TestIssuer {
    url: String,
    audience: String,
    keys: Vec<Arc<SigningKey>>,
    customize_token: Arc<CustomizeToken>,
    customize_jwk: Arc<CustomizeJwk>,
    published_jwks: Vec<Value>,
}

type CustomizeToken = dyn Fn(TokenBuilder) -> TokenBuilder + Send + Sync;
type CustomizeJwk = dyn Fn(&mut Map<String, Value>) + Send + Sync;

impl TestIssuer {
    /// An issuer with one RS256 key.
    #[must_use]
    pub fn new() -> Self {
        Self::from_algorithms([Algorithm::Rs256])
    }

    /// An issuer with one key for each of `algorithms`; tokens are signed with the first unless told otherwise.
    pub fn from_algorithms(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let issuer = Self {
            url: "https://issuer.test/".to_owned(),
            audience: "https://api.test".to_owned(),
            keys: Vec::new(),
            customize_token: Arc::new(|token| token),
            customize_jwk: Arc::new(|_| {}),
            published_jwks: Vec::new(),
        };
        issuer.with_more_algorithms(algorithms)
    }

    /// The same keys under another name.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// The same keys for another audience.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// The same issuer, whose good tokens all have what `shape` gives them: the claims of a provider, say.
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

    /// The same issuer, which publishes its public keys as `shape` changes them: without `alg`, say, or with members of
    /// a provider.
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

    /// The same issuer, which publishes this JWK too: one that is not for signatures, say. It signs nothing with it.
    #[must_use]
    pub fn with_published_jwk(mut self, jwk: Value) -> Self {
        self.published_jwks.push(jwk);
        self
    }

    /// The same issuer with a further key for each of `algorithms`, behind those that it has.
    #[must_use]
    pub fn with_more_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        for algorithm in algorithms {
            let number = self.keys.iter().filter(|key| key.algorithm() == algorithm).count() + 1;
            self.keys.push(Arc::new(SigningKey::generate(algorithm, format!("{algorithm}-{number}"))));
        }
        self
    }

    /// The same issuer with other keys; the first signs unless told otherwise.
    #[must_use]
    pub(crate) fn with_signing_keys(mut self, keys: Vec<Arc<SigningKey>>) -> Self {
        self.keys = keys;
        self
    }

    /// `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `aud` of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Its keys.
    #[must_use]
    pub fn signing_keys(&self) -> &[Arc<SigningKey>] {
        &self.keys
    }

    /// The key that signs unless told otherwise.
    ///
    /// # Panics
    /// When the issuer was made without keys.
    #[must_use]
    #[allow(clippy::expect_used, reason = "an issuer without keys is a mistake in the test")]
    pub fn first_key(&self) -> &Arc<SigningKey> {
        self.keys.first().expect("an issuer for tests has at least one key")
    }

    /// The JWK Set that it publishes: all public keys, no secret.
    #[must_use]
    pub fn jwks(&self) -> String {
        let ours = self.keys.iter().filter(|key| !key.algorithm().is_symmetric()).map(|key| self.published(key));
        let public: Vec<_> = ours.chain(self.published_jwks.iter().cloned()).collect();
        json!({ "keys": public }).to_string()
    }

    fn published(&self, key: &SigningKey) -> Value {
        let mut jwk = key.jwk();
        if let Some(members) = jwk.as_object_mut() {
            (self.customize_jwk)(members);
        }
        jwk
    }

    /// The first public key as PEM.
    ///
    /// # Panics
    /// When all keys are secrets.
    #[must_use]
    #[allow(clippy::expect_used, reason = "asking a secret for its public key is a mistake in the test")]
    pub fn public_key_pem(&self) -> String {
        self.keys.iter().find_map(|key| key.public_key_pem()).expect("the issuer has a public key")
    }

    /// The keys that verify its tokens, secrets included.
    ///
    /// # Panics
    /// When a key was shaped into one that can't be used.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a key that can't be used is a mistake in the test")]
    pub fn keys(&self) -> FixedKeys {
        FixedKeys::keys(self.keys.iter().map(|key| {
            Arc::new(if key.algorithm().is_symmetric() {
                key.verifying_key()
            } else {
                VerifyingKey::from_jwk(&self.published(key).to_string()).expect("the published key can be used")
            })
        }))
    }

    /// A verifier of its tokens, to be built.
    pub fn verifier(&self) -> JwtVerifierBuilder {
        JwtVerifier::builder(self.url.as_str(), Audience::any_of([self.audience.as_str()]), self.keys())
    }

    /// A gate for its tokens.
    ///
    /// # Panics
    /// When the issuer was given an empty name or audience.
    #[must_use]
    #[allow(clippy::expect_used, reason = "an empty name is a mistake in the test")]
    pub fn gate(&self) -> Gate {
        Gate::new(self.verifier().build().expect("an issuer with a name and an audience"))
    }

    /// A good token, to be changed and signed.
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
