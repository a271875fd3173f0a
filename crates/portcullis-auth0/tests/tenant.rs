//! Tests what Auth0's documentation says about tenants and their tokens.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{Gate, JwtVerifier, Reason, permissions, scopes};
use portcullis_auth0::{Auth0, Auth0Claims};
use portcullis_testing::{Fault, IssuerServer, TestIssuer, TokenBuilder};
use serde_json::json;

const DOMAIN: &str = "tenant.eu.auth0.com";
const API: &str = "https://api.example.com";

fn users() -> TestIssuer {
    TestIssuer::auth0(DOMAIN, API)
}

fn machines() -> TestIssuer {
    TestIssuer::auth0_rfc9068(DOMAIN, API)
}

fn gate(tenant: &TestIssuer) -> Gate {
    Gate::new(Auth0::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap())
}

fn fetching(tenant: &IssuerServer) -> JwtVerifier {
    Auth0::new(format!("http://{}", tenant.address()), API).verifier().unwrap()
}

async fn refused(gate: &Gate, token: &TokenBuilder) -> Option<Reason> {
    gate.verify(&token.sign()).await.err().and_then(|error| error.reason())
}

#[tokio::test]
async fn keys_are_fetched_without_discovery() {
    let tenant = users().serve();
    let gate = Gate::new(fetching(&tenant));
    assert!(gate.verify(&tenant.issuer().token().sign()).await.is_ok());
    assert_eq!((tenant.hits("/.well-known/jwks.json"), tenant.all_hits()), (1, 1));
}

#[tokio::test]
async fn audience_is_compared_byte_by_byte() {
    let tenant = users();
    let gate = gate(&tenant);
    assert!(gate.verify(&tenant.token().audience(API).sign()).await.is_ok());
    for near in ["https://api.example.com/", "https://API.example.com", "http://api.example.com", "api.example.com"] {
        assert_eq!(refused(&gate, &tenant.token().audience(near)).await, Some(Reason::WrongAudience), "{near}");
    }
    let named = Gate::new(Auth0::new(DOMAIN, "my api").keys(tenant.keys()).verifier().unwrap());
    assert!(named.verify(&tenant.token().audience("my api").sign()).await.is_ok());
}

#[tokio::test]
async fn hs256_needs_a_secret_and_the_algorithm() {
    let tenant = users().with_more_algorithms([Algorithm::Hs256]);
    let symmetric = tenant.token().algorithm(Algorithm::Hs256);
    let secret = tenant.signing_keys()[1].secret().unwrap().to_vec();
    assert_eq!(refused(&gate(&tenant), &symmetric).await, Some(Reason::AlgorithmNotAllowed));

    let preset = Auth0::new(DOMAIN, API).keys(FixedKeys::secret(&secret).unwrap());
    assert_eq!(preset.verifier().unwrap_err().field(), "algorithms", "the secret alone is not enough");
    let on_purpose = Gate::new(preset.builder().unwrap().algorithms(Algorithm::Hs256).build().unwrap());
    assert!(on_purpose.verify(&symmetric.sign()).await.is_ok());
    assert_eq!(refused(&on_purpose, &tenant.token()).await, Some(Reason::AlgorithmNotAllowed));
}

#[tokio::test]
async fn every_published_key_is_accepted() {
    let tenant = users().with_more_algorithms([Algorithm::Rs256, Algorithm::Rs256]);
    let keys = FixedKeys::jwks(&tenant.jwks()).unwrap();
    assert_eq!((keys.key_set().len(), keys.key_set().skipped().len()), (3, 0), "with x5c and x5t beside each");
    let gate = Gate::new(Auth0::new(DOMAIN, API).keys(keys).verifier().unwrap());
    for key in tenant.signing_keys() {
        let token = tenant.token().signed_with(Arc::clone(key));
        assert!(gate.verify(&token.sign()).await.is_ok(), "{}", key.id());
    }
    assert_eq!(refused(&gate, &tenant.token().header("kid", "revoked")).await, Some(Reason::UnknownKey));
}

#[tokio::test]
async fn auth0_profile_has_client_in_azp() {
    let tenant = users();
    let caller = gate(&tenant).verify(&tenant.token().claim("gty", "password").sign()).await.unwrap();
    assert_eq!(caller.header().and_then(|header| header.token_type()), Some("JWT"));
    assert_eq!(caller.token_id(), None);
    let claims: Auth0Claims = caller.claims().unwrap();
    assert_eq!(claims.client_id(), Some("kq3sY8mYtS1mN0oPqRsTuVwXyZ012345"));
    assert_eq!((claims.jti.as_deref(), claims.gty.as_deref()), (None, Some("password")));
    assert!(!claims.is_machine());
}

#[tokio::test]
async fn rfc9068_profile_has_client_id_and_jti() {
    let tenant = machines();
    let caller = gate(&tenant).verify(&tenant.token().sign()).await.unwrap();
    assert_eq!(caller.header().and_then(|header| header.token_type()), Some("at+jwt"));
    let claims: Auth0Claims = caller.claims().unwrap();
    assert_eq!(claims.client_id(), Some("kq3sY8mYtS1mN0oPqRsTuVwXyZ012345"));
    assert_eq!((claims.jti.as_deref(), claims.gty.as_deref()), (Some("w6mXJZ1bq2a4PZcVQGvXqT"), None));
    assert_eq!(refused(&gate(&tenant), &tenant.token().claim("client_id", 7)).await, Some(Reason::InvalidClaim));
}

#[tokio::test]
async fn one_profile_can_be_required() {
    let (users, machines) = (users(), machines());
    let builder = |tenant: &TestIssuer| Auth0::new(DOMAIN, API).keys(tenant.keys()).builder().unwrap();
    let only = |tenant: &TestIssuer| Gate::new(builder(tenant).token_types(["at+jwt"]).build().unwrap());
    assert!(only(&machines).verify(&machines.token().sign()).await.is_ok());
    assert_eq!(refused(&only(&users), &users.token()).await, Some(Reason::WrongType));
}

#[tokio::test]
async fn machine_subject_ends_with_clients() {
    let tenant = machines();
    let caller = gate(&tenant).verify(&tenant.token().sign()).await.unwrap();
    assert_eq!(caller.subject(), Some("kq3sY8mYtS1mN0oPqRsTuVwXyZ012345@clients"));
    assert!(caller.claims::<Auth0Claims>().unwrap().is_machine());
}

#[tokio::test]
async fn userinfo_is_accepted_only_with_the_api() {
    let tenant = users();
    assert_eq!(tenant.token().claims()["aud"], json!([API, format!("https://{DOMAIN}/userinfo")]));
    let gate = gate(&tenant);
    assert!(gate.verify(&tenant.token().sign()).await.is_ok());
    let userinfo = tenant.token().audience(format!("https://{DOMAIN}/userinfo"));
    assert_eq!(refused(&gate, &userinfo).await, Some(Reason::WrongAudience));
}

#[tokio::test]
async fn scopes_and_permissions_are_separate() {
    let tenant = users();
    let gate = gate(&tenant);
    let caller = gate.verify(&tenant.token().claim("permissions", ["delete:messages"]).sign()).await.unwrap();
    assert!(scopes("read:messages").check(&caller).is_ok() && scopes("delete:messages").check(&caller).is_err());
    assert!(permissions(["delete:messages"]).check(&caller).is_ok());
    assert!(permissions(["read:messages"]).check(&caller).is_err());
}

#[tokio::test]
async fn organization_and_namespaced_claims_are_read() {
    let tenant = users();
    let token = tenant
        .token()
        .claim("org_id", "org_1")
        .claim("org_name", "acme")
        .claim("authorization_details", json!([{"type": "payment", "amount": 12}]))
        .claim("https://example.com/roles", ["admin"]);
    let claims: Auth0Claims = gate(&tenant).verify(&token.sign()).await.unwrap().claims().unwrap();
    assert_eq!((claims.org_id.as_deref(), claims.org_name.as_deref()), (Some("org_1"), Some("acme")));
    assert_eq!(claims.authorization_details.unwrap()[0]["amount"], 12);
    assert_eq!(claims.custom["https://example.com/roles"], json!(["admin"]));
}

#[tokio::test]
async fn sender_constrained_tokens_are_refused() {
    let tenant = users();
    let gate = gate(&tenant);
    for cnf in [json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}), json!({"jkt": "0ZcOCORZNYy-DWp"})] {
        assert_eq!(refused(&gate, &tenant.token().claim("cnf", &cnf)).await, Some(Reason::SenderConstrained), "{cnf}");
    }
}

#[tokio::test]
async fn unknown_keys_cause_a_limited_number_of_fetches() {
    let tenant = users().serve();
    let gate = Gate::new(fetching(&tenant));
    assert!(gate.verify(&tenant.issuer().token().sign()).await.is_ok());
    tenant.rotate(Algorithm::Rs256);
    assert!(gate.verify(&tenant.issuer().token().sign()).await.is_ok());
    assert_eq!(tenant.jwks_hits(), 2);
    for number in 0..50 {
        let made_up = tenant.issuer().token().header("kid", format!("made-up-{number}"));
        assert!(gate.verify(&made_up.sign()).await.is_err());
    }
    assert_eq!(tenant.jwks_hits(), 3, "a burst of three, the first fetches among them");
}

#[tokio::test]
async fn cached_keys_survive_an_outage() {
    let tenant = users().serve();
    let gate = Gate::new(fetching(&tenant));
    assert!(gate.verify(&tenant.issuer().token().sign()).await.is_ok());
    tenant.misbehave(Fault::status(503));
    assert!(gate.verify(&tenant.issuer().token().sign()).await.is_ok());
}
