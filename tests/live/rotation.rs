//! The running provider gets new keys, and later withdraws the old ones.

use portcullis_testing::TestIssuer;

use crate::provider::Provider;
use crate::services::Services;
use crate::{API, assert_bad_token};

pub(crate) fn a_new_key_is_accepted_at_once_and_a_withdrawn_one_no_longer() {
    let mut provider = Provider::start();
    let services = Services::start(&[("PORTCULLIS_ISSUER", &provider.issuer), ("PORTCULLIS_AUDIENCE", API)]);
    let old = provider.token(Some(API), "read:messages");
    assert_eq!(services.get("/api/private", Some(&old)).status, 200);

    provider.rotate();
    let new = provider.token(Some(API), "read:messages");
    assert_ne!(header(&new), header(&old), "it is another key");
    assert_eq!(services.get("/api/private-scoped", Some(&new)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&old)).status, 200);

    // What is withdrawn is noticed with the next fetch: here for a key that nobody has.
    provider.withdraw_old_keys();
    let unknown = TestIssuer::new().with_url(&provider.issuer).with_audience(API).token().sign();
    assert_bad_token(&services.get("/api/private", Some(&unknown)), "unknown_key");
    assert_bad_token(&services.get("/api/private", Some(&old)), "unknown_key");
    assert_eq!(services.get("/api/private", Some(&new)).status, 200);
}

fn header(token: &str) -> &str {
    token.split('.').next().unwrap()
}
