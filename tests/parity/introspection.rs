//! The tables for opaque tokens, which an introspection endpoint explains.

use std::sync::LazyLock;

use portcullis::adapter::Guard;
use portcullis::introspection::{ClientAuthentication, IntrospectionBuilder, IntrospectionVerifier};
use portcullis::keys::RemoteKeys;
use portcullis::verifier::ByForm;
use portcullis::{Gate, TokenSource, scopes};
use portcullis_testing::{IssuerServer, TestIssuer};

use crate::answer::Answer;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, bearing, get, row, send};

const AUDIENCE: &str = "https://api.test";

/// The endpoint of all tables.
static SERVER: LazyLock<IssuerServer> =
    LazyLock::new(|| TestIssuer::from_algorithms([portcullis::jose::Algorithm::Es256]).serve());

fn builder(secret: &str) -> IntrospectionBuilder {
    let client = ClientAuthentication::client_secret_basic(IssuerServer::CLIENT_ID, secret);
    IntrospectionVerifier::builder(SERVER.url(), AUDIENCE, client).endpoint(SERVER.introspection_url())
}

fn good_builder() -> IntrospectionBuilder {
    let of_one = |claims: &portcullis::claims::Claims| !matches!(claims.get::<u8>("org"), Ok(Some(2)));
    builder(IssuerServer::CLIENT_SECRET).check_fn("organization", of_one)
}

pub(crate) fn parts(issuer: &TestIssuer) -> Vec<Scope> {
    let gate = |builder: IntrospectionBuilder| Gate::new(builder.build().unwrap());
    let by_form = ByForm::builder().jwt(issuer.verifier().build().unwrap()).opaque(good_builder().build().unwrap());
    let only_jwts = ByForm::builder().jwt(issuer.verifier().build().unwrap());
    let path = |path: &str| good_builder().endpoint(SERVER.url_of(path));
    let keys = RemoteKeys::at(&SERVER.jwks_url()).unwrap();
    let cookie = gate(good_builder()).with_token_sources([TokenSource::cookie("session")]);
    SERVER.serve_at("/text", "active");
    SERVER.serve_at("/plain", format!(r#"{{"active":true,"sub":"alice","aud":"{AUDIENCE}","exp":4102444800}}"#));
    vec![
        Scope::open("/opaque", gate(good_builder())),
        Scope::open("/opaque-or-jwt", Gate::new(by_form.build().unwrap())),
        Scope::open("/only-jwt", Gate::new(only_jwts.build().unwrap())),
        Scope::open("/opaque-cookie", cookie),
        Scope::open("/opaque-stranger", gate(builder("another secret"))),
        Scope::open("/opaque-missing", gate(path("/nothing-here"))),
        Scope::open("/opaque-text", gate(path("/text"))),
        Scope::open("/opaque-plain", gate(path("/plain"))),
        Scope::open("/opaque-signed", gate(path("/plain").signed_answers(keys))),
        Scope::open("/opaque-without-exp", gate(good_builder().accept_without_expiration())),
        Scope::guarded("/opaque-guarded", Guard::new(gate(good_builder())).require(scopes("admin"))),
        Scope::guarded("/opaque-guarded-optional", Guard::new(gate(good_builder())).optional()),
    ]
}

/// A good opaque token of alice, with these claims in addition.
fn opaque(claims: &[(&str, serde_json::Value)]) -> String {
    let start = SERVER.issuer().token().subject("alice");
    SERVER.opaque_token(&claims.iter().fold(start, |token, (name, value)| token.claim(name, value)))
}

/// A token about which the endpoint says exactly this.
fn answering(answer: impl Into<Vec<u8>>) -> String {
    SERVER.opaque_token_answering(answer)
}

/// An active token with these members.
fn active(members: &str) -> String {
    answering(format!(r#"{{"active":true,"sub":"alice","aud":"{AUDIENCE}","exp":4102444800{members}}}"#))
}

pub(crate) fn let_in(gates: &Gates) -> Vec<Row> {
    let token = opaque(&[]);
    let read_and_write = opaque(&[("scope", "read:messages write:messages".into())]);
    let ok = || Answer::ok("alice");
    let cookie = [("Cookie", format!("session={token}"))];
    vec![
        row("a good token", bearing("/opaque/private", &token), ok()),
        row("scheme in lower case", get("/opaque/private", &[("Authorization", format!("bearer {token}"))]), ok()),
        row("padding in the token", bearing("/opaque-plain/private", "abc=="), ok()),
        row("other characters", bearing("/opaque-plain/private", "a~b+c/d.e-f_g"), ok()),
        row("with its scopes", bearing("/opaque/scoped", &read_and_write), ok()),
        row("one of its scopes", bearing("/opaque/any-scope", &read_and_write), ok()),
        row("a role", bearing("/opaque/role", &opaque(&[("roles", serde_json::json!(["editor"]))])), ok()),
        row("optional", bearing("/opaque/greeting", &token), ok()),
        row("optional, absent", get("/opaque/greeting", &NONE), Answer::ok("anonymous")),
        row("typed", bearing("/opaque/typed", &opaque(&[("tenant", "t1".into())])), Answer::ok("t1")),
        row("from a cookie", get("/opaque-cookie/private", &cookie), ok()),
        row("next to JWTs", bearing("/opaque-or-jwt/private", &token), ok()),
        row("a JWT next to it", bearing("/opaque-or-jwt/private", &alice(gates).sign()), ok()),
        row("without iss", bearing("/opaque/private", &active("")), ok()),
        row(
            "several audiences",
            bearing("/opaque/private", &opaque(&[("aud", serde_json::json!(["x", AUDIENCE]))])),
            ok(),
        ),
        row(
            "without exp",
            bearing(
                "/opaque-without-exp/private",
                &answering(format!(r#"{{"active":true,"sub":"alice","aud":"{AUDIENCE}"}}"#)),
            ),
            ok(),
        ),
        row(
            "behind a guard",
            bearing("/opaque-guarded/open", &opaque(&[("scope", "admin".into())])),
            Answer::ok("open"),
        ),
        row("absent behind a guard", get("/opaque-guarded-optional/open", &NONE), Answer::ok("open")),
    ]
}

pub(crate) fn refused(gates: &Gates) -> Vec<Row> {
    let revoked = opaque(&[]);
    SERVER.revoke_opaque_token(&revoked);
    let mut rows = vec![
        row("no token", get("/opaque/private", &NONE), Answer::missing_token()),
        row("no token for the guard", get("/opaque-guarded/open", &NONE), Answer::missing_token()),
        row("another scheme", get("/opaque/private", &[("Authorization", "Basic YTpi")]), Answer::missing_token()),
        row("DPoP", get("/opaque/private", &[("Authorization", "DPoP abc")]), Answer::missing_token()),
        row("no text", get("/opaque/private", &[("Authorization", "Bearer")]), Answer::malformed_authorization()),
        row("two words", get("/opaque/private", &[("Authorization", "Bearer a b")]), Answer::malformed_authorization()),
        row(
            "two fields",
            get("/opaque/private", &[("Authorization", "Bearer a"), ("Authorization", "Bearer a")]),
            Answer::repeated(),
        ),
        row("revoked, and optional", bearing("/opaque/greeting", &revoked), Answer::invalid_token("inactive")),
        row(
            "revoked, in a cookie",
            get("/opaque-cookie/private", &[("Cookie", format!("session={revoked}"))]),
            Answer::invalid_token("inactive"),
        ),
        row("revoked, before a guard", bearing("/opaque-guarded/open", &revoked), Answer::invalid_token("inactive")),
        row(
            "revoked, before an optional guard",
            bearing("/opaque-guarded-optional/open", &revoked),
            Answer::invalid_token("inactive"),
        ),
        row(
            "HEAD",
            send("HEAD", "/opaque/private", &[("Authorization", format!("Bearer {revoked}"))], b""),
            Answer::invalid_token("inactive").without_body(),
        ),
        row(
            "POST",
            send("POST", "/opaque/private", &[("Authorization", format!("Bearer {revoked}"))], b"unread"),
            Answer::invalid_token("inactive"),
        ),
        row(
            "scope",
            bearing("/opaque/scoped", &opaque(&[("scope", "read:messages".into())])),
            Answer::insufficient_scope("read:messages write:messages"),
        ),
        row(
            "one of the scopes",
            bearing("/opaque/any-scope", &opaque(&[])),
            Answer::insufficient_scope("read:messages admin"),
        ),
        row(
            "role",
            bearing("/opaque/role", &opaque(&[("roles", serde_json::json!(["reader"]))])),
            Answer::insufficient(),
        ),
        row("scope of the guard", bearing("/opaque-guarded/open", &opaque(&[])), Answer::insufficient_scope("admin")),
        row(
            "type of the handler",
            bearing("/opaque/typed", &opaque(&[("tenant", 7.into())])),
            Answer::invalid_token("invalid_claims"),
        ),
        row(
            "an opaque token where only JWTs are accepted",
            bearing("/only-jwt/private", &revoked),
            Answer::invalid_token("opaque_token"),
        ),
        row(
            "a bad JWT next to opaque tokens",
            bearing("/opaque-or-jwt/private", &alice(gates).expired().sign()),
            Answer::invalid_token("expired"),
        ),
        row(
            "three parts next to opaque tokens",
            bearing("/opaque-or-jwt/private", "a.b.c"),
            Answer::invalid_token("malformed"),
        ),
    ];
    let tokens = [
        ("made up", "made-up".to_owned(), "inactive"),
        ("one character", "x".to_owned(), "inactive"),
        ("revoked", revoked, "inactive"),
        ("expired", opaque(&[("exp", 1.into())]), "inactive"),
        ("not active", answering(r#"{"active":false}"#), "inactive"),
        ("not active, with claims", answering(r#"{"active":false,"sub":"alice","exp":7}"#), "inactive"),
        ("a JWT", alice(gates).sign(), "wrong_token_class"),
        ("three parts", "a.b.c".to_owned(), "wrong_token_class"),
        ("five parts", "a.b.c.d.e".to_owned(), "wrong_token_class"),
        ("long", "a".repeat(8_193), "too_large"),
        ("active and expired", answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":7}}"#)), "expired"),
        ("no exp", answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}"}}"#)), "missing_claim"),
        ("exp as a string", answering(format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":"7"}}"#)), "invalid_claim"),
        ("nbf", active(r#","nbf":4102444800"#), "not_yet_valid"),
        ("iat", active(r#","iat":4102444800"#), "issued_in_future"),
        ("iat as a string", active(r#","iat":"now""#), "invalid_claim"),
        ("no aud", answering(r#"{"active":true,"exp":4102444800}"#), "missing_claim"),
        ("another aud", opaque(&[("aud", "https://other.test".into())]), "wrong_audience"),
        ("empty aud", opaque(&[("aud", serde_json::json!([]))]), "wrong_audience"),
        ("aud as a number", opaque(&[("aud", 7.into())]), "invalid_claim"),
        ("another iss", opaque(&[("iss", "https://other.test/".into())]), "wrong_issuer"),
        ("iss as null", opaque(&[("iss", serde_json::Value::Null)]), "invalid_claim"),
        ("a refresh token", active(r#","token_type":"refresh_token""#), "wrong_token_class"),
        ("a refresh token by its use", active(r#","token_use":"refresh_token""#), "wrong_token_class"),
        ("bound by DPoP", active(r#","token_type":"DPoP","cnf":{"jkt":"abc"}"#), "sender_constrained"),
        ("bound to a certificate", active(r#","cnf":{"x5t#S256":"abc"}"#), "sender_constrained"),
        ("DPoP without a key", active(r#","token_type":"DPoP""#), "sender_constrained"),
        ("an own check", active(r#","org":2"#), "check_failed"),
    ];
    rows.extend(
        tokens
            .map(|(name, token, reason)| row(name, bearing("/opaque/private", &token), Answer::invalid_token(reason))),
    );
    rows
}

pub(crate) fn outages(_: &Gates) -> Vec<Row> {
    let token = opaque(&[]);
    let unavailable = || Answer::unavailable("5");
    let mut rows = vec![
        row("credentials of another service", bearing("/opaque-stranger/private", &token), unavailable()),
        row("optional", bearing("/opaque-stranger/greeting", &token), unavailable()),
        row("no endpoint", bearing("/opaque-missing/private", &token), unavailable()),
        row("no JSON", bearing("/opaque-text/private", &token), unavailable()),
        row("no signature", bearing("/opaque-signed/private", &token), unavailable()),
        // Answers that need no endpoint.
        row("no token", get("/opaque-stranger/private", &NONE), Answer::missing_token()),
        row("no token, optional", get("/opaque-stranger/greeting", &NONE), Answer::ok("anonymous")),
        row("a JWT", bearing("/opaque-missing/private", "a.b.c"), Answer::invalid_token("wrong_token_class")),
    ];
    let answers = [
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{}"#,
        "[]",
        "",
        r#"{"active":true,"active":false}"#,
        r#"{"active":true,"sub":"a","sub":"b"}"#,
        r#"{"active":true"#,
    ];
    rows.extend(answers.map(|answer| {
        row(format!("the answer {answer}"), bearing("/opaque/private", &answering(answer)), unavailable())
    }));
    rows
}
