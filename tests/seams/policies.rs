//! Policies as alternatives, and those that end in a demand for a new login (RFC 9470).

use std::time::{Duration, SystemTime};

use portcullis::adapter::Credential;
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, Policy, Require, ResourceMetadata, Verified, Verifier, async_trait, roles, scopes};
use serde_json::{Value, json};

use crate::ways::{Answer, Ask, ask};

/// Knows callers by name.
#[derive(Debug)]
struct Callers;

#[async_trait]
impl Verifier for Callers {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims: Value = match credential.unverified_token() {
            "fresh" => json!({"scope": "pay", "auth_time": now, "acr": "gold"}),
            "old" => json!({"scope": "pay", "auth_time": now - 3_600, "acr": "gold"}),
            "weak" => json!({"scope": "pay", "auth_time": now, "acr": "bronze"}),
            "untold" => json!({"scope": "pay"}),
            "old-and-unscoped" => json!({"auth_time": now - 3_600, "acr": "gold"}),
            "admin" => json!({"roles": ["admin"]}),
            other => panic!("{other}"),
        };
        Ok(Verified::from_claims(&claims, Evidence::Session)?)
    }
}

fn gate() -> Gate {
    Gate::new(Callers)
}

/// A recent and strong login with the scope, or an administrator.
struct Pay;

impl Require for Pay {
    fn policy() -> Policy {
        let recent = Policy::authenticated_within(Duration::from_secs(300));
        scopes("pay").and(recent).and(Policy::acr(["gold", "silver"])).or(roles(["admin"]))
    }
}

/// A recent login.
struct Recent;

impl Require for Recent {
    fn policy() -> Policy {
        Policy::authenticated_within(Duration::from_secs(300))
    }
}

async fn ask_as<P: Require + 'static>(gate: &Gate, caller: &str) -> Answer {
    ask::<P>(gate, &Ask::with_authorization(&format!("Bearer {caller}")), |_| "paid".to_owned()).await
}

#[actix_web::test]
async fn caller_that_meets_an_alternative_is_let_in() {
    for caller in ["fresh", "admin"] {
        assert_eq!(ask_as::<Pay>(&gate(), caller).await.body, "paid", "{caller}");
    }
}

#[actix_web::test]
async fn insufficient_authentication_is_a_401_with_the_demands() {
    for caller in ["old", "weak", "untold"] {
        let answer = ask_as::<Pay>(&gate(), caller).await;
        assert_eq!(answer.status, 401, "{caller}");
        let challenge = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="A more recent or stronger authentication is required", acr_values="gold silver", max_age="300""#;
        assert_eq!(answer.values("www-authenticate"), [challenge], "{caller}");
        let body = r#"{"error":"insufficient_user_authentication","error_description":"A more recent or stronger authentication is required","acr_values":"gold silver","max_age":300}"#;
        assert_eq!(answer.body, body, "{caller}");
    }
}

#[actix_web::test]
async fn only_what_is_demanded_is_named() {
    let answer = ask_as::<Recent>(&gate(), "old").await;
    let challenge = answer.values("www-authenticate")[0];
    assert!(challenge.ends_with(r#", max_age="300""#) && !challenge.contains("acr_values"), "{challenge}");
    assert!(answer.body.ends_with(r#","max_age":300}"#) && !answer.body.contains("acr_values"), "{}", answer.body);
}

/// A new login would not help.
#[actix_web::test]
async fn missing_scope_is_a_403_also_when_the_login_is_old() {
    let answer = ask_as::<Pay>(&gate(), "old-and-unscoped").await;
    assert_eq!(answer.status, 403);
    assert!(answer.values("www-authenticate")[0].ends_with(r#", scope="pay""#));
}

/// The challenge, the metadata and documentation of an API read the same value.
#[actix_web::test]
async fn challenge_and_metadata_name_the_scopes_of_the_alternatives() {
    let policy = Pay::policy();
    let alternatives = policy.alternatives();
    let [scoped, admin] = alternatives.as_slice() else { panic!("{alternatives:?}") };
    assert_eq!((scoped.scopes(), scoped.acr_values()), (&["pay"][..], &["gold", "silver"][..]));
    assert_eq!((scoped.max_age(), admin.roles()), (Some(Duration::from_secs(300)), &["admin"][..]));

    let metadata = ResourceMetadata::new("https://api.test").unwrap();
    let metadata = metadata.with_scopes(alternatives.named_scopes().iter().copied());
    let gate = gate().with_resource_metadata(metadata);
    let document: Value = serde_json::from_str(&gate.resource_metadata().unwrap().to_json()).unwrap();
    assert_eq!(document["scopes_supported"], json!(["pay"]));
    for caller in ["old", "old-and-unscoped"] {
        let answer = ask_as::<Pay>(&gate, caller).await;
        let challenge = answer.values("www-authenticate")[0];
        assert!(challenge.contains(r#", scope="pay", resource_metadata="#), "{challenge}");
    }
}
