//! Tests a provider that adds new keys and later withdraws the old ones.

use portcullis_testing::TestIssuer;
use serde_json::Value;

use crate::provider::{ProviderKind, TokenRequest};
use crate::scenarios::{LIFETIME, header, serve};
use crate::{API, assert_bad_token};

pub(crate) fn new_keys_work_and_withdrawn_keys_do_not(kind: &'static ProviderKind) {
    let mut provider = (kind.start)(LIFETIME);
    let services = serve(&*provider);
    let request = TokenRequest::scoped("read:messages");
    let old = provider.token(&request);
    assert_eq!(services.get("/api/private", Some(&old)).status, 200);

    let old_keys = provider.keys();
    provider.rotate();
    // A provider that signs with its keys in turn uses the new ones after the old ones.
    let new = (0..20).map(|_| provider.token(&request)).find(|token| !names_key(token, &old_keys));
    let new = new.expect("the provider signs with a new key");
    assert_eq!(services.get("/api/private-scoped", Some(&new)).status, 200);
    assert_eq!(services.get("/api/private-scoped", Some(&old)).status, 200);

    // The withdrawal is noticed at the next fetch. Here an unknown key causes it.
    provider.withdraw_old_keys();
    let unknown = TestIssuer::new().with_url(provider.issuer()).with_audience(API).token().sign();
    assert_bad_token(&services.get("/api/private", Some(&unknown)), "unknown_key");
    assert_bad_token(&services.get("/api/private", Some(&old)), "unknown_key");
    assert_eq!(services.get("/api/private", Some(&new)).status, 200);
}

/// Tells whether `keys`, a JWK Set, contain the key that the token names.
fn names_key(token: &str, keys: &str) -> bool {
    let keys: Value = serde_json::from_str(keys).unwrap();
    let id = &header(token)["kid"];
    assert!(id.is_string(), "the token names no key");
    keys["keys"].as_array().unwrap().iter().any(|key| &key["kid"] == id)
}
