//! How the service authenticates itself at the introspection endpoint (RFC 7662 §2.1, RFC 6749 §2.3).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use crate::claims::NumericDate;
use crate::error::ConfigError;
use crate::jose::{Algorithm, base64url};

/// The credentials of this service at the introspection endpoint: those of a client of the authorization server.
///
/// ```
/// use portcullis::introspection::ClientAuthentication;
///
/// let client = ClientAuthentication::client_secret_basic("orders-api", "a secret from a vault");
/// assert_eq!(format!("{client:?}"), r#"ClientAuthentication { id: "orders-api", method: "client_secret_basic", .. }"#);
/// ```
///
/// `Debug`, errors and logs show the identifier of the client, never its secret.
#[derive(Clone)]
pub struct ClientAuthentication {
    id: String,
    method: Method,
}

#[derive(Clone)]
enum Method {
    Basic(String),
    Post(String),
    PrivateKey { signer: Arc<dyn AssertionSigner>, audience: Option<String> },
}

/// The credentials of one request.
pub(super) struct Credentials {
    /// The value of the Authorization field.
    pub(super) field: Option<String>,
    /// What is added to the form.
    pub(super) form: Vec<(&'static str, String)>,
}

/// Signs the assertions of [`ClientAuthentication::private_key_jwt`]. The keys of `portcullis-issuer` implement it with its
/// feature `introspection`; implement it for a key in a KMS.
#[async_trait]
pub trait AssertionSigner: fmt::Debug + Send + Sync {
    /// The algorithm of the key. HMAC cannot be used.
    fn algorithm(&self) -> Algorithm;

    /// The identifier of the key at the authorization server, `kid`.
    fn key_id(&self) -> Option<String>;

    /// Signs `message`. The signature has the form of RFC 7518 §3.
    ///
    /// # Errors
    /// Why there is no signature. The text goes to the log, so it must not hold secrets.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AssertionError>;
}

/// Why an [`AssertionSigner`] has no signature.
pub type AssertionError = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl<S: AssertionSigner + ?Sized> AssertionSigner for Arc<S> {
    fn algorithm(&self) -> Algorithm {
        (**self).algorithm()
    }

    fn key_id(&self) -> Option<String> {
        (**self).key_id()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AssertionError> {
        (**self).sign(message).await
    }
}

/// The lifetime of an assertion, in seconds. It is used at once.
const ASSERTION_SECONDS: i64 = 60;

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl ClientAuthentication {
    /// Sends identifier and secret in the Authorization field, as `client_secret_basic` (RFC 6749 §2.3.1). Most servers expect
    /// it.
    pub fn client_secret_basic(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), method: Method::Basic(secret.into()) }
    }

    /// Sends identifier and secret in the body, as `client_secret_post` (RFC 6749 §2.3.1).
    pub fn client_secret_post(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), method: Method::Post(secret.into()) }
    }

    /// Sends a signed assertion, as `private_key_jwt` (RFC 7523 §2.2). Each request has a new one, which is valid for a minute.
    ///
    /// Its audience is the issuer, as draft-ietf-oauth-rfc7523bis demands; see [`Self::with_assertion_audience`].
    pub fn private_key_jwt(id: impl Into<String>, signer: impl AssertionSigner + 'static) -> Self {
        Self { id: id.into(), method: Method::PrivateKey { signer: Arc::new(signer), audience: None } }
    }

    /// With this `aud` in assertions, for servers that expect the URL of their token endpoint (RFC 7523 §3). Secrets are not
    /// affected.
    #[must_use]
    pub fn with_assertion_audience(mut self, audience: impl Into<String>) -> Self {
        if let Method::PrivateKey { audience: of_assertions, .. } = &mut self.method {
            *of_assertions = Some(audience.into());
        }
        self
    }

    /// The identifier of the client.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether requests carry the credentials in the Authorization field.
    pub(super) fn is_basic(&self) -> bool {
        matches!(self.method, Method::Basic(_))
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        if self.id.is_empty() || self.id.trim() != self.id {
            let problem = if self.id.is_empty() { "empty" } else { "it begins or ends with white space" };
            faults.push(ConfigError::new("client_id", problem, "write the client's identifier at the issuer"));
        }
        match &self.method {
            Method::Basic(secret) | Method::Post(secret) if secret.is_empty() => {
                faults.push(ConfigError::new("client_secret", "empty", "write the client's secret"));
            }
            Method::Basic(secret) | Method::Post(secret) if secret.trim() != secret => faults.push(ConfigError::new(
                "client_secret",
                "it begins or ends with white space",
                "write the client's secret without a line break after it",
            )),
            Method::PrivateKey { signer, .. } if signer.algorithm().is_symmetric() => faults.push(ConfigError::new(
                "client_assertion",
                "the algorithm is HMAC",
                "use a key for ES256, EdDSA or RS256, whose public key the issuer knows",
            )),
            _ => {}
        }
        ConfigError::all(faults)
    }

    /// Makes the credentials of one request to the endpoint of `issuer`.
    pub(super) async fn credentials(&self, issuer: &str, now: NumericDate) -> Result<Credentials, AssertionError> {
        let of_client = ("client_id", self.id.clone());
        Ok(match &self.method {
            Method::Basic(secret) => Credentials { field: Some(basic(&self.id, secret)), form: Vec::new() },
            Method::Post(secret) => {
                Credentials { field: None, form: vec![of_client, ("client_secret", secret.clone())] }
            }
            Method::PrivateKey { signer, audience } => {
                let assertion = self.assertion(&**signer, audience.as_deref().unwrap_or(issuer), now).await?;
                let of_type = ("client_assertion_type", ASSERTION_TYPE.to_owned());
                Credentials { field: None, form: vec![of_client, of_type, ("client_assertion", assertion)] }
            }
        })
    }

    /// Makes an assertion (RFC 7523 §3).
    async fn assertion(
        &self,
        signer: &dyn AssertionSigner,
        audience: &str,
        now: NumericDate,
    ) -> Result<String, AssertionError> {
        let mut identifier = [0; 16];
        rand::fill(&mut identifier).map_err(|_| "the operating system gave no random bytes")?;
        let mut header = json!({"alg": signer.algorithm().name(), "typ": "JWT"});
        if let (Some(members), Some(kid)) = (header.as_object_mut(), signer.key_id()) {
            members.insert("kid".to_owned(), kid.into());
        }
        let claims = json!({
            "iss": self.id,
            "sub": self.id,
            "aud": audience,
            "jti": base64url::encode(&identifier),
            "iat": now.seconds(),
            "exp": now.seconds().saturating_add(ASSERTION_SECONDS),
        });
        let [header, claims] = [header, claims].map(|part| base64url::encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = base64url::encode(&signer.sign(message.as_bytes()).await?);
        Ok(format!("{message}.{signature}"))
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Basic(_) => "client_secret_basic",
            Method::Post(_) => "client_secret_post",
            Method::PrivateKey { .. } => "private_key_jwt",
        };
        let mut debug = f.debug_struct("ClientAuthentication");
        debug.field("id", &self.id).field("method", &method).finish_non_exhaustive()
    }
}

/// The credentials of RFC 6749 §2.3.1: both parts are form-encoded first, so a colon in them separates nothing.
fn basic(id: &str, secret: &str) -> String {
    let [id, secret] = [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
    format!("Basic {}", base64_simd::STANDARD.encode_to_string(format!("{id}:{secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs with a secret: only the texts matter here.
    #[derive(Debug)]
    struct Named(Algorithm);

    #[async_trait]
    impl AssertionSigner for Named {
        fn algorithm(&self) -> Algorithm {
            self.0
        }

        fn key_id(&self) -> Option<String> {
            Some("key-1".to_owned())
        }

        async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AssertionError> {
            Ok(message.iter().rev().copied().take(8).collect())
        }
    }

    async fn form_of(client: &ClientAuthentication) -> (Option<String>, Vec<(String, String)>) {
        let now = NumericDate::from_unix(1_000, 0);
        let Credentials { field, form } = client.credentials("https://issuer.example", now).await.unwrap();
        (field, form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[tokio::test]
    async fn basic_credentials_are_form_encoded_first() {
        for (id, secret, expected) in [
            ("api", "secret", "Basic YXBpOnNlY3JldA=="),
            // a%3Ab:c+%25%C3%A9%2B
            ("a:b", "c %\u{e9}+", "Basic YSUzQWI6YyslMjUlQzMlQTklMkI="),
        ] {
            let (field, form) = form_of(&ClientAuthentication::client_secret_basic(id, secret)).await;
            assert_eq!((field.as_deref(), form.len()), (Some(expected), 0), "{id}");
        }
    }

    #[tokio::test]
    async fn post_credentials_are_in_the_body() {
        let (field, form) = form_of(&ClientAuthentication::client_secret_post("a&b", "c=d")).await;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!((field, form), (None, vec![pair("client_id", "a&b"), pair("client_secret", "c=d")]));
    }

    #[tokio::test]
    async fn assertion_has_the_claims_of_rfc_7523() {
        let client = ClientAuthentication::private_key_jwt("api", Arc::new(Named(Algorithm::Es256)));
        let assertion = async |client: &ClientAuthentication| {
            let (field, form) = form_of(client).await;
            assert_eq!(field, None);
            assert_eq!((form[0].1.as_str(), form[1].1.as_str()), ("api", ASSERTION_TYPE));
            let parts: Vec<_> = form[2].1.split('.').map(|part| base64url::decode(part).unwrap()).collect();
            let json = |part: &[u8]| serde_json::from_slice::<serde_json::Value>(part).unwrap();
            (json(&parts[0]), json(&parts[1]))
        };
        let (header, claims) = assertion(&client).await;
        assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "key-1"}));
        let jti = claims["jti"].as_str().unwrap().to_owned();
        assert_eq!(jti.len(), 22);
        let expected = json!({"iss": "api", "sub": "api", "aud": "https://issuer.example", "jti": jti, "iat": 1_000, "exp": 1_060});
        assert_eq!(claims, expected);
        let (_, other) = assertion(&client.with_assertion_audience("https://issuer.example/token")).await;
        assert_eq!(other["aud"], "https://issuer.example/token");
        assert_ne!(other["jti"], jti, "an assertion is used once");
    }

    #[test]
    fn unusable_client_is_an_error_without_its_secret() {
        let secret = "very-secret";
        for (client, field) in [
            (ClientAuthentication::client_secret_basic("", secret), "client_id"),
            (ClientAuthentication::client_secret_basic("api ", secret), "client_id"),
            (ClientAuthentication::client_secret_basic("api", ""), "client_secret"),
            (ClientAuthentication::client_secret_post("api", format!("{secret}\n")), "client_secret"),
            (ClientAuthentication::private_key_jwt("api", Named(Algorithm::Hs256)), "client_assertion"),
        ] {
            let error = client.validate().unwrap_err();
            assert_eq!(error.field(), field);
            assert!(!format!("{error} {client:?}").contains(secret), "{error} {client:?}");
        }
    }
}
