//! Tests without network access, with and without the feature `remote`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use portcullis::Gate;
use portcullis_oidc::Okta;
use portcullis_testing::TestIssuer;

const DOMAIN: &str = "dev-1.okta.com";

#[tokio::test]
async fn given_keys_verify_tokens() {
    let issuer = TestIssuer::okta(DOMAIN, "default", "api://default");
    let gate = Gate::new(Okta::new(DOMAIN, "api://default").keys(issuer.keys()).verifier().unwrap());
    assert!(gate.verify(&issuer.token().sign()).await.is_ok());
}

#[cfg(not(feature = "remote"))]
#[test]
fn missing_keys_are_an_error() {
    let error = Okta::new(DOMAIN, "api://default").verifier().unwrap_err();
    assert_eq!(error.field(), "keys");
    assert!(error.to_string().contains("keys()"), "{error}");
}
