//! The unsigned tokens of the Firebase Authentication emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::Credential;
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::verifier::UnverifiedToken;
use portcullis::{AuthError, ConfigError, JwtVerifier, Verified, Verifier, async_trait};
use serde_json::json;
use tokio::net::TcpStream;

use crate::signing_key::SigningKey;

/// Verifies the tokens of a Firebase Authentication emulator on this machine. **For tests only.**
///
/// The emulator does not sign its tokens, so anyone can write them, and the preset for Firebase refuses them. This verifier
/// accepts them under three conditions, so that a service cannot use it by accident:
/// - An emulator listens at the given address. Otherwise, every token is answered with 503.
/// - That address is a loopback address.
/// - The token is unsigned. Tokens of the real Firebase are refused as `algorithm_not_allowed`.
///
/// Everything except the signature is checked by the verifier that `verifier` makes, for example the preset:
///
/// ```
/// # use portcullis::ConfigError;
/// # use portcullis::{Audience, JwtVerifier, keys::FixedKeys};
/// # struct Firebase(&'static str, Option<FixedKeys>);
/// # impl Firebase {
/// #     fn new(project: &'static str) -> Self { Self(project, None) }
/// #     fn keys(self, keys: FixedKeys) -> Self { Self(self.0, Some(keys)) }
/// #     fn verifier(self) -> Result<JwtVerifier, ConfigError> {
/// #         let issuer = format!("https://securetoken.google.com/{}", self.0);
/// #         JwtVerifier::builder(issuer, Audience::any_of([self.0]), self.1.unwrap()).build()
/// #     }
/// # }
/// # fn main() -> Result<(), ConfigError> {
/// use portcullis::Gate;
/// use portcullis_testing::FirebaseEmulator;
///
/// let gate = Gate::new(FirebaseEmulator::new("127.0.0.1:9099", |keys| {
///     Firebase::new("my-project-1a2b3").keys(keys).verifier()
/// })?);
/// # let _ = gate;
/// # Ok(()) }
/// ```
///
/// [`Verified::raw_token`] of an accepted caller is a signed copy of the token.
pub struct FirebaseEmulator {
    address: String,
    key: Arc<SigningKey>,
    verifier: JwtVerifier,
}

impl FirebaseEmulator {
    /// Makes a verifier for the emulator at `address`, a host and a port as in `FIREBASE_AUTH_EMULATOR_HOST`.
    ///
    /// `verifier` makes the verifier that checks everything except the signature. It must accept RS256 and take the given
    /// keys.
    ///
    /// # Errors
    /// [`ConfigError`] for an address without a port, and for the errors of `verifier`.
    pub fn new(
        address: impl Into<String>,
        verifier: impl FnOnce(FixedKeys) -> Result<JwtVerifier, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let address = address.into();
        if address.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
            let instead = "write the emulator's address, for example 127.0.0.1:9099";
            return Err(ConfigError::new("address", "not a host and a port", instead));
        }
        let key = Arc::new(SigningKey::generate(Algorithm::Rs256, "emulator"));
        let verifier = verifier(FixedKeys::key(key.verifying_key()))?;
        Ok(Self { address, key, verifier })
    }

    /// Checks that an emulator listens on loopback.
    async fn connect(&self) -> Result<(), AuthError> {
        const LIMIT: Duration = Duration::from_secs(1);
        let why = match tokio::time::timeout(LIMIT, TcpStream::connect(&self.address)).await {
            Ok(Ok(stream)) if stream.peer_addr().is_ok_and(|address| address.ip().is_loopback()) => return Ok(()),
            Ok(Ok(_)) => "the emulator is not on loopback".to_owned(),
            Ok(Err(error)) => format!("no emulator listens at {}: {error}", self.address),
            Err(_) => format!("no emulator listens at {}", self.address),
        };
        let mut unavailable = Unavailable::new();
        unavailable.source = Some(why.into());
        Err(unavailable.into())
    }

    /// Returns the unsigned token with a signature of our key. A token that cannot be read stays as it is.
    fn sign(&self, token: &str) -> Result<String, InvalidToken> {
        let Some(header) = UnverifiedToken::new(token).unverified_header() else { return Ok(token.to_owned()) };
        let unsigned = token.strip_suffix('.').filter(|_| header.get::<String>("alg").as_deref() == Some("none"));
        let payload = unsigned.and_then(|unsigned| unsigned.split_once('.')).map(|(_, payload)| payload);
        let payload = payload.ok_or(InvalidToken::AlgorithmNotAllowed)?;
        let typ = header.token_type().unwrap_or("JWT");
        let members = json!({"alg": self.key.algorithm().name(), "kid": self.key.id(), "typ": typ});
        let signing_input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(members.to_string()));
        let signature = self.key.sign(signing_input.as_bytes());
        Ok(format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl Verifier for FirebaseEmulator {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.connect().await?;
        let signed = self.sign(credential.unverified_token())?;
        self.verifier.verify(&Credential::bearer(&signed)).await
    }

    fn explain(&self, credential: &Credential<'_>, refused: &AuthError) -> Option<&'static str> {
        self.verifier.explain(credential, refused)
    }

    fn issuers(&self) -> Vec<String> {
        self.verifier.issuers()
    }

    async fn warm_up(&self) -> Result<(), AuthError> {
        self.connect().await
    }
}

impl fmt::Debug for FirebaseEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirebaseEmulator").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis::{Audience, Gate, Reason};
    use tokio::net::TcpListener;

    use super::*;
    use crate::TestIssuer;

    const PROJECT: &str = "my-project-1a2b3";

    fn gate(address: &str) -> Gate {
        let emulator = FirebaseEmulator::new(address, |keys| {
            let issuer = format!("https://securetoken.google.com/{PROJECT}");
            JwtVerifier::builder(issuer, Audience::any_of([PROJECT]), keys).algorithms(Algorithm::Rs256).build()
        });
        Gate::new(emulator.unwrap())
    }

    /// Returns a listener in place of the emulator, and its address.
    async fn emulator() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, address)
    }

    fn unsigned(project: &TestIssuer) -> String {
        let token = project.token().header("alg", "none").without_header("kid");
        format!("{}.", token.signing_input())
    }

    #[tokio::test]
    async fn only_unsigned_tokens_are_accepted() {
        let (_listener, address) = emulator().await;
        let (gate, project) = (gate(&address), TestIssuer::firebase(PROJECT));
        let caller = gate.verify(&unsigned(&project)).await.unwrap();
        assert_eq!(caller.subject(), Some("8HOmNCMOUpZRKYAa3LvC2cs6Sj52"));
        let reason = async |token: &str| gate.verify(token).await.unwrap_err().reason();
        let with_signature = format!("{}c2ln", unsigned(&project));
        for signed in [project.token().sign(), with_signature, project.token().header("alg", "none").sign()] {
            assert_eq!(reason(&signed).await, Some(Reason::AlgorithmNotAllowed));
        }
        for (claims, expected) in [
            (project.token().audience("other"), Reason::WrongAudience),
            (project.token().issuer("https://securetoken.google.com/other"), Reason::WrongIssuer),
            (project.token().expired(), Reason::Expired),
            (project.token().header("crit", ["exp"]), Reason::CriticalHeader),
        ] {
            let token = format!("{}.", claims.header("alg", "none").signing_input());
            assert_eq!(reason(&token).await, Some(expected));
        }
        assert_eq!(reason("opaque").await, Some(Reason::NotCompactJws));
        assert_eq!(reason("a.b.").await, Some(Reason::Malformed));
    }

    #[tokio::test]
    async fn no_token_is_accepted_without_an_emulator() {
        let (listener, address) = emulator().await;
        drop(listener);
        let gate = gate(&address);
        assert_eq!(gate.verify(&unsigned(&TestIssuer::firebase(PROJECT))).await.unwrap_err().status(), 503);
        assert!(gate.warm_up().await.is_err());
    }

    #[test]
    fn address_needs_a_host_and_a_port() {
        for address in ["", "127.0.0.1", "localhost", ":9099", "http://localhost", "localhost:port"] {
            let error = FirebaseEmulator::new(address, |_| unreachable!()).unwrap_err();
            assert_eq!(error.field(), "address", "{address}");
        }
    }
}
