//! Both example servers against tokens of a certified OpenID provider, whose keys they find by themselves.
//!
//! That provider needs node and packages. `PORTCULLIS_LIVE=1` installs the packages with npm, and then nothing is
//! skipped: what can't run fails. Without it, whatever is missing is said and the tests that need it count as ignored.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod http;
mod npm;
mod outage;
mod presets;
mod provider;
mod rotation;
mod services;

use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::http::Answer;
use crate::provider::Provider;
use crate::services::Services;

const API: &str = "https://api.test";

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("PORTCULLIS_LIVE").is_some_and(|value| value == "1");
    let missing = if required { None } else { provider::missing() };
    if let Some(missing) = &missing {
        eprintln!("SKIPPED live: {missing}");
    }

    let live = Arc::new(LazyLock::<Live>::new(Live::start));
    // Each test is named for its function.
    macro_rules! with_live {
        ($($test:ident),* $(,)?) => {
            [$({
                let live = Arc::clone(&live);
                trial(stringify!($test), move || $test(&live)).with_ignored_flag(missing.is_some())
            }),*]
        };
    }
    macro_rules! alone {
        ($module:ident::$test:ident) => {
            trial(stringify!($test), $module::$test)
        };
    }
    let mut trials = vec![
        alone!(rotation::a_new_key_is_accepted_at_once_and_a_withdrawn_one_no_longer)
            .with_ignored_flag(missing.is_some()),
        alone!(outage::an_outage_is_no_fault_of_the_callers).with_ignored_flag(missing.is_some()),
        alone!(presets::two_variables_make_a_resource_server_of_auth0),
        alone!(presets::with_no_provider_the_printed_lines_show_what_they_say),
        alone!(presets::two_providers_at_once_are_a_mistake_that_names_both),
    ];
    trials.extend(with_live![
        a_good_token_is_let_in_whatever_its_algorithm,
        keys_in_a_file_serve_as_well,
        a_token_for_another_audience_is_refused,
        a_token_that_expired_is_refused,
        a_token_without_the_scope_is_forbidden,
        a_changed_token_is_refused,
        an_opaque_token_is_refused,
        no_token_is_asked_for_one,
        a_greeting_is_for_everyone_but_bad_tokens,
        no_token_reaches_a_log,
    ]);
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Ends the processes, which leaving through exit would not.
    drop(live);
    conclusion.exit()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// What the tests share that change nothing: servers that know the issuer and the audience, and nothing more.
#[derive(Debug)]
struct Live {
    services: Services,
    provider: Provider,
}

impl Live {
    fn start() -> Self {
        let provider = Provider::start();
        let services = Services::start(&[("PORTCULLIS_ISSUER", &provider.issuer), ("PORTCULLIS_AUDIENCE", API)]);
        Self { services, provider }
    }

    /// A token for our API, which may read messages.
    fn token(&self) -> String {
        self.provider.token(Some(API), "read:messages")
    }
}

fn a_good_token_is_let_in_whatever_its_algorithm(live: &Live) {
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
    {
        let token = live.provider.token(Some(&format!("{API}/?alg={algorithm}")), "read:messages write:messages");

        let answer = live.services.get("/api/private", Some(&token));
        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
        let claims = answer.json();
        assert_eq!(claims["iss"], live.provider.issuer.as_str());
        assert_eq!(claims["aud"], API);
        assert_eq!(claims["client_id"], "service");
        assert_eq!(claims["scope"], "read:messages write:messages");

        let answer = live.services.get("/api/private-scoped", Some(&token));
        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
        assert!(answer.json()["message"].is_string(), "{answer:?}");
    }
}

fn keys_in_a_file_serve_as_well(live: &Live) {
    let file = live.provider.save_keys();
    let services = Services::start(&[
        ("PORTCULLIS_ISSUER", &live.provider.issuer),
        ("PORTCULLIS_AUDIENCE", API),
        ("PORTCULLIS_JWKS_FILE", file.to_str().unwrap()),
    ]);
    std::fs::remove_file(file).unwrap();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let token = live.provider.token(Some(&format!("{API}/?alg={algorithm}")), "read:messages");
        let answer = services.get("/api/private-scoped", Some(&token));
        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
    }
    let token = live.provider.token(Some("https://other.test"), "read:messages");
    assert_bad_token(&services.get("/api/private", Some(&token)), "wrong_audience");
}

fn a_token_for_another_audience_is_refused(live: &Live) {
    let token = live.provider.token(Some("https://other.test"), "read:messages");
    for path in ["/api/private", "/api/private-scoped", "/api/greeting"] {
        assert_bad_token(&live.services.get(path, Some(&token)), "wrong_audience");
    }
}

fn a_token_that_expired_is_refused(live: &Live) {
    let token = live.provider.token(Some(&format!("{API}/?ttl=1")), "read:messages");
    live.services.wait_for_status(401, "/api/private", Some(&token));
    assert_bad_token(&live.services.get("/api/private", Some(&token)), "expired");
}

fn a_token_without_the_scope_is_forbidden(live: &Live) {
    for scope in ["", "write:messages"] {
        let token = live.provider.token(Some(API), scope);
        assert_eq!(live.services.get("/api/private", Some(&token)).status, 200);

        let answer = live.services.get("/api/private-scoped", Some(&token));
        assert_eq!(answer.status, 403, "{answer:?}");
        let challenge = challenge(&answer);
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(r#"scope="read:messages""#), "{challenge}");
        assert_eq!(answer.json()["error"], "insufficient_scope");
        assert_eq!(answer.json()["scope"], "read:messages");
    }
}

fn a_changed_token_is_refused(live: &Live) {
    let (one, other) = (live.token(), live.provider.token(Some(API), "write:messages"));
    let signed = one.rsplit_once('.').unwrap().0;
    let signature = other.rsplit_once('.').unwrap().1;
    assert_bad_token(&live.services.get("/api/private", Some(&format!("{signed}.{signature}"))), "bad_signature");
}

fn an_opaque_token_is_refused(live: &Live) {
    let token = live.provider.token(None, "");
    assert!(!token.contains('.'), "the provider issues a JWT without being asked for one");
    assert_bad_token(&live.services.get("/api/private", Some(&token)), "not_compact_jws");
}

fn no_token_is_asked_for_one(live: &Live) {
    assert_eq!(live.services.get("/api/public", None).status, 200);
    for path in ["/api/private", "/api/private-scoped"] {
        let answer = live.services.get(path, None);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(challenge(&answer), r#"Bearer realm="api""#);
        assert_eq!(answer.json()["error"], "missing_token");
    }
}

fn a_greeting_is_for_everyone_but_bad_tokens(live: &Live) {
    assert_eq!(live.services.get("/api/greeting", None).json()["greeting"], "hello, anonymous");
    assert_eq!(live.services.get("/api/greeting", Some(&live.token())).json()["greeting"], "hello, service");
    assert_bad_token(&live.services.get("/api/greeting", Some("no.token.really")), "malformed");
}

fn no_token_reaches_a_log(live: &Live) {
    let (good, bad) = (live.token(), live.provider.token(Some("https://other.test"), "read:messages"));
    assert_eq!(live.services.get("/api/private", Some(&good)).status, 200);
    assert_eq!(live.services.get("/api/private", Some(&bad)).status, 401);
    for log in live.services.logs() {
        assert!(log.contains("wrong_audience"), "the refusal is not logged:\n{log}");
        for token in [&good, &bad] {
            // The header is no secret; it may equal another token's.
            for part in token.split('.').skip(1) {
                assert!(!log.contains(part), "part of a token is logged:\n{log}");
            }
        }
    }
}

fn assert_bad_token(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = challenge(answer);
    assert!(challenge.starts_with(r#"Bearer realm="api", error="invalid_token""#), "{challenge}");
    assert_eq!(answer.json()["error"], "invalid_token");
    assert_eq!(answer.json()["reason"], reason);
}

fn challenge(answer: &Answer) -> &str {
    match answer.all("www-authenticate")[..] {
        [challenge] => challenge,
        _ => panic!("not one challenge: {answer:?}"),
    }
}
