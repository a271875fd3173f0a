//! Auth0 and Authok.

use portcullis::jose::Algorithm;

use super::{Foreign, Sample, encrypted, with_secret};
use crate::issuer::TestIssuer;

const CLIENT: &str = "kq3sY8mYtS1mN0oPqRsTuVwXyZ012345";

pub(crate) fn samples(tenant: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let domain = tenant.url().trim_start_matches("https://").trim_end_matches('/').to_owned();
    let id_token = tenant
        .token()
        .audience(CLIENT)
        .without("scope")
        .without("azp")
        .claim("nonce", "n-0S6_WzA2Mj")
        .claim("sid", "s1")
        .claim("email", "jane@example.com");
    let machine = tenant
        .token()
        .subject(&format!("{CLIENT}@clients"))
        .audience(tenant.audience())
        .scope("read:messages")
        .claim("gty", "client-credentials");
    let other_tenant = tenant.token().issuer("https://other.eu.auth0.com/");
    vec![
        Sample::signed("access token of a user", &tenant.token()),
        Sample::signed("access token of a machine", &machine),
        Sample::signed(
            "access token of an organization's member",
            &tenant.token().claim("org_id", "org_9ybsU1dN2dKfDkBi"),
        ),
        Sample::signed("ID token", &id_token),
        Sample::signed("access token for another API", &tenant.token().audience("https://other.example.com")),
        Sample::signed(
            "access token for the Management API",
            &tenant.token().audience(format!("https://{domain}/api/v2/")).scope("read:current_user"),
        ),
        encrypted("access token that was requested without an audience"),
        Sample::new("opaque access token", "rTpcZ8jGxYQ2hVbN4wKfLmS7dXe1uA0o"),
        Sample::new("refresh token", "v1.MjEyNzc4OTQ1LWFiY2RlZmdoaWprbG1ub3BxcnN0dXY"),
        Sample::signed("token of the tenant's other domain", &tenant.token().issuer("https://login.example.com/")),
        foreign.sign("token of another tenant", other_tenant),
        with_secret("token of an API that signs with HS256", Algorithm::Hs256, tenant.token()),
    ]
}
