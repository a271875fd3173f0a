//! Clerk.

use serde_json::json;

use super::{Foreign, Sample};
use crate::issuer::TestIssuer;

pub(crate) fn samples(instance: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let session = || instance.token();
    let impersonated = session().claim("act", json!({"iss": "https://dashboard.clerk.com", "sub": "user_2support"}));
    // The cookie `__client` of the Frontend API.
    let client = session().payload(r#"{"id":"client_2dhLh5","rotating_token":"t1"}"#);
    vec![
        Sample::signed("session token", &session()),
        Sample::signed("session token of version 1", &instance.clerk_v1().token()),
        Sample::signed("session token of an impersonated user", &impersonated),
        Sample::signed("session token of a pending session", &session().claim("sts", "pending")),
        Sample::signed("session token of another origin", &session().claim("azp", "https://other.example.com")),
        Sample::signed("session token of a native application", &session().without("azp")),
        Sample::signed("token from a JWT template", &instance.clerk_template().token().without("aud")),
        Sample::signed("token from a JWT template with an audience", &instance.clerk_template().token()),
        Sample::signed("machine token", &instance.clerk_machine().token()),
        Sample::signed("OAuth access token", &instance.clerk_oauth().token()),
        Sample::signed("cookie `__client`", &client),
        foreign.sign("session token of another instance", session().issuer("https://lucky-cat-1.clerk.accounts.dev")),
        Sample::new("API key", "ak_8XOIucKvqHVr5tYP123456789abcdefghij"),
        Sample::new("opaque machine token", "mt_8XOIucKvqHVr5tYP123456789abcdefghij"),
        Sample::new("opaque OAuth access token", "oat_8XOIucKvqHVr5tYP123456789abcdefghij"),
        Sample::new("secret key", "sk_test_8XOIucKvqHVr5tYP123456789abcdefghij"),
    ]
}
