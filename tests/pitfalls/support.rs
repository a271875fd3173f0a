//! Helpers that several files use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{FixedKeys, KeyError, KeyQuery, KeySet, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, AuthError, Gate, JwtVerifier, KeyProvider, Verified, async_trait};
use portcullis_testing::{SigningKey, TestIssuer};
use serde_json::{Value, json};

/// Asserts that `gate` refuses `token`, and returns the error.
pub(crate) async fn refused(gate: &Gate, token: &str) -> InvalidToken {
    match gate.verify(token).await.map_err(AuthError::from) {
        Err(AuthError::InvalidToken(why)) => why,
        Err(other) => panic!("refused for another cause: {other:?}"),
        Ok(_) => panic!("admitted"),
    }
}

/// Asserts that `gate` admits `token`, and returns the caller.
pub(crate) async fn admitted(gate: &Gate, token: &str) -> Verified {
    gate.verify(token).await.expect("a good token is admitted")
}

/// Makes a gate for the tokens of `issuer` that uses other keys.
pub(crate) fn gate_with(issuer: &TestIssuer, keys: impl KeyProvider + 'static) -> Gate {
    Gate::new(builder_with(issuer, keys).build().expect("a usable configuration"))
}

/// Makes the builder for [`gate_with`].
pub(crate) fn builder_with(issuer: &TestIssuer, keys: impl KeyProvider + 'static) -> JwtVerifierBuilder {
    JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys)
}

/// Makes a gate with the usable ones of these JWKs.
pub(crate) fn gate_for_jwks(issuer: &TestIssuer, jwks: &[Value]) -> Gate {
    gate_with(issuer, FixedKeys::jwks(&json!({ "keys": jwks }).to_string()).expect("a set with a usable key"))
}

/// Makes a key set of these JWKs.
pub(crate) fn key_set(jwks: &[Value]) -> KeySet {
    KeySet::from_json(&json!({ "keys": jwks }).to_string()).expect("a key set")
}

/// Sets the member `name` of `jwk` to `value`, or removes it if `value` is null.
pub(crate) fn with_member(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    let members = jwk.as_object_mut().expect("a JWK is an object");
    match value.into() {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    jwk
}

/// Generates a key and returns it with its JWK.
pub(crate) fn generated(algorithm: Algorithm, id: &str) -> (Arc<SigningKey>, Value) {
    let key = Arc::new(SigningKey::generate(algorithm, id));
    let jwk = key.jwk();
    (key, jwk)
}

/// Decodes base64url.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// Encodes `bytes` in base64url.
pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Splits a token into its signing input and its signature.
pub(crate) fn split_signature(token: &str) -> (&str, Vec<u8>) {
    let (input, signature) = token.rsplit_once('.').expect("a token has dots");
    (input, decoded(signature))
}

/// A key provider whose keys can be replaced or made unavailable while a verifier uses it.
#[derive(Debug)]
pub(crate) struct ChangingKeys {
    held: Mutex<Option<Arc<FixedKeys>>>,
    asked: AtomicUsize,
}

impl ChangingKeys {
    pub(crate) fn new(keys: FixedKeys) -> Arc<Self> {
        Arc::new(Self { held: Mutex::new(Some(Arc::new(keys))), asked: AtomicUsize::new(0) })
    }

    /// Replaces the keys.
    pub(crate) fn replace(&self, keys: FixedKeys) {
        *self.held.lock().unwrap() = Some(Arc::new(keys));
    }

    /// Makes the keys unavailable.
    pub(crate) fn fail(&self) {
        *self.held.lock().unwrap() = None;
    }

    /// Returns how often a key was requested since the last call.
    pub(crate) fn times_asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl KeyProvider for ChangingKeys {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap().clone();
        match held {
            Some(keys) => keys.key(query).await,
            None => Err(Unavailable::new().with_retry_after(Duration::from_secs(7)).into()),
        }
    }

    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ASYMMETRIC.with(Algorithm::Hs256)
    }
}
