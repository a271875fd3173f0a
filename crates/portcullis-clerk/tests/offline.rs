//! Tests without network access, with and without the feature `remote`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use portcullis::{Gate, Reason};
use portcullis_clerk::Clerk;
use portcullis_testing::TestIssuer;

const HOST: &str = "clerk.example.com";

#[tokio::test]
async fn public_key_verifies_tokens() {
    let instance = TestIssuer::clerk(HOST);
    let pem = instance.public_key_pem();
    for clerk in [Clerk::from_pem(&pem), Clerk::from_frontend_api(HOST).pem(&pem)] {
        let gate = Gate::new(clerk.verifier().unwrap());
        assert!(gate.verify(&instance.token().sign()).await.is_ok());
        let foreign = gate.verify(&TestIssuer::clerk(HOST).token().sign()).await.unwrap_err();
        assert_eq!(foreign.reason(), Some(Reason::BadSignature));
    }
}

#[tokio::test]
async fn given_keys_verify_tokens() {
    let instance = TestIssuer::clerk(HOST);
    let gate = Gate::new(Clerk::from_frontend_api(HOST).keys(instance.keys()).verifier().unwrap());
    assert!(gate.verify(&instance.token().sign()).await.is_ok());
}

#[cfg(not(feature = "remote"))]
#[test]
fn missing_keys_are_an_error() {
    let error = Clerk::from_frontend_api(HOST).verifier().unwrap_err();
    assert_eq!(error.field(), "keys");
    assert!(error.to_string().contains("pem()"), "{error}");
}
