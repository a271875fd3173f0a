//! What a server needs that the bench `http` sends requests to: an issuer, a token, and a signature to check.

use std::net::SocketAddr;

use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use portcullis_testing::{IssuerServer, TestIssuer};

use crate::IssuerSettings;

/// The issuer of one server, which serves its keys, with a token of it.
#[derive(Debug)]
pub struct Stand {
    issuer: IssuerServer,
    token: String,
}

impl Stand {
    /// Starts the server of the issuer.
    #[must_use]
    pub fn start() -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]).serve();
        let token = token_of(&issuer.issuer());
        Self { issuer, token }
    }

    /// Returns the settings of a verifier.
    #[must_use]
    pub fn settings(&self) -> IssuerSettings {
        IssuerSettings {
            issuer: self.issuer.url(),
            audience: self.issuer.issuer().audience().to_owned(),
            jwks_url: self.issuer.jwks_url(),
            lifetime: None,
        }
    }

    /// Returns the key that signed the token, for verifiers that fetch none.
    #[must_use]
    pub fn key(&self) -> VerifyingKey {
        self.issuer.issuer().first_key().verifying_key()
    }

    /// Returns the check of the signature of the token, and of nothing else.
    #[must_use]
    pub fn bare_check(&self) -> BareCheck {
        BareCheck::new(&self.issuer.issuer(), &self.token)
    }

    /// Prints where the service listens, and the token to send. The bench reads this line.
    pub fn announce(&self, address: SocketAddr) {
        println!("{address} {}", self.token);
    }
}

/// A signature check with a prepared key and a decoded signature. No verifier with the same cryptography can be faster.
#[derive(Debug)]
pub struct BareCheck {
    key: VerifyingKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl BareCheck {
    /// The check of a signature over as many bytes as `token`, a token of `issuer`, has.
    #[must_use]
    pub fn new(issuer: &TestIssuer, token: &str) -> Self {
        let message = token.rsplit_once('.').expect("a token has dots").0.as_bytes().to_vec();
        let signature = issuer.first_key().sign(&message);
        Self { key: issuer.first_key().verifying_key(), message, signature }
    }

    /// Checks the signature.
    ///
    /// # Panics
    /// If it is wrong, which it never is.
    pub fn run(&self) {
        assert!(self.key.verify(Algorithm::Rs256, &self.message, &self.signature).is_ok());
    }
}

/// Mints a token as identity providers do, of about 850 bytes.
#[must_use]
pub fn token_of(issuer: &TestIssuer) -> String {
    let token = issuer.token().subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5");
    let token = token.scope("openid profile email read:messages write:messages");
    let token = token.claim("client_id", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345").claim("jti", "token-1");
    token.claim("permissions", ["read:messages", "write:messages"]).sign()
}
