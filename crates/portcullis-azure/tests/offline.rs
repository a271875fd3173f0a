//! Tests without network access, with and without the feature `remote`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use portcullis::Gate;
use portcullis_azure::Azure;
use portcullis_testing::TestIssuer;

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

#[tokio::test]
async fn given_keys_verify_tokens() {
    let tenant = TestIssuer::azure(TENANT, API);
    let gate = Gate::new(Azure::single_tenant(TENANT, API).keys(tenant.keys()).verifier().unwrap());
    assert!(gate.verify(&tenant.token().sign()).await.is_ok());
}

#[cfg(not(feature = "remote"))]
#[test]
fn missing_keys_are_an_error() {
    for azure in [Azure::common(API), Azure::external_id("contoso", TENANT, API)] {
        let error = azure.verifier().unwrap_err();
        assert_eq!(error.field(), "keys");
        assert!(error.to_string().contains("keys()"), "{error}");
    }
}
