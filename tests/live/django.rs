//! Opaque tokens of an authorization server that is made with Django OAuth Toolkit, and its introspection endpoint.

use std::time::Duration;

use portcullis::introspection::{ClientAuthentication, IntrospectionBuilder, IntrospectionVerifier};
use portcullis::verifier::Evidence;
use portcullis::{Audience, Gate};

use crate::introspection::{CLIENT, block_on, serve_with};
use crate::process::{Port, Process};
use crate::{API, assert_bad_token, http, python};

/// <https://github.com/django-oauth/django-oauth-toolkit>. `django_provider.py` runs it.
pub(crate) const TESTS: [Test; 5] = named![
    self::opaque_tokens_are_accepted_by_both_servers,
    self::endpoint_is_found_by_oauth_metadata,
    self::answers_without_an_audience_need_a_setting,
    self::revoked_token_is_refused,
    self::expired_token_is_refused,
];

/// The name of a test, and a test that shares its server with others.
type Test = (&'static str, fn(&Django));

/// A running server.
#[derive(Debug)]
pub(crate) struct Django {
    issuer: String,
    _process: Process,
    _port: Port,
}

impl Django {
    /// Starts a server whose tokens live for this many seconds.
    pub(crate) fn start(seconds: u32) -> Self {
        let port = Port::reserve();
        let mut program = python::program("django_provider.py");
        program.arg(port.number.to_string()).arg(seconds.to_string());
        let mut process = Process::start(&mut program, &format!("django-{}", port.number));
        Self { issuer: process.read("issuer "), _process: process, _port: port }
    }

    fn endpoint(&self, path: &str) -> String {
        format!("{}/{path}/", self.issuer)
    }

    /// Gets an opaque token for these audiences.
    fn token(&self, audience: Option<&str>, scope: &str) -> String {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", "service"),
            ("client_secret", "a secret for tests"),
            ("scope", scope),
        ];
        form.extend(audience.map(|audience| ("resource", audience)));
        let answer = http::post_form(&self.endpoint("token"), &form).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert!(!token.contains('.'), "{token}");
        token
    }

    fn builder(&self, audience: Audience, secret: &str) -> IntrospectionBuilder {
        let client = ClientAuthentication::client_secret_basic(CLIENT.0, secret);
        IntrospectionVerifier::builder(&*self.issuer, audience, client).endpoint(self.endpoint("introspect"))
    }

    fn gate(&self) -> Gate {
        Gate::new(self.builder(Audience::any_of([API]), CLIENT.1).build().unwrap())
    }
}

fn opaque_tokens_are_accepted_by_both_servers(django: &Django) {
    let services = serve_with(&django.issuer, &django.endpoint("introspect"), &[]);
    let token = django.token(Some(API), "read:messages");
    let answer = services.get("/api/private", Some(&token));
    assert_eq!((answer.status, &answer.json()["client_id"]), (200, &"service".into()), "{answer:?}");
    assert_eq!(services.get("/api/private-scoped", Some(&token)).status, 200);
    let unscoped = django.token(Some(API), "write:messages");
    assert_eq!(services.get("/api/private-scoped", Some(&unscoped)).status, 403);
    // The answers name no subject.
    assert_eq!(services.get("/api/greeting", Some(&token)).json()["greeting"], "hello, anonymous");
    assert_bad_token(&services.get("/api/private", Some("made-up")), "inactive");
    let other = django.token(Some("https://other.test"), "read:messages");
    assert_bad_token(&services.get("/api/private", Some(&other)), "wrong_audience");
    assert_bad_token(&services.get("/api/private", Some(&django.token(None, "read:messages"))), "missing_claim");
}

fn endpoint_is_found_by_oauth_metadata(django: &Django) {
    let client = ClientAuthentication::client_secret_basic(CLIENT.0, CLIENT.1);
    let builder = IntrospectionVerifier::builder(&*django.issuer, API, client).oauth_metadata();
    let gate = Gate::new(builder.build().unwrap());
    block_on(async {
        let caller = gate.verify(&django.token(Some(API), "read:messages")).await.unwrap();
        assert_eq!(caller.evidence(), Evidence::Introspection);
        assert_eq!(caller.scopes(), ["read:messages"]);
        // The credentials are at fault, not the token.
        let stranger = django.builder(Audience::any_of([API]), "another secret").build().unwrap();
        let token = django.token(Some(API), "read:messages");
        assert_eq!(Gate::new(stranger).verify(&token).await.unwrap_err().status(), 503);
    });
}

fn answers_without_an_audience_need_a_setting(django: &Django) {
    let token = django.token(None, "read:messages");
    block_on(async {
        let refused = django.gate().verify(&token).await.unwrap_err();
        assert_eq!(refused.reason().unwrap().as_str(), "missing_claim");
        let gate = Gate::new(django.builder(Audience::not_issued(), CLIENT.1).build().unwrap());
        assert_eq!(gate.verify(&token).await.unwrap().client_id().as_deref(), Some("service"));
    });
}

fn revoked_token_is_refused(django: &Django) {
    let (token, kept) = (django.token(Some(API), "read:messages"), django.token(Some(API), "read:messages"));
    let form = [("token", token.as_str()), ("client_id", "service"), ("client_secret", "a secret for tests")];
    let answer = http::post_form(&django.endpoint("revoke_token"), &form).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    block_on(async {
        let gate = django.gate();
        assert_eq!(gate.verify(&token).await.unwrap_err().reason().unwrap().as_str(), "inactive");
        assert!(gate.verify(&kept).await.is_ok());
    });
}

/// A cached answer is used until the token expires, and not longer.
fn expired_token_is_refused(_: &Django) {
    let django = Django::start(3);
    let verifier = django.builder(Audience::any_of([API]), CLIENT.1).leeway(Duration::ZERO).build().unwrap();
    let (gate, token) = (Gate::new(verifier), django.token(Some(API), "read:messages"));
    block_on(async {
        assert!(gate.verify(&token).await.is_ok());
        tokio::time::sleep(Duration::from_secs(4)).await;
        let refused = gate.verify(&token).await.unwrap_err();
        assert!(["expired", "inactive"].contains(&refused.reason().unwrap().as_str()), "{refused:?}");
    });
}
