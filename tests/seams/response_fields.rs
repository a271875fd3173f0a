//! Header fields of the caller: a layer or middleware adds them to the response, an extractor cannot.

use portcullis::adapter::Credential;
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, Policy, Require, Verified, Verifier, async_trait, scopes};

use crate::ways::{Ask, WAYS, ask_in};

/// Gives each caller a fresh nonce for the response.
#[derive(Debug)]
struct GivesNonce;

#[async_trait]
impl Verifier for GivesNonce {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        let claims = serde_json::json!({"sub": "alice", "scope": credential.unverified_token()});
        let caller = Verified::from_claims(&claims, Evidence::Session)?;
        Ok(caller.with_response_headers([("DPoP-Nonce".to_owned(), "n-1".to_owned())]))
    }
}

struct Read;

impl Require for Read {
    fn policy() -> Policy {
        scopes("read")
    }
}

#[actix_web::test]
async fn fields_reach_the_response_behind_a_layer_or_middleware_only() {
    let gate = Gate::new(GivesNonce);
    for way in WAYS {
        let answer = ask_in::<Read>(way, &gate, &Ask::with_authorization("Bearer read"), |_| "read".to_owned()).await;
        let nonce: &[&str] = if way.adds_fields() { &["n-1"] } else { &[] };
        assert_eq!((answer.status, answer.body.as_str(), &answer.values("dpop-nonce")[..]), (200, "read", nonce));
    }
}

/// A refusal is made before there is a caller for the response, so only its own fields are in it.
#[actix_web::test]
async fn refusals_have_no_fields_of_the_caller() {
    let gate = Gate::new(GivesNonce);
    let answer = crate::ways::ask::<Read>(&gate, &Ask::with_authorization("Bearer write"), |_| String::new()).await;
    assert_eq!(answer.status, 403);
    assert!(answer.values("dpop-nonce").is_empty());
}
