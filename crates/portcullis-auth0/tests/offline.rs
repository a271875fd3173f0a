//! Tests without network access, with and without the feature `remote`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use portcullis::Gate;
use portcullis_auth0::Auth0;
use portcullis_testing::TestIssuer;

const DOMAIN: &str = "tenant.eu.auth0.com";
const API: &str = "https://api.example.com";

#[tokio::test]
async fn given_keys_verify_tokens() {
    let tenant = TestIssuer::auth0(DOMAIN, API);
    let gate = Gate::new(Auth0::new(DOMAIN, API).keys(tenant.keys()).verifier().unwrap());
    assert!(gate.verify(&tenant.token().sign()).await.is_ok());
}

#[cfg(not(feature = "remote"))]
#[test]
fn missing_keys_are_an_error() {
    let error = Auth0::new(DOMAIN, API).verifier().unwrap_err();
    assert_eq!(error.field(), "keys");
    assert!(error.to_string().contains("keys()"), "{error}");
}
