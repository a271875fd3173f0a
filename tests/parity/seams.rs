//! The tables for the seams of a gate: session checks, policies about the login, schemes and the public URL.

use std::time::Duration;

use portcullis::adapter::{Credential, Guard, Scheme};
use portcullis::error::Unavailable;
use portcullis::session::{SessionCheck, SessionError};
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, JwtVerifier, Policy, Verified, Verifier, async_trait, scopes};
use portcullis_testing::{TestIssuer, TokenBuilder};

use crate::answer::Answer;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, bearing, get, row, send};

/// The scopes that these tables ask, each with an extractor's gate and with a guard.
pub(crate) fn parts(issuer: &TestIssuer) -> [Scope; 7] {
    let verifier = || issuer.verifier().build().unwrap();
    let checked = || Gate::new(verifier()).with_check(AsTold);
    let schemes = || Gate::new(TwoSchemes(verifier()));
    let target = || Gate::new(Witness).with_public_url("https://api.test/base").unwrap();
    [
        Scope::open("/checked", checked()),
        Scope::open("/schemes", schemes()),
        Scope::open("/target", target()),
        Scope::guarded("/guarded-checked", Guard::new(checked())),
        Scope::guarded("/guarded-recent", Guard::new(Gate::new(verifier())).require(recent_and_strong())),
        Scope::guarded("/guarded-schemes", Guard::new(schemes())),
        Scope::guarded("/guarded-target", Guard::new(target())),
    ]
}

pub(crate) fn session_checks(gates: &Gates) -> Vec<Row> {
    let token = |session: &str| alice(gates).scope("admin").claim("session", session).sign();
    let expired = alice(gates).claim("session", "revoked").expired().sign();
    let mut rows = Vec::new();
    for prefix in ["/checked", "/guarded-checked"] {
        let path = |route: &str| format!("{prefix}/{route}");
        for route in ["private", "greeting"] {
            rows.push(row("open", bearing(&path(route), &token("open")), Answer::ok("alice")));
            for reason in ["revoked", "user_not_found", "user_unverified"] {
                rows.push(row(reason, bearing(&path(route), &token(reason)), Answer::invalid_token(reason)));
            }
            let unavailable = bearing(&path(route), &token("unavailable"));
            rows.push(row("unavailable", unavailable, Answer::unavailable("9")));
            rows.push(row("panics", bearing(&path(route), &token("panics")), Answer::server_error()));
            rows.push(row("expired", bearing(&path(route), &expired), Answer::invalid_token("expired")));
        }
        let revoked = [("Authorization", format!("Bearer {}", token("revoked")))];
        rows.extend([
            // The check is asked before the policy.
            row("scope", bearing(&path("scoped"), &token("revoked")), Answer::invalid_token("revoked")),
            row("HEAD", send("HEAD", &path("private"), &revoked, b""), Answer::invalid_token("revoked").without_body()),
            row("body", send("POST", &path("private"), &revoked, b"unread"), Answer::invalid_token("revoked")),
            row("nothing", get(&path("private"), &NONE), Answer::missing_token()),
        ]);
    }
    rows
}

pub(crate) fn step_up(gates: &Gates) -> Vec<Row> {
    const DEMAND: &str = r#"error="insufficient_user_authentication", error_description="A more recent or stronger authentication is required", acr_values="gold silver", max_age="300""#;
    const BODY: &str = r#"{"error":"insufficient_user_authentication","error_description":"A more recent or stronger authentication is required","acr_values":"gold silver","max_age":300}"#;
    let now = alice(gates).claims()["iat"].as_i64().unwrap();
    let token = || alice(gates).scope("pay").claim("auth_time", now).claim("acr", "silver");
    let demand = || Answer::refused(401, Some(&format!(r#"Bearer realm="api", {DEMAND}"#)), BODY);
    let mut rows = Vec::new();
    for (path, text) in
        [("/guarded-recent/open", "open"), ("/guarded-recent/private", "alice"), ("/main/recent", "alice")]
    {
        let send =
            |name: &str, token: TokenBuilder, expected: Answer| row(name, bearing(path, &token.sign()), expected);
        rows.extend([
            send("recent and strong", token(), Answer::ok(text)),
            send("old", token().claim("auth_time", now - 3_600), demand()),
            send("weak", token().claim("acr", "bronze"), demand()),
            send("neither claim", token().without("auth_time").without("acr"), demand()),
            send("no scope", token().scope("read").claim("auth_time", 0), Answer::insufficient_scope("pay")),
            send("expired", token().claim("auth_time", 0).expired(), Answer::invalid_token("expired")),
            row("nothing", get(path, &NONE), Answer::missing_token()),
        ]);
    }
    let old = [("Authorization", format!("Bearer {}", token().claim("auth_time", 0).sign()))];
    rows.push(row("HEAD", send("HEAD", "/main/recent", &old, b""), demand().without_body()));
    rows.push(row("body", send("POST", "/main/recent", &old, b"unread"), demand()));
    rows
}

/// A login in the last five minutes, of one of two classes, and a scope.
pub(crate) fn recent_and_strong() -> Policy {
    let recent = Policy::authenticated_within(Duration::from_secs(300));
    scopes("pay").and(recent).and(Policy::acr(["gold", "silver"]))
}

pub(crate) fn schemes(gates: &Gates) -> Vec<Row> {
    let good = alice(gates).sign();
    let expired = alice(gates).expired().sign();
    let with = |path: &str, value: String| get(path, &[("Authorization", value)]);
    let challenged = |answer: Answer, dpop: &str, bearer: &str| {
        answer
            .with_field("www-authenticate", &format!(r#"DPoP realm="api"{dpop}"#))
            .with_field("www-authenticate", &format!(r#"Bearer realm="api"{bearer}"#))
    };
    let missing_token = || {
        let body = r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#;
        challenged(Answer::refused(401, None, body), "", "")
    };
    let expired_answer = |dpop: &str, bearer: &str| {
        let body = r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#;
        challenged(Answer::refused(401, None, body), dpop, bearer)
    };
    let malformed = |dpop: &str, bearer: &str| {
        let body = r#"{"error":"invalid_request","error_description":"The Authorization field is not of the form Bearer token"}"#;
        challenged(Answer::refused(400, None, body), dpop, bearer)
    };
    const EXPIRED: &str = r#", error="invalid_token", error_description="The access token expired""#;
    const MALFORMED: &str =
        r#", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#;
    let mut rows = Vec::new();
    for prefix in ["/schemes", "/guarded-schemes"] {
        let path = format!("{prefix}/private");
        rows.extend([
            row("Bearer", with(&path, format!("Bearer {good}")), Answer::ok("alice")),
            row("DPoP", with(&path, format!("DPoP {good}")), Answer::ok("alice")),
            row("DPoP in lower case", with(&path, format!("dpop  {good}")), Answer::ok("alice")),
            row("nothing", get(&path, &NONE), missing_token()),
            row("Basic", with(&path, "Basic eA==".to_owned()), missing_token()),
            row("expired Bearer", with(&path, format!("Bearer {expired}")), expired_answer("", EXPIRED)),
            row("expired DPoP", with(&path, format!("DPoP {expired}")), expired_answer(EXPIRED, "")),
            row("malformed Bearer", with(&path, "Bearer a b".to_owned()), malformed("", MALFORMED)),
            row("malformed DPoP", with(&path, "DPoP".to_owned()), malformed(MALFORMED, "")),
        ]);
    }
    rows.push(row("nothing, optional", get("/schemes/greeting", &NONE), Answer::ok("anonymous")));
    rows.push(row("malformed, optional", with("/schemes/greeting", "DPoP".to_owned()), malformed(MALFORMED, "")));
    rows
}

/// The verifier of these gates admits each request, with its target URI as the subject.
pub(crate) fn target_uris(_: &Gates) -> Vec<Row> {
    let fields = [
        ("Authorization", "Bearer x"),
        ("Forwarded", "host=evil.test;proto=http"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Prefix", "/evil"),
    ];
    let mut rows = Vec::new();
    for path in ["/target/private", "/guarded-target/private", "/target/greeting"] {
        let expected = || Answer::ok(&format!("https://api.test/base{path}"));
        rows.extend([
            row("path", get(path, &fields), expected()),
            row("query", get(&format!("{path}?a=/b"), &fields), expected()),
            row("method", send("DELETE", path, &fields, b""), expected()),
            row("absolute", get(&format!("http://api.test{path}?a"), &fields), expected()),
        ]);
    }
    rows
}

/// Answers as the claim `session` says.
#[derive(Debug)]
struct AsTold;

#[async_trait]
impl SessionCheck for AsTold {
    async fn check(&self, caller: &Verified) -> Result<(), SessionError> {
        match caller.claim::<&str>("session").unwrap() {
            Some("panics") => panic!("a bug in the check"),
            Some("revoked") => Err(SessionError::Revoked),
            Some("unavailable") => Err(Unavailable::new().with_retry_after(Duration::from_secs(9)).into()),
            Some("user_not_found") => Err(SessionError::UserNotFound),
            Some("user_unverified") => Err(SessionError::UserUnverified),
            _ => Ok(()),
        }
    }
}

/// Accepts a bearer token under either scheme.
#[derive(Debug)]
struct TwoSchemes(JwtVerifier);

#[async_trait]
impl Verifier for TwoSchemes {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        self.0.verify(&Credential::bearer(credential.unverified_token())).await
    }

    fn schemes(&self) -> &[Scheme] {
        &[Scheme::Dpop, Scheme::Bearer]
    }
}

/// Admits each request, with its target URI as the subject.
#[derive(Debug)]
struct Witness;

#[async_trait]
impl Verifier for Witness {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        Ok(Verified::from_claims(&serde_json::json!({ "sub": credential.target_uri() }), Evidence::Session)?)
    }
}
