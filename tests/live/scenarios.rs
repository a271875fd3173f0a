//! Tests that must pass with every OpenID provider.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::http::Answer;
use crate::provider::{IdentityProvider, ProviderKind, TokenRequest};
use crate::services::Services;
use crate::{API, assert_bad_token, challenge};

/// The lifetime of tokens in seconds. It is longer than the tests take.
pub(crate) const LIFETIME: u32 = 600;

const OTHER_API: TokenRequest<'_> =
    TokenRequest { audience: Some("https://other.test"), scope: "read:messages", algorithm: None };

/// The name of a test, and a test that shares its provider and servers with others.
pub(crate) type SharedTest = (&'static str, fn(&Live));

/// The name of a test, and a test that starts its own provider.
pub(crate) type SeparateTest = (&'static str, fn(&'static ProviderKind));

/// A provider, and servers that know only its issuer and the audience. Tests that change nothing share it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) kind: &'static ProviderKind,
    pub(crate) provider: Box<dyn IdentityProvider>,
    services: Services,
}

impl Live {
    pub(crate) fn start(kind: &'static ProviderKind, lifetime: u32) -> Self {
        let provider = (kind.start)(lifetime);
        let services = serve(&*provider);
        Self { kind, provider, services }
    }

    /// Gets a token for our API with the scope to read messages.
    pub(crate) fn token(&self) -> String {
        self.provider.token(&TokenRequest::scoped("read:messages"))
    }

    pub(crate) fn assert_refused(&self, token: &str, reason: &str) {
        assert_bad_token(&self.services.get("/api/private", Some(token)), reason);
    }
}

/// Starts both servers with the issuer and the audience as their only settings.
pub(crate) fn serve(provider: &dyn IdentityProvider) -> Services {
    Services::start(&[("PORTCULLIS_ISSUER", provider.issuer()), ("PORTCULLIS_AUDIENCE", API)])
}

pub(crate) fn good_token_is_accepted(live: &Live) {
    let token = live.provider.token(&TokenRequest::scoped("read:messages write:messages"));
    assert_accepted(&live.services, &token, live.provider.issuer());
}

pub(crate) fn every_algorithm_is_accepted(kind: &'static ProviderKind) {
    let live = Live::start(kind, LIFETIME);
    let mut seen = Vec::new();
    for algorithm in kind.algorithms {
        let request =
            TokenRequest { algorithm: Some(algorithm), ..TokenRequest::scoped("read:messages write:messages") };
        let token = live.provider.token(&request);
        assert_accepted(&live.services, &token, live.provider.issuer());
        seen.push(header(&token)["alg"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, kind.algorithms);
}

pub(crate) fn keys_from_a_file_work(live: &Live) {
    let file = live.provider.save_keys();
    let services = Services::start(&[
        ("PORTCULLIS_ISSUER", live.provider.issuer()),
        ("PORTCULLIS_AUDIENCE", API),
        ("PORTCULLIS_JWKS_FILE", file.to_str().unwrap()),
    ]);
    std::fs::remove_file(file).unwrap();
    for _ in live.kind.algorithms {
        assert_eq!(services.get("/api/private-scoped", Some(&live.token())).status, 200);
    }
    let token = live.provider.token(&OTHER_API);
    assert_bad_token(&services.get("/api/private", Some(&token)), "wrong_audience");
}

pub(crate) fn other_audience_is_refused(live: &Live) {
    let token = live.provider.token(&OTHER_API);
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_bad_token(&live.services.get(path, Some(&token)), "wrong_audience");
    }
}

pub(crate) fn missing_audience_is_refused(live: &Live) {
    let token = live.provider.token(&TokenRequest { audience: None, ..TokenRequest::scoped("read:messages") });
    live.assert_refused(&token, live.kind.without_audience);
}

pub(crate) fn expired_token_is_refused(kind: &'static ProviderKind) {
    let live = Live::start(kind, 1);
    let token = live.token();
    live.services.wait_for_status(401, "/api/private", Some(&token));
    live.assert_refused(&token, "expired");
}

pub(crate) fn missing_scope_is_forbidden(live: &Live) {
    let token = live.provider.token(&TokenRequest::scoped("write:messages"));
    assert_eq!(live.services.get("/api/private", Some(&token)).status, 200);

    let answer = live.services.get("/api/private-scoped", Some(&token));
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = challenge(&answer);
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="read:messages""#), "{challenge}");
    assert_eq!(answer.json()["error"], "insufficient_scope");
    assert_eq!(answer.json()["scope"], "read:messages");
}

pub(crate) fn changed_token_is_refused(live: &Live) {
    let (token, other) = (live.token(), live.provider.token(&TokenRequest::scoped("write:messages")));
    let [header, claims, signature] = parts(&token);
    let first = if signature.starts_with('A') { "B" } else { "A" };
    for changed in
        [format!("{header}.{claims}.{first}{}", &signature[1..]), format!("{header}.{}.{signature}", parts(&other)[1])]
    {
        live.assert_refused(&changed, "bad_signature");
    }
}

pub(crate) fn missing_token_is_refused(live: &Live) {
    assert_eq!(live.services.get("/api/public", None).status, 200);
    for path in ["/api/private", "/api/private-scoped"] {
        let answer = live.services.get(path, None);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(challenge(&answer), r#"Bearer realm="api""#);
        assert_eq!(answer.json()["error"], "missing_token");
    }
}

pub(crate) fn optional_route_refuses_bad_tokens(live: &Live) {
    let greeting = |answer: Answer| answer.json()["greeting"].clone();
    assert_eq!(greeting(live.services.get("/api/greeting", None)), "hello, anonymous");
    assert_eq!(greeting(live.services.get("/api/greeting", Some(&live.token()))), live.kind.greeting);
    assert_bad_token(&live.services.get("/api/greeting", Some("no.token.really")), "malformed");
}

pub(crate) fn tokens_are_not_logged(live: &Live) {
    let (good, bad) = (live.token(), live.provider.token(&OTHER_API));
    assert_eq!(live.services.get("/api/private", Some(&good)).status, 200);
    assert_eq!(live.services.get("/api/private", Some(&bad)).status, 401);
    for log in live.services.logs() {
        assert!(log.contains("wrong_audience"), "the refusal is not logged:\n{log}");
        for token in [&good, &bad] {
            // The header is not secret, and it may equal another token's header.
            for part in &parts(token)[1..] {
                assert!(!log.contains(part), "part of a token is logged:\n{log}");
            }
        }
    }
}

/// Checks that both servers accept a token with both scopes.
fn assert_accepted(services: &Services, token: &str, issuer: &str) {
    let answer = services.get("/api/private", Some(token));
    assert_eq!(answer.status, 200, "{answer:?}");
    let claims = answer.json();
    assert_eq!(claims["iss"], issuer);
    assert!(claims["aud"] == API || claims["aud"].as_array().is_some_and(|all| all.contains(&API.into())), "{claims}");
    assert_eq!(claims["scope"], "read:messages write:messages");

    let answer = services.get("/api/private-scoped", Some(token));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["message"].is_string(), "{answer:?}");
}

/// Returns the header of a token without verifying it.
pub(crate) fn header(token: &str) -> Value {
    json(parts(token)[0])
}

/// Returns the claims of a token without verifying it.
pub(crate) fn claims(token: &str) -> Value {
    json(parts(token)[1])
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("a JWT")
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
