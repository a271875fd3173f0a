//! The contenders of `verify` and `allocations`: for a token, the bare signature check, this library and jsonwebtoken 11.

#![allow(dead_code, reason = "each bench uses a part")]

#[path = "bare.rs"]
mod bare;

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, VerifyingKey};
use portcullis::verifier::Verification;
use portcullis::{Audience, JwtVerifier, Verified, Verifier};
use portcullis_bench_report::now;
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::bare::BareKey;

/// The sizes of tokens, in bytes.
pub(crate) const SIZES: [usize; 6] = [500, 1_000, 2_000, 4_000, 8_000, 15_000];

/// The claims that a handler would ask for, and those that jsonwebtoken checks.
#[derive(Deserialize)]
pub(crate) struct Claims {
    sub: String,
    scope: String,
    exp: u64,
}

/// Eleven claims, each in its own memory where it has some.
#[derive(Deserialize)]
pub(crate) struct OwnedClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    scope: String,
    azp: String,
    permissions: Vec<String>,
    org_id: String,
    sid: String,
    email_verified: bool,
}

/// A token, and all that its contenders need.
pub(crate) struct Contest {
    algorithm: Algorithm,
    pub(crate) token: String,
    signing_input: String,
    signature: Vec<u8>,
    bare_key: BareKey,
    key: Arc<VerifyingKey>,
    verifier: JwtVerifier,
    caching: JwtVerifier,
    theirs: Option<(DecodingKey, Validation)>,
}

impl Contest {
    /// One for each algorithm, and for RS256 with a long key. Each has a name.
    pub(crate) fn all() -> Vec<(String, Self)> {
        let all = Algorithm::ALL.iter().map(|&each| (each.name().to_owned(), Self::new(each)));
        all.chain([("RS256, 4096 bits".to_owned(), Self::with_long_key())]).collect()
    }

    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::from_algorithms([algorithm]);
        let token = usual(&issuer).sign();
        Self::with_key(&issuer, algorithm, token, issuer.first_key().verifying_key())
    }

    /// RS256 with a token of about so many bytes.
    pub(crate) fn of_size(bytes: usize) -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
        let token = usual(&issuer).claim("groups", groups(bytes)).sign();
        Self::with_key(&issuer, Algorithm::Rs256, token, issuer.first_key().verifying_key())
    }

    /// RS256 with a key of 4096 bits.
    fn with_long_key() -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
        let pair = RsaKeyPair::generate(KeySize::Rsa4096).expect("keys can be generated");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let key = VerifyingKey::from_der(der.as_ref()).expect("a usable key").with_id(issuer.first_key().id());
        let input = usual(&issuer).signing_input();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).expect("messages can be signed");
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
        Self::with_key(&issuer, Algorithm::Rs256, token, key)
    }

    fn with_key(issuer: &TestIssuer, algorithm: Algorithm, token: String, key: VerifyingKey) -> Self {
        let (input, signature) = token.rsplit_once('.').expect("a token has dots");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        // A secret has no public JWK.
        let jwk = key.to_jwk().map_or_else(|| issuer.first_key().jwk(), |jwk| jwk.parse().expect("JSON"));
        let key = Arc::new(key);
        let builder = || {
            let keys = FixedKeys::keys([Arc::clone(&key)]);
            JwtVerifier::builder(issuer.url(), Audience::any_of([issuer.audience()]), keys).algorithms([algorithm])
        };
        Self {
            algorithm,
            signing_input: input.to_owned(),
            signature,
            verifier: builder().build().expect("complete"),
            caching: builder().cache_tokens(1_000).build().expect("complete"),
            theirs: theirs(issuer, algorithm, &key),
            bare_key: BareKey::new(algorithm, &jwk),
            token,
            key,
        }
    }

    /// Checks the signature with aws-lc, and nothing else.
    pub(crate) fn bare(&self) {
        self.bare_key.check(self.signing_input.as_bytes(), &self.signature);
    }

    /// Checks the signature as this library does, and nothing else.
    pub(crate) fn check(&self) {
        let verified = self.key.verify(self.algorithm, self.signing_input.as_bytes(), black_box(&self.signature));
        assert!(verified.is_ok());
    }

    /// Verifies as a gate does: without a future in its own memory, because the keys are at hand.
    pub(crate) fn verify(&self) -> Verified {
        begin(&self.verifier, &self.token)
    }

    /// Verifies with the token cache, as a gate does.
    pub(crate) fn repeated(&self) {
        drop(black_box(begin(&self.caching, &self.token)));
    }

    /// Verifies with the method that returns a future.
    pub(crate) fn awaited(&self) {
        await_now(&self.verifier, &self.token);
    }

    /// Verifies with the token cache and the method that returns a future.
    pub(crate) fn repeated_awaited(&self) {
        await_now(&self.caching, &self.token);
    }

    /// Whether jsonwebtoken has the algorithm.
    pub(crate) fn has_jsonwebtoken(&self) -> bool {
        self.theirs.is_some()
    }

    /// Verifies with jsonwebtoken, if it has the algorithm.
    pub(crate) fn jsonwebtoken<C: DeserializeOwned>(&self) {
        if let Some((key, rules)) = &self.theirs {
            assert!(black_box(jsonwebtoken::decode::<C>(black_box(&self.token), key, rules)).is_ok());
        }
    }
}

fn begin(verifier: &JwtVerifier, token: &str) -> Verified {
    match verifier.begin(&Credential::bearer(black_box(token))) {
        Verification::Done(result) => result.expect("a good token"),
        Verification::Waits(_) => panic!("the keys are at hand"),
    }
}

fn await_now(verifier: &JwtVerifier, token: &str) {
    drop(black_box(now(verifier.verify(&Credential::bearer(black_box(token)))).expect("a good token")));
}

/// The key and the rules for jsonwebtoken, if it has the algorithm.
fn theirs(issuer: &TestIssuer, algorithm: Algorithm, key: &VerifyingKey) -> Option<(DecodingKey, Validation)> {
    let mut rules = Validation::new(jsonwebtoken::Algorithm::try_from(algorithm).ok()?);
    rules.set_issuer(&[issuer.url()]);
    rules.set_audience(&[issuer.audience()]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    rules.validate_nbf = true;
    Some((DecodingKey::try_from(key).expect("both implement the algorithm"), rules))
}

fn usual(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token()
        .subject("auth0|65a1f0c2e4b0c8a1d2f3e4b5")
        .scope("openid profile email read:messages write:messages")
        .claim("azp", "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345")
        .claim("permissions", ["read:messages", "write:messages"])
        .claim("org_id", "org_AbCdEfGhIjKlMnOp")
        .claim("sid", "kq3sY8mYtS1mN0oPqRsTuV")
        .claim("email_verified", true)
}

/// Names of groups that make a token about this long.
fn groups(bytes: usize) -> Vec<String> {
    (0..bytes.saturating_sub(900) * 3 / 4 / 30).map(|at| format!("a group of the directory {at:03}")).collect()
}
