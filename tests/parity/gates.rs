//! The gates and guards that all servers share, each under its own prefix.

use std::sync::Arc;
use std::time::Duration;

use portcullis::adapter::{Challenge, Credential, Guard, Refused};
use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::{CustomRefusal, InvalidToken, Unavailable};
use portcullis::jose::Algorithm;
use portcullis::keys::{FixedKeys, KeyError, KeyQuery, VerifyingKey};
use portcullis::{
    Audience, AuthError, Gate, JwtVerifier, KeyProvider, Refusal, ResourceMetadata, TokenSource, Verified, Verifier,
    async_trait, dangerous, scopes,
};
use portcullis_testing::{SigningKey, TestIssuer};

use crate::api_keys::Keys;
use crate::{dpop, introspection, mtls, seams, step_up};

pub(crate) struct Gates {
    pub(crate) issuer: TestIssuer,
    /// An issuer with another name and another key, for the same audience.
    pub(crate) other_issuer: TestIssuer,
    pub(crate) api_keys: Keys,
    scopes: Vec<Scope>,
    metadata: Gate,
}

/// A part of a server, with all its routes.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) prefix: &'static str,
    /// The gate that the application gives to extractors.
    pub(crate) gate: Option<Gate>,
    pub(crate) guards: Guards,
}

/// The guards of a scope.
#[derive(Clone)]
pub(crate) enum Guards {
    None,
    One(Guard),
    Nested { outer: Guard, inner: Guard },
}

impl Gates {
    pub(crate) fn new() -> Self {
        let issuer = TestIssuer::from_algorithms([Algorithm::Es256]);
        let gate = || Gate::new(issuer.verifier().check(RefuseAsTold).build().unwrap());
        let with_keys = |keys: Arc<dyn KeyProvider>| {
            let audience = Audience::any_of([issuer.audience()]);
            Gate::new(JwtVerifier::builder(issuer.url(), audience, keys).build().unwrap())
        };
        let outage = |retry_after| with_keys(Arc::new(Outage(retry_after)));
        let authorization = || TokenSource::authorization();
        let other_issuer = TestIssuer::from_algorithms([Algorithm::Es256]).with_url("https://other.test/");
        let other = || other_issuer.gate();
        let named_header = || TokenSource::header("X-Access-Token");
        let metadata = gate().with_resource_metadata(
            ResourceMetadata::new("https://api.test/orders")
                .unwrap()
                .with_scopes(["read:messages"])
                .with_name("Orders"),
        );
        let hooked = gate().with_realm("orders").with_refusals(reworded);
        let admin = |gate| Guard::new(gate).require(scopes("admin"));
        let shared = gate();
        let mut scopes = vec![
            Scope::open("/main", gate()),
            Scope { prefix: "/no-gate", gate: None, guards: Guards::None },
            Scope::open("/outage", outage(Some(Duration::from_secs(7)))),
            Scope::open("/outage-of-unknown-length", outage(None)),
            Scope::open("/outage-of-part-of-a-second", outage(Some(Duration::from_millis(1_500)))),
            Scope::open("/two-keys", with_keys(Arc::new(two_keys(&issuer)))),
            Scope::open("/header", gate().with_token_sources([named_header()])),
            Scope::open("/cookie", gate().with_token_sources([TokenSource::cookie("session")])),
            Scope::open("/cookie-first", gate().with_token_sources([TokenSource::cookie("session"), authorization()])),
            Scope::open("/pages", with_pages(gate())),
            Scope::open("/no-pages", gate().with_token_sources([TokenSource::cookie("session")])),
            Scope::guarded("/guarded-pages", Guard::new(with_pages(gate())).allow_cors_preflight()),
            Scope::guarded("/guarded-pages-optional", Guard::new(with_pages(gate()).with_realm("r")).optional()),
            Scope::open("/realm", gate().with_realm(r#"orders "eu" \1"#)),
            Scope::open("/custom", Gate::new(AsksForMore)),
            Scope::open("/broken", Gate::new(Broken)),
            Scope::open("/panic", with_keys(Arc::new(Panics))),
            Scope::guarded("/guarded-panic", Guard::new(with_keys(Arc::new(Panics)))),
            Scope::open("/hook", hooked.clone()),
            Scope::open("/bad-hook", gate().with_refusals(make_invalid)),
            Scope::open("/metadata", metadata.clone()),
            Scope::guarded("/guarded", Guard::new(gate())),
            Scope::guarded("/guarded-admin", admin(gate())),
            Scope::guarded("/guarded-optional", Guard::new(gate()).optional()),
            Scope::guarded("/guarded-optional-admin", admin(gate()).optional()),
            Scope::guarded("/guarded-cors", admin(gate()).allow_cors_preflight()),
            Scope::guarded(
                "/guarded-sources",
                Guard::new(gate().with_token_sources([TokenSource::cookie("session"), named_header()])),
            ),
            Scope::guarded("/guarded-hook", Guard::new(hooked)),
            Scope::guarded("/guarded-metadata", Guard::new(metadata.clone())),
            Scope::guarded("/guarded-metadata-admin", admin(metadata.clone())),
            Scope::guarded("/guarded-outage", admin(outage(Some(Duration::from_secs(7))))),
            Scope::guarded("/guarded-outage-optional", Guard::new(outage(None)).optional()),
            Scope::guarded("/guarded-custom", Guard::new(Gate::new(AsksForMore))),
            Scope::guarded("/guarded-nonce", Guard::new(Gate::new(GivesNonce))),
            // The guard is inside the application's gate.
            Scope { prefix: "/guarded-otherwise", gate: Some(other()), guards: Guards::One(Guard::new(gate())) },
            Scope::nested(
                "/nested",
                Guard::new(gate()),
                Guard::new(other().with_token_sources([named_header()]).with_realm("inner")),
            ),
            Scope::nested("/nested-one-place", Guard::new(gate()), Guard::new(other().with_realm("inner"))),
            Scope::nested(
                "/nested-optional",
                Guard::new(gate()),
                Guard::new(other().with_token_sources([named_header()]).with_realm("inner")).optional(),
            ),
            Scope::nested("/nested-one-gate", Guard::new(shared.clone()), admin(shared)),
        ];
        scopes.extend(seams::parts(&issuer));
        scopes.extend(step_up::parts(&issuer));
        scopes.extend(mtls::parts(&issuer));
        scopes.extend(introspection::parts(&issuer));
        scopes.extend(dpop::parts(&issuer));
        let api_keys = Keys::new();
        scopes.extend(api_keys.parts(&issuer));
        Self { issuer, other_issuer, api_keys, scopes, metadata }
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().cloned()
    }

    /// The gate whose metadata is at the well-known path, and that path.
    pub(crate) fn metadata(&self) -> (Gate, String) {
        (self.metadata.clone(), self.metadata.resource_metadata().unwrap().path())
    }
}

impl Scope {
    pub(crate) fn open(prefix: &'static str, gate: Gate) -> Self {
        Self { prefix, gate: Some(gate), guards: Guards::None }
    }

    pub(crate) fn guarded(prefix: &'static str, guard: Guard) -> Self {
        Self { prefix, gate: None, guards: Guards::One(guard) }
    }

    fn nested(prefix: &'static str, outer: Guard, inner: Guard) -> Self {
        Self { prefix, gate: None, guards: Guards::Nested { outer, inner } }
    }
}

/// A gate that reads cookies and header fields, that allows pages of two origins.
fn with_pages(gate: Gate) -> Gate {
    gate.with_token_sources([TokenSource::authorization(), TokenSource::cookie("session")])
        .with_public_url("https://API.test:443/v1")
        .and_then(|gate| gate.with_allowed_origins(["https://b\u{fc}cher.test:8443/"]))
        .unwrap()
}

/// Changes the status, the body and a field, and adds a field.
fn reworded(error: &Refused<'_>, refusal: &mut Refusal) {
    refusal.body = format!("<p>{}</p>", error.description());
    refusal.headers.retain(|(name, _)| name != "content-type");
    refusal.headers.push(("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned()));
    refusal.headers.push(("x-request-denied".to_owned(), error.code().to_owned()));
    if refusal.status == 403 {
        refusal.status = 404;
    }
}

/// Adds invalid fields, an empty value and characters outside ASCII, and sets an invalid status.
fn make_invalid(_: &Refused<'_>, refusal: &mut Refusal) {
    refusal.status = 1_000;
    refusal.body = String::new();
    for (name, value) in [
        ("x name", "a space in the name"),
        ("", "no name"),
        ("x-line", "one\r\nx-two: 2"),
        ("x-control", "\u{1}"),
        ("x-empty", ""),
        ("x-umlaut", "\u{f6}"),
        ("x-twice", "1"),
        ("X-Twice", "2"),
    ] {
        refusal.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// The errors that only the checks of presets and custom checks give.
pub(crate) fn errors_of_checks() -> Vec<InvalidToken> {
    vec![
        InvalidToken::WrongParty,
        InvalidToken::WrongTenant,
        InvalidToken::WrongTokenClass,
        InvalidToken::SessionPending,
        InvalidToken::OpaqueToken,
        InvalidToken::Inactive,
        InvalidToken::Revoked,
        InvalidToken::UserNotFound,
        InvalidToken::UserUnverified,
        InvalidToken::CheckFailed { name: "the secret name of a check".into() },
    ]
}

/// Refuses a token for the reason that its claim `refuse_as` names.
struct RefuseAsTold;

impl ClaimCheck for RefuseAsTold {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let Some(reason) = token.claims().get::<&str>("refuse_as")? else { return Ok(()) };
        Err(errors_of_checks().into_iter().find(|error| error.reason().as_str() == reason).expect(reason))
    }
}

#[derive(Debug)]
struct Outage(Option<Duration>);

#[async_trait]
impl KeyProvider for Outage {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        let unavailable = Unavailable::new().with_source("connection refused by keys.internal");
        Err(self.0.map_or_else(Unavailable::new, |delay| unavailable.with_retry_after(delay)).into())
    }
}

#[derive(Debug)]
struct Panics;

#[async_trait]
impl KeyProvider for Panics {
    async fn key(&self, _: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        panic!("a bug in the provider")
    }
}

/// The issuer's key, and another key for the same algorithm.
fn two_keys(issuer: &TestIssuer) -> FixedKeys {
    let other = SigningKey::generate(issuer.first_key().algorithm(), "other");
    FixedKeys::keys([issuer.first_key().verifying_key(), other.verifying_key()].map(Arc::new))
}

/// A verifier that writes its own challenges.
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

/// Admits every token, and adds header fields to each response.
#[derive(Debug)]
struct GivesNonce;

#[async_trait]
impl Verifier for GivesNonce {
    async fn verify(&self, _: &Credential<'_>) -> Result<Verified, AuthError> {
        let caller = dangerous::assume_verified(&serde_json::json!({"sub": "alice", "scope": "none"}))?;
        Ok(caller.with_response_headers([
            ("DPoP-Nonce".to_owned(), "n-2".to_owned()),
            ("x name".to_owned(), "a space in the name".to_owned()),
        ]))
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
