//! Entra ID, Azure AD B2C and Entra External ID.

use std::sync::Arc;

use super::{Foreign, Sample};
use crate::issuer::TestIssuer;
use crate::token::TokenBuilder;

const OTHER_TENANT: &str = "82229342-1101-4ab6-817b-70c0747630f3";
const SERVICE: &str = "b4e7d2a1-5c3f-4a88-8e6d-0f9c1b2a3d44";
const ANOTHER_API: &str = "d1a2b3c4-5e6f-4708-9a1b-2c3d4e5f6071";
const REFRESH: &str = "1.AXoAI_Du6oQtp0ibqouIydajkA.AgABAwEAAABVrSpeuWamRam2jAF1XRQEAwDs_wUA9P8Aw7m1";

pub(crate) fn entra_id(tenant: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || tenant.token();
    let tid = user().claims().get("tid").and_then(|tid| tid.as_str()).unwrap_or_default().to_owned();
    let first = user()
        .issuer(&format!("https://sts.windows.net/{tid}/"))
        .audience(format!("api://{}", tenant.audience()))
        .without("azp")
        .claim("appid", SERVICE)
        .claim("ver", "1.0");
    let application = user().without("scp").subject(SERVICE).claim("oid", SERVICE);
    let guest = user().claim("idp", format!("https://sts.windows.net/{OTHER_TENANT}/")).claim("acct", 1);
    let other_tenant =
        user().issuer(&format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")).claim("tid", OTHER_TENANT);
    let other_cloud = user().issuer(&format!("https://login.microsoftonline.us/{tid}/v2.0"));
    let graph =
        user().audience("00000003-0000-0000-c000-000000000000").header("nonce", "sC8Yx").claim("scp", "User.Read");
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("access token of version 1.0", &first),
        Sample::signed("access token of a guest", &guest),
        Sample::signed(
            "access token of an application with a role",
            &application.clone().claim("roles", ["Files.Read.All"]),
        ),
        Sample::signed("access token of an application without a role", &application),
        Sample::signed("ID token", &id_token(user())),
        // The nonce makes the signature invalid for every service but Graph.
        Sample::signed("access token for Microsoft Graph", &graph.forged_with(Arc::clone(&foreign.0))),
        Sample::signed("access token for Azure Resource Manager", &user().audience("https://management.azure.com")),
        Sample::signed("access token for another API", &user().audience(ANOTHER_API)),
        Sample::signed("token of another tenant", &other_tenant),
        foreign.sign("token of another cloud", other_cloud),
        foreign.sign("token that is signed with the application's own key", user()),
        Sample::new("refresh token", REFRESH),
        Sample::new("access token of a personal account for Microsoft's APIs", "EwBwA8l6BAAUO9chh8cJscQLmU1Lk4d3b"),
    ]
}

pub(crate) fn b2c(tenant: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || tenant.token();
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("ID token", &id_token(user())),
        Sample::signed("token of another user flow", &user().claim("tfp", "B2C_1_password_reset")),
        Sample::signed("access token for another API", &user().audience(ANOTHER_API)),
        foreign.sign("token of another B2C tenant", user().issuer("https://fabrikam.b2clogin.com/82229342/v2.0/")),
        foreign.sign(
            "token of Entra ID",
            user().issuer(&format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")).without("tfp"),
        ),
        Sample::new("refresh token", "eyJraWQiOiJjcGltY29yZSIsInZlciI6IjEuMCJ9.hLh0a.Qk1xR.c2VhbGVk.dGFn"),
    ]
}

pub(crate) fn external_id(tenant: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || tenant.token();
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("ID token", &id_token(user())),
        Sample::signed("access token for another API", &user().audience(ANOTHER_API)),
        foreign.sign(
            "token of another external tenant",
            user()
                .issuer(&format!("https://{OTHER_TENANT}.ciamlogin.com/{OTHER_TENANT}/v2.0"))
                .claim("tid", OTHER_TENANT),
        ),
        foreign.sign(
            "token of a workforce tenant",
            user().issuer(&format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")).claim("tid", OTHER_TENANT),
        ),
        Sample::new("refresh token", REFRESH),
    ]
}

/// Returns an ID token of the application that is also the API.
fn id_token(token: TokenBuilder) -> TokenBuilder {
    token.without("scp").without("azp").without("azpacr").claim("nonce", "n-0S6_WzA2Mj")
}
