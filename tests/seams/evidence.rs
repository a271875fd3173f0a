//! A verifier that is not for JWTs: it makes its callers from claims, with the evidence for them.

use portcullis::adapter::Credential;
use portcullis::error::{InvalidToken, Unavailable};
use portcullis::verifier::{Evidence, SenderConstraint};
use portcullis::{AuthError, Gate, Policy, Require, Verified, Verifier, async_trait, scopes};
use serde_json::json;

use crate::ways::{Ask, ask};

/// Looks up opaque handles: random texts, each of which means a session of a user.
#[derive(Debug)]
struct Handles;

#[async_trait]
impl Verifier for Handles {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        match credential.unverified_token() {
            "session-1" => Ok(Verified::from_claims(&json!({"sub": "alice", "scope": "read"}), Evidence::Session)?),
            "api-key-1" => Ok(Verified::from_claims(&json!({"sub": "job", "scope": "read"}), Evidence::ApiKey)?),
            "introspected-1" => {
                let claims = json!({"sub": "bob", "scope": "read", "cnf": {"jkt": "0Zcf"}});
                Ok(Verified::from_claims(&claims, Evidence::Introspection)?)
            }
            "unscoped" => Ok(Verified::from_claims(&json!({"sub": "carol"}), Evidence::Session)?),
            "broken" => Ok(Verified::from_claims(&json!({"sub": 7}), Evidence::Session)?),
            "store-is-down" => Err(Unavailable::new().into()),
            _ => Err(InvalidToken::Revoked.into()),
        }
    }
}

struct Read;

impl Require for Read {
    fn policy() -> Policy {
        scopes("read")
    }
}

fn say(caller: &Verified) -> String {
    assert!(caller.header().is_none() && caller.raw_token().is_none(), "no JWT was verified");
    let constraint = match caller.sender_constraint() {
        None => "unbound",
        Some(SenderConstraint::Dpop { .. }) => "bound to a DPoP key",
        Some(_) => "bound otherwise",
    };
    format!("{:?} by {:?}, {constraint}", caller.subject(), caller.evidence())
}

#[actix_web::test]
async fn handlers_see_the_evidence() {
    let gate = Gate::new(Handles);
    for (handle, expected) in [
        ("session-1", r#"Some("alice") by Session, unbound"#),
        ("api-key-1", r#"Some("job") by ApiKey, unbound"#),
        ("introspected-1", r#"Some("bob") by Introspection, bound to a DPoP key"#),
    ] {
        let answer = ask::<Read>(&gate, &Ask::with_authorization(&format!("Bearer {handle}")), say).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected));
    }
}

#[actix_web::test]
async fn opaque_handles_get_the_answers_of_the_contract() {
    let gate = Gate::new(Handles);
    for (handle, status, text) in [
        ("unknown", 401, r#""reason":"revoked""#),
        ("broken", 401, r#""reason":"invalid_claim""#),
        ("unscoped", 403, r#""scope":"read""#),
        ("store-is-down", 503, "temporarily_unavailable"),
    ] {
        let answer = ask::<Read>(&gate, &Ask::with_authorization(&format!("Bearer {handle}")), say).await;
        assert_eq!(answer.status, status, "{handle}: {}", answer.body);
        assert!(answer.body.contains(text), "{handle}: {}", answer.body);
    }
}
