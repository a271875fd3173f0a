//! A verifier that understands two schemes: challenges and reading follow it.

use portcullis::adapter::{Credential, Scheme};
use portcullis::error::InvalidToken;
use portcullis::verifier::Evidence;
use portcullis::{AuthError, Gate, Policy, Require, Verified, Verifier, async_trait, scopes};

use crate::ways::{Ask, ask};

/// Takes the scope from the token's text, and refuses the token `expired`.
#[derive(Debug)]
struct Demo {
    schemes: &'static [Scheme],
}

#[async_trait]
impl Verifier for Demo {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        match credential.unverified_token() {
            "expired" => Err(InvalidToken::Expired.into()),
            scope => {
                let claims = serde_json::json!({"sub": "alice", "scope": scope});
                Ok(Verified::from_claims(&claims, Evidence::Session)?)
            }
        }
    }

    fn schemes(&self) -> &[Scheme] {
        self.schemes
    }
}

struct Read;

impl Require for Read {
    fn policy() -> Policy {
        scopes("read")
    }
}

fn gate(schemes: &'static [Scheme]) -> Gate {
    Gate::new(Demo { schemes })
}

const BOTH: &[Scheme] = &[Scheme::Dpop, Scheme::Bearer];

fn say(caller: &Verified) -> String {
    format!("{} by {}", caller.subject().unwrap_or_default(), caller.scheme().name())
}

#[actix_web::test]
async fn credential_of_each_scheme_is_verified() {
    for (value, expected) in [("Bearer read", "alice by Bearer"), ("dpop  read", "alice by DPoP")] {
        let answer = ask::<Read>(&gate(BOTH), &Ask::with_authorization(value), say).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected));
    }
}

#[actix_web::test]
async fn missing_credential_is_challenged_by_each_scheme() {
    for request in [Ask::new("/orders"), Ask::with_authorization("Basic dTpw")] {
        let answer = ask::<Read>(&gate(BOTH), &request, say).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.values("www-authenticate"), [r#"DPoP realm="api""#, r#"Bearer realm="api""#]);
        assert!(answer.body.starts_with(r#"{"error":"missing_token""#), "{}", answer.body);
    }
}

#[actix_web::test]
async fn error_is_in_the_challenge_of_the_scheme_that_was_used() {
    let expired = r#", error="invalid_token", error_description="The access token expired""#;
    let insufficient = r#", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="read""#;
    let malformed =
        r#", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#;
    for (token, status, error) in [("expired", 401, expired), ("write", 403, insufficient), ("a b", 400, malformed)] {
        for (used, other) in [("DPoP", "Bearer"), ("Bearer", "DPoP")] {
            let answer = ask::<Read>(&gate(BOTH), &Ask::with_authorization(&format!("{used} {token}")), say).await;
            assert_eq!(answer.status, status, "{used} {token}");
            let mut challenges = answer.values("www-authenticate");
            challenges.sort_by_key(|challenge| !challenge.starts_with(used));
            let expected = [format!(r#"{used} realm="api"{error}"#), format!(r#"{other} realm="api""#)];
            assert_eq!(challenges, expected, "{used} {token}");
        }
    }
}

#[actix_web::test]
async fn scheme_that_is_not_understood_is_refused_as_a_missing_token() {
    for (schemes, value, challenge) in [
        (&[Scheme::Bearer][..], "DPoP read", r#"Bearer realm="api""#),
        (&[Scheme::Dpop], "Bearer read", r#"DPoP realm="api""#),
    ] {
        let answer = ask::<Read>(&gate(schemes), &Ask::with_authorization(value), say).await;
        assert_eq!((answer.status, answer.values("www-authenticate")), (401, vec![challenge]), "{value}");
        assert!(answer.body.starts_with(r#"{"error":"missing_token""#), "{}", answer.body);
    }
}
