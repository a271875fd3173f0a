//! What has to hold with every provider.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::http::Answer;
use crate::provider::{Make, Provider, Wanted};
use crate::services::Services;
use crate::{API, assert_bad_token, challenge};

/// Of tokens, in seconds: longer than the tests take.
pub(crate) const LIFETIME: u32 = 600;

const OTHER_API: Wanted<'_> = Wanted { audience: Some("https://other.test"), scope: "read:messages", algorithm: None };

/// A test, by name, with a provider and servers that others use as well.
pub(crate) type Shared = (&'static str, fn(&Live));

/// A test, by name, that starts a provider of its own.
pub(crate) type Alone = (&'static str, fn(&'static Make));

/// What the tests share that change nothing: servers that know the issuer and the audience, and nothing more.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) make: &'static Make,
    pub(crate) provider: Box<dyn Provider>,
    services: Services,
}

impl Live {
    pub(crate) fn start(make: &'static Make, lifetime: u32) -> Self {
        let provider = (make.start)(lifetime);
        let services = serve(&*provider);
        Self { make, provider, services }
    }

    /// A token for our API, which may read messages.
    pub(crate) fn token(&self) -> String {
        self.provider.token(&Wanted::scoped("read:messages"))
    }

    pub(crate) fn assert_refused(&self, token: &str, reason: &str) {
        assert_bad_token(&self.services.get("/api/private", Some(token)), reason);
    }
}

/// Both servers, told the issuer and the audience and nothing more.
pub(crate) fn serve(provider: &dyn Provider) -> Services {
    Services::start(&[("PORTCULLIS_ISSUER", provider.issuer()), ("PORTCULLIS_AUDIENCE", API)])
}

pub(crate) fn a_good_token_is_let_in(live: &Live) {
    let token = live.provider.token(&Wanted::scoped("read:messages write:messages"));
    assert_let_in(&live.services, &token, live.provider.issuer());
}

pub(crate) fn a_good_token_is_let_in_whatever_its_algorithm(make: &'static Make) {
    let live = Live::start(make, LIFETIME);
    let mut seen = Vec::new();
    for algorithm in make.algorithms {
        let wanted = Wanted { algorithm: Some(algorithm), ..Wanted::scoped("read:messages write:messages") };
        let token = live.provider.token(&wanted);
        assert_let_in(&live.services, &token, live.provider.issuer());
        seen.push(header(&token)["alg"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, make.algorithms);
}

pub(crate) fn keys_in_a_file_serve_as_well(live: &Live) {
    let file = live.provider.save_keys();
    let services = Services::start(&[
        ("PORTCULLIS_ISSUER", live.provider.issuer()),
        ("PORTCULLIS_AUDIENCE", API),
        ("PORTCULLIS_JWKS_FILE", file.to_str().unwrap()),
    ]);
    std::fs::remove_file(file).unwrap();
    for _ in live.make.algorithms {
        assert_eq!(services.get("/api/private-scoped", Some(&live.token())).status, 200);
    }
    let token = live.provider.token(&OTHER_API);
    assert_bad_token(&services.get("/api/private", Some(&token)), "wrong_audience");
}

pub(crate) fn a_token_for_another_audience_is_refused(live: &Live) {
    let token = live.provider.token(&OTHER_API);
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_bad_token(&live.services.get(path, Some(&token)), "wrong_audience");
    }
}

pub(crate) fn a_token_for_no_audience_is_refused(live: &Live) {
    let token = live.provider.token(&Wanted { audience: None, ..Wanted::scoped("read:messages") });
    live.assert_refused(&token, live.make.without_audience);
}

pub(crate) fn a_token_that_expired_is_refused(make: &'static Make) {
    let live = Live::start(make, 1);
    let token = live.token();
    live.services.wait_for_status(401, "/api/private", Some(&token));
    live.assert_refused(&token, "expired");
}

pub(crate) fn a_token_without_the_scope_is_forbidden(live: &Live) {
    let token = live.provider.token(&Wanted::scoped("write:messages"));
    assert_eq!(live.services.get("/api/private", Some(&token)).status, 200);

    let answer = live.services.get("/api/private-scoped", Some(&token));
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = challenge(&answer);
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="read:messages""#), "{challenge}");
    assert_eq!(answer.json()["error"], "insufficient_scope");
    assert_eq!(answer.json()["scope"], "read:messages");
}

pub(crate) fn a_changed_token_is_refused(live: &Live) {
    let (token, other) = (live.token(), live.provider.token(&Wanted::scoped("write:messages")));
    let [header, claims, signature] = parts(&token);
    let first = if signature.starts_with('A') { "B" } else { "A" };
    for changed in
        [format!("{header}.{claims}.{first}{}", &signature[1..]), format!("{header}.{}.{signature}", parts(&other)[1])]
    {
        live.assert_refused(&changed, "bad_signature");
    }
}

pub(crate) fn no_token_is_asked_for_one(live: &Live) {
    assert_eq!(live.services.get("/api/public", None).status, 200);
    for path in ["/api/private", "/api/private-scoped"] {
        let answer = live.services.get(path, None);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(challenge(&answer), r#"Bearer realm="api""#);
        assert_eq!(answer.json()["error"], "missing_token");
    }
}

pub(crate) fn a_greeting_is_for_everyone_but_bad_tokens(live: &Live) {
    let greeting = |answer: Answer| answer.json()["greeting"].clone();
    assert_eq!(greeting(live.services.get("/api/greeting", None)), "hello, anonymous");
    assert_eq!(greeting(live.services.get("/api/greeting", Some(&live.token()))), live.make.greeting);
    assert_bad_token(&live.services.get("/api/greeting", Some("no.token.really")), "malformed");
}

pub(crate) fn no_token_reaches_a_log(live: &Live) {
    let (good, bad) = (live.token(), live.provider.token(&OTHER_API));
    assert_eq!(live.services.get("/api/private", Some(&good)).status, 200);
    assert_eq!(live.services.get("/api/private", Some(&bad)).status, 401);
    for log in live.services.logs() {
        assert!(log.contains("wrong_audience"), "the refusal is not logged:\n{log}");
        for token in [&good, &bad] {
            // The header is no secret; it may equal another token's.
            for part in &parts(token)[1..] {
                assert!(!log.contains(part), "part of a token is logged:\n{log}");
            }
        }
    }
}

/// The token has both scopes.
fn assert_let_in(services: &Services, token: &str, issuer: &str) {
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

/// The header of a token, not verified.
pub(crate) fn header(token: &str) -> Value {
    json(parts(token)[0])
}

/// The claims of a token, not verified.
pub(crate) fn claims(token: &str) -> Value {
    json(parts(token)[1])
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("a JWT")
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
