//! The running provider gets new keys, and later withdraws the old ones.

use portcullis_testing::TestIssuer;
use serde_json::Value;

use crate::provider::{Make, Wanted};
use crate::scenarios::{LIFETIME, header, serve};
use crate::{API, assert_bad_token};

pub(crate) fn a_new_key_is_accepted_at_once_and_a_withdrawn_one_no_longer(make: &'static Make) {
    let mut provider = (make.start)(LIFETIME);
    let services = serve(&*provider);
    let wanted = Wanted::scoped("read:messages");
    let old = provider.token(&wanted);
    assert_eq!(services.get("/api/private", Some(&old)).status, 200);

    let old_keys = provider.keys();
    provider.rotate();
    // Where a provider signs with each of its keys in turn, the new ones have theirs after the old ones.
    let new = (0..20).map(|_| provider.token(&wanted)).find(|token| !names_key(token, &old_keys));
    let new = new.expect("the provider signs with a new key");
    assert_eq!(services.get("/api/private-scoped", Some(&new)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&old)).status, 200);

    // What is withdrawn is noticed with the next fetch: here for a key that nobody has.
    provider.withdraw_old_keys();
    let unknown = TestIssuer::new().with_url(provider.issuer()).with_audience(API).token().sign();
    assert_bad_token(&services.get("/api/private", Some(&unknown)), "unknown_key");
    assert_bad_token(&services.get("/api/private", Some(&old)), "unknown_key");
    assert_eq!(services.get("/api/private", Some(&new)).status, 200);
}

/// Whether one of `keys`, a JWK Set, is the one that the token names.
fn names_key(token: &str, keys: &str) -> bool {
    let keys: Value = serde_json::from_str(keys).unwrap();
    let id = &header(token)["kid"];
    assert!(id.is_string(), "the token names no key");
    keys["keys"].as_array().unwrap().iter().any(|key| &key["kid"] == id)
}
