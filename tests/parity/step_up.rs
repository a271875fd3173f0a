//! The tables for demands beyond grants: the login, the age of the token, authorization details, actors, and scopes that imply
//! others. Each holds for JWTs, and for tokens that a verifier knows by introspection.

use std::time::Duration;

use portcullis::adapter::{Credential, Guard};
use portcullis::error::InvalidToken;
use portcullis::policy::AllowedActor;
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, JwtVerifier, Policy, Verified, Verifier, async_trait, scopes};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::gates::{Gates, Scope};
use crate::requests::{NONE, Row, alice, bearing, get, row, send};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Each demand behind a guard, by JWT (`/step-…`) and by introspection (`/known-…`).
pub(crate) fn parts(issuer: &TestIssuer) -> Vec<Scope> {
    let jwt = || Gate::new(issuer.verifier().build().unwrap());
    let known = || Gate::new(Known(issuer.verifier().build().unwrap()));
    let guarded = |prefix, gate: Gate, policy| Scope::guarded(prefix, Guard::new(gate).require(policy));
    vec![
        guarded("/step-age", jwt(), token_age()),
        guarded("/known-age", known(), token_age()),
        guarded("/step-acr", jwt(), Policy::acr(["gold", "silver"])),
        guarded("/known-acr", known(), Policy::acr(["gold", "silver"])),
        guarded("/step-login", jwt(), Policy::authenticated_within(FIVE_MINUTES)),
        guarded("/known-login", known(), Policy::authenticated_within(FIVE_MINUTES)),
        guarded("/step-details", jwt(), may_pay()),
        guarded("/known-details", known(), may_pay()),
        guarded("/step-actors", jwt(), only_the_agent()),
        guarded("/known-actors", known(), only_the_agent()),
        guarded("/step-no-actor", jwt(), Policy::no_actor()),
        guarded("/step-implied", with_hierarchy(jwt()), scopes("messages:read")),
        guarded("/known-implied", with_hierarchy(known()), scopes("messages:read")),
        guarded("/step-either", jwt(), scopes("admin").or(scopes("pay").and(Policy::acr(["gold"])).and(token_age()))),
    ]
}

fn token_age() -> Policy {
    Policy::max_token_age(FIVE_MINUTES)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    #[serde(rename = "type")]
    _kind: String,
    creditor: String,
}

fn may_pay() -> Policy {
    scopes("pay").and(Policy::authorization_details("payment", |payment: &Payment| payment.creditor == "shop"))
}

fn only_the_agent() -> Policy {
    let agent = AllowedActor::subject("agent").acting_for(["alice"]);
    Policy::no_actor().or(Policy::actors([agent]).and(Policy::max_actors(2)))
}

fn with_hierarchy(gate: Gate) -> Gate {
    gate.with_scope_hierarchy([("admin", "messages:write"), ("messages:write", "messages:read")]).unwrap()
}

/// Knows what a token means, as by introspection.
#[derive(Debug)]
struct Known(JwtVerifier);

#[async_trait]
impl Verifier for Known {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let claims: Value = self.0.verify(credential).await?.claims().map_err(|_| InvalidToken::InvalidClaims)?;
        Ok(Verified::from_claims(&claims, Evidence::Introspection)?)
    }
}

fn login(parameters: &str, members: &str) -> Answer {
    const SENTENCE: &str = "A more recent or stronger authentication is required";
    Answer::refused(
        401,
        Some(&format!(
            r#"Bearer realm="api", error="insufficient_user_authentication", error_description="{SENTENCE}", {parameters}"#
        )),
        &format!(r#"{{"error":"insufficient_user_authentication","error_description":"{SENTENCE}",{members}}}"#),
    )
}

/// Rows for both kinds of tokens.
struct Rows<'a> {
    gates: &'a Gates,
    demand: &'static str,
    rows: Vec<Row>,
}

impl<'a> Rows<'a> {
    fn new(gates: &'a Gates, demand: &'static str) -> Self {
        Self { gates, demand, rows: Vec::new() }
    }

    fn add(&mut self, name: &str, change: impl Fn(TokenBuilder) -> TokenBuilder, expected: impl Fn() -> Answer) {
        let token = change(alice(self.gates)).sign();
        for kind in ["step", "known"] {
            let path = format!("/{kind}-{}/private", self.demand);
            self.rows.push(row(name, bearing(&path, &token), expected()));
        }
    }
}

fn now(gates: &Gates) -> i64 {
    alice(gates).claims()["iat"].as_i64().unwrap()
}

fn welcome() -> Answer {
    Answer::ok("alice")
}

pub(crate) fn age_of_the_token(gates: &Gates) -> Vec<Row> {
    let now = now(gates);
    let expired = || Answer::invalid_token("expired");
    let mut rows = Rows::new(gates, "age");
    rows.add("new", |token| token, welcome);
    rows.add("at the limit", |token| token.claim("iat", now - 290), welcome);
    rows.add("old", |token| token.claim("iat", now - 301), expired);
    rows.add("old, and a recent login", |token| token.claim("iat", 0).claim("auth_time", now), expired);
    rows.add("old by a fraction", |token| token.claim("iat", now as f64 - 300.5), expired);
    rows.add("before 1970", |token| token.claim("iat", -1), expired);
    rows.add("absent", |token| token.without("iat"), || Answer::invalid_token("missing_claim"));
    let mut rows = rows.rows;
    let old = [("Authorization", format!("Bearer {}", alice(gates).claim("iat", now - 400).sign()))];
    rows.push(row("HEAD", send("HEAD", "/step-age/open", &old, b""), expired().without_body()));
    rows.push(row("body", send("POST", "/step-age/open", &old, b"unread"), expired()));
    rows.push(row("nothing", get("/step-age/open", &NONE), Answer::missing_token()));
    rows
}

pub(crate) fn login_of_the_user(gates: &Gates) -> Vec<Row> {
    let now = now(gates);
    let weak = || login(r#"acr_values="gold silver""#, r#""acr_values":"gold silver""#);
    let mut rows = Rows::new(gates, "acr");
    rows.add("preferred", |token| token.claim("acr", "gold"), welcome);
    rows.add("allowed", |token| token.claim("acr", "silver"), welcome);
    rows.add("another", |token| token.claim("acr", "bronze"), weak);
    rows.add("both as one", |token| token.claim("acr", "gold silver"), weak);
    rows.add("a list", |token| token.claim("acr", ["gold"]), weak);
    rows.add("null", |token| token.claim("acr", Value::Null), weak);
    rows.add("absent", |token| token, weak);
    let mut all = rows.rows;
    let old = || login(r#"max_age="300""#, r#""max_age":300"#);
    let mut rows = Rows::new(gates, "login");
    rows.add("recent", |token| token.claim("auth_time", now), welcome);
    rows.add("old", |token| token.claim("auth_time", now - 301), old);
    rows.add("in milliseconds", |token| token.claim("auth_time", now * 1_000), old);
    rows.add("a text", |token| token.claim("auth_time", now.to_string()), old);
    rows.add("absent", |token| token, old);
    all.extend(rows.rows);
    all
}

pub(crate) fn authorization_details(gates: &Gates) -> Vec<Row> {
    let shop = || json!({"type": "payment", "creditor": "shop"});
    let lacks = || Answer::insufficient_scope("pay");
    let mut rows = Rows::new(gates, "details");
    let mut add = |name: &str, details: Value, expected: fn() -> Answer| {
        rows.add(name, |token| token.scope("pay").claim("authorization_details", &details), expected);
    };
    add("granted", json!([shop()]), welcome);
    add("among others", json!([{"type": "account", "actions": ["read"]}, shop()]), welcome);
    add("unknown type", json!([{"type": "payments", "creditor": "shop"}]), lacks);
    add("type in capitals", json!([{"type": "PAYMENT", "creditor": "shop"}]), lacks);
    add("another creditor", json!([{"type": "payment", "creditor": "me"}]), lacks);
    add("no type", json!([{"creditor": "shop"}]), lacks);
    add("unknown member", json!([{"type": "payment", "creditor": "shop", "limit": 1}]), lacks);
    add("no list", shop(), lacks);
    add("empty", json!([]), lacks);
    add("null", Value::Null, lacks);
    add("text", json!(["payment"]), lacks);
    add("one unreadable", json!([shop(), 7]), lacks);
    rows.add("absent", |token| token.scope("pay"), lacks);
    rows.add("no scope", |token| token.scope("read").claim("authorization_details", [shop()]), lacks);
    rows.rows
}

pub(crate) fn actors(gates: &Gates) -> Vec<Row> {
    let mut rows = Rows::new(gates, "actors");
    rows.add("the subject", |token| token, welcome);
    let mut add = |name: &str, act: Value, expected: fn() -> Answer| {
        rows.add(name, |token| token.claim("act", &act), expected);
    };
    add("the agent", json!({"sub": "agent"}), welcome);
    add("the agent after another", json!({"sub": "agent", "act": {"sub": "web"}}), welcome);
    add("another", json!({"sub": "web"}), Answer::insufficient);
    add("the agent before another", json!({"sub": "web", "act": {"sub": "agent"}}), Answer::insufficient);
    add("three", json!({"sub": "agent", "act": {"sub": "b", "act": {"sub": "c"}}}), Answer::insufficient);
    add("of another issuer", json!({"sub": "agent", "iss": "https://other.test"}), Answer::insufficient);
    add("a client of this name", json!({"client_id": "agent"}), Answer::insufficient);
    add("text", json!("agent"), Answer::insufficient);
    add("list", json!([{"sub": "agent"}]), Answer::insufficient);
    add("unnamed", json!({}), Answer::insufficient);
    add("number", json!({"sub": 7}), Answer::insufficient);
    add("unreadable before it", json!({"sub": "agent", "act": "web"}), Answer::insufficient);
    let mut rows = rows.rows;
    let for_bob = gates.issuer.token().subject("bob").claim("act", json!({"sub": "agent"})).sign();
    rows.push(row("for another subject", bearing("/step-actors/private", &for_bob), Answer::insufficient()));
    let path = "/step-no-actor/private";
    let acting = alice(gates).claim("act", json!({"sub": "agent"})).sign();
    rows.push(row("nobody acts", bearing(path, &alice(gates).sign()), welcome()));
    rows.push(row("an agent acts", bearing(path, &acting), Answer::insufficient()));
    rows
}

pub(crate) fn implied_scopes(gates: &Gates) -> Vec<Row> {
    // The challenge names what the route demands, and not what implies it.
    let lacks = || Answer::insufficient_scope("messages:read");
    let mut rows = Rows::new(gates, "implied");
    for scope in ["messages:read", "messages:write", "admin", "openid admin"] {
        rows.add(scope, |token| token.scope(scope), welcome);
    }
    for scope in ["", "read", "messages", "messages:*", "ADMIN", "admin,messages:read", "messages:delete"] {
        rows.add(&format!("{scope:?}"), |token| token.scope(scope), lacks);
    }
    let mut rows = rows.rows;
    let admin = alice(gates).scope("admin").sign();
    // Another gate, without the hierarchy.
    let elsewhere = Answer::insufficient_scope("read:messages write:messages");
    rows.push(row("elsewhere", bearing("/main/scoped", &admin), elsewhere));
    rows
}

pub(crate) fn demands_together(gates: &Gates) -> Vec<Row> {
    let now = now(gates);
    let path = "/step-either/private";
    let token = || alice(gates).scope("pay").claim("acr", "gold");
    let gold = || login(r#"acr_values="gold""#, r#""acr_values":"gold""#);
    let mut rows = Vec::new();
    let mut add = |name: &str, token: TokenBuilder, expected: Answer| {
        rows.push(row(name, bearing(path, &token.sign()), expected));
    };
    add("all of one", token(), welcome());
    add("the other", alice(gates).scope("admin").claim("iat", now - 400), welcome());
    // Scopes first, then the login, then the token.
    add("nothing", alice(gates).scope("read").claim("iat", now - 400), Answer::insufficient_scope("admin pay"));
    add("no login", token().without("acr").claim("iat", now - 401), gold());
    add("weak", token().claim("acr", "silver"), gold());
    add("old token", token().claim("iat", now - 402), Answer::invalid_token("expired"));
    rows
}
