//! The gates that both servers share, each under a prefix of its own.

use std::sync::Arc;
use std::time::Duration;

use portcullis::{
    Algorithm, Audience, AuthError, Challenge, ClaimCheck, Credential, CustomRefusal, FixedKeys, Gate, InvalidToken,
    JwtVerifier, KeyError, KeyProvider, KeyQuery, TokenSource, TokenView, Unavailable, Verified, Verifier,
    VerifyingKey, async_trait,
};
use portcullis_testing::{SigningKey, TestIssuer};

pub(crate) struct Gates {
    pub(crate) issuer: TestIssuer,
    by_prefix: Vec<(&'static str, Option<Gate>)>,
}

impl Gates {
    pub(crate) fn new() -> Self {
        let issuer = TestIssuer::with_algorithms([Algorithm::Es256]);
        let gate = || Gate::new(issuer.verifier().check(RefuseAsTold).build().unwrap());
        let with_keys = |keys: Arc<dyn KeyProvider>| {
            let audience = Audience::any_of([issuer.audience()]);
            Gate::new(JwtVerifier::builder(issuer.url(), audience, keys).build().unwrap())
        };
        let outage = |retry_after| with_keys(Arc::new(Outage(retry_after)));
        let authorization = || TokenSource::Authorization;
        let by_prefix = vec![
            ("/main", Some(gate())),
            ("/no-gate", None),
            ("/outage", Some(outage(Some(Duration::from_secs(7))))),
            ("/outage-of-unknown-length", Some(outage(None))),
            ("/outage-of-part-of-a-second", Some(outage(Some(Duration::from_millis(1_500))))),
            ("/two-keys", Some(with_keys(Arc::new(two_keys(&issuer))))),
            ("/header", Some(gate().with_token_sources([TokenSource::header("X-Access-Token")]))),
            ("/cookie", Some(gate().with_token_sources([TokenSource::cookie("session")]))),
            ("/cookie-first", Some(gate().with_token_sources([TokenSource::cookie("session"), authorization()]))),
            ("/realm", Some(gate().with_realm(r#"orders "eu" \1"#))),
            ("/custom", Some(Gate::new(AsksForMore))),
            ("/broken", Some(Gate::new(Broken))),
        ];
        Self { issuer, by_prefix }
    }

    pub(crate) fn by_prefix(&self) -> impl Iterator<Item = (&'static str, Option<Gate>)> {
        self.by_prefix.iter().cloned()
    }
}

/// Refuses a token for the reason that its claim `refuse_as` names: those that only providers' rules and custom checks
/// give.
struct RefuseAsTold;

impl ClaimCheck for RefuseAsTold {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        Err(match token.claims().get::<&str>("refuse_as")? {
            None => return Ok(()),
            Some("opaque_token") => InvalidToken::OpaqueToken,
            Some("revoked") => InvalidToken::Revoked,
            Some("session_pending") => InvalidToken::SessionPending,
            Some("user_not_found") => InvalidToken::UserNotFound,
            Some("user_unverified") => InvalidToken::UserUnverified,
            Some("wrong_party") => InvalidToken::WrongParty,
            Some("wrong_tenant") => InvalidToken::WrongTenant,
            Some("wrong_token_class") => InvalidToken::WrongTokenClass,
            Some(_) => InvalidToken::CheckFailed { name: "the secret name of a check".into() },
        })
    }
}

#[derive(Debug)]
struct Outage(Option<Duration>);

#[async_trait]
impl KeyProvider for Outage {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let unavailable = Unavailable::new().because("connection refused by keys.internal");
        Err(self.0.map_or_else(Unavailable::new, |delay| unavailable.retry_after(delay)).into())
    }
}

/// The issuer's key, and another that serves the same algorithm.
fn two_keys(issuer: &TestIssuer) -> FixedKeys {
    let other = SigningKey::generate(issuer.first_key().algorithm(), "other");
    FixedKeys::keys([issuer.first_key().verifying_key(), other.verifying_key()].map(Arc::new))
}

/// A verifier of another scheme, with an answer of its own words.
#[derive(Debug)]
struct AsksForMore;

#[async_trait]
impl Verifier for AsksForMore {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        let mut refusal = CustomRefusal::new(401, "use_dpop_nonce", "The proof needs a nonce");
        refusal.challenges = vec![
            Challenge::new("DPoP").with("error", "use_dpop_nonce").with("algs", "ES256 EdDSA"),
            Challenge::new("Bearer").with("realm", "api"),
        ];
        refusal.headers = vec![("dpop-nonce".to_owned(), "n-1".to_owned())];
        Err(refusal.into())
    }
}

#[derive(Debug)]
struct Broken;

#[async_trait]
impl Verifier for Broken {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        Err(AuthError::Server("the password of the database is hunter2".into()))
    }
}
