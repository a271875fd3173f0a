//! Tests without network access, with and without the feature `remote`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use portcullis::Gate;
use portcullis_testing::TestIssuer;
use portcullis_workload::GitHubActions;

const API: &str = "https://api.example.com";

#[tokio::test]
async fn given_keys_verify_tokens() {
    let github = TestIssuer::github_actions(API);
    let gate = Gate::new(GitHubActions::new(API).repository(456_789).keys(github.keys()).verifier().unwrap());
    assert!(gate.verify(&github.token().sign()).await.is_ok());
}

#[cfg(not(feature = "remote"))]
#[test]
fn missing_keys_are_an_error() {
    let error = GitHubActions::new(API).repository(456_789).verifier().unwrap_err();
    assert_eq!(error.field(), "keys");
    assert!(error.to_string().contains("keys()"), "{error}");
}
