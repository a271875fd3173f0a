//! Keycloak, Logto, Okta, Supabase, WorkOS and Zitadel.

use portcullis::jose::Algorithm;
use serde_json::json;

use super::{Foreign, Sample, with_secret};
use crate::issuer::TestIssuer;

pub(crate) fn keycloak(realm: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || realm.token();
    let (base, _) = realm.url().rsplit_once('/').unwrap_or_default();
    let service = user()
        .subject("5f1e2d3c-service")
        .without("sid")
        .claim("azp", "batch")
        .claim("client_id", "batch")
        .claim("preferred_username", "service-account-batch");
    let id_token =
        user().audience("web").claim("typ", "ID").without("realm_access").without("resource_access").without("scope");
    let refresh = |class: &str| user().audience(realm.url()).claim("typ", class).without("realm_access");
    let logout = user()
        .header("typ", "logout+jwt")
        .audience("web")
        .claim("typ", "Logout")
        .claim("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("access token of a service account", &service),
        Sample::signed(
            "lightweight access token",
            &user().without("sub").without("realm_access").without("resource_access"),
        ),
        Sample::signed("access token without the audience mapper", &user().audience("account")),
        Sample::signed("ID token", &id_token),
        Sample::signed("ID token for the API's own client", &id_token.clone().audience(realm.audience())),
        with_secret("refresh token", Algorithm::Hs512, refresh("Refresh")),
        with_secret("offline token", Algorithm::Hs512, refresh("Offline")),
        Sample::signed("logout token", &logout),
        foreign.sign("token of another realm", user().issuer(&format!("{base}/other"))),
        Sample::signed(
            "token that was got through another address",
            &user().issuer("http://keycloak:8080/realms/main"),
        ),
    ]
}

pub(crate) fn logto(tenant: &TestIssuer) -> Vec<Sample> {
    let user = || tenant.token();
    let id_token =
        user().audience("web-app-1").without("scope").without("client_id").claim("at_hash", "HK6E_P6Dh8Y93mRN");
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("access token of a machine", &user().subject("m2m-app-1").claim("client_id", "m2m-app-1")),
        Sample::signed("access token for the API in an organization", &user().claim("organization_id", "org1")),
        Sample::signed("organization token", &user().audience("urn:logto:organization:org1")),
        Sample::signed("ID token", &id_token),
        Sample::signed("access token for another API", &user().audience("https://other.example.com")),
        Foreign::of(Algorithm::Es384).sign("token of another tenant", user().issuer("https://other.logto.app/oidc")),
        Sample::new("opaque access token", "J4bfGq2Yk1yOMcdmZkh6cJ8n0vN5OmGxDq7rTz3uWxY"),
        Sample::new("refresh token", "Zk9xR3pQvL2mN8wY5tB7cD1fG4hJ6kS0aE-uIoPqRsT"),
    ]
}

pub(crate) fn okta(server: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || server.token();
    let (org, _) = server.url().split_once("/oauth2/").unwrap_or_default();
    let client = "0oa1gjh63g214q0Hq0g4";
    let id_token = user().audience(client).without("scp").without("cid").without("uid").claim("amr", ["pwd"]);
    let of_org = user().issuer(org).audience(org).claim("scp", ["openid", "okta.users.read.self"]);
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed(
            "access token of a service",
            &user().subject(client).without("uid").claim("scp", ["read:messages"]),
        ),
        Sample::signed("ID token", &id_token),
        Sample::signed("access token for another audience", &user().audience("api://other")),
        foreign.sign("access token of the org authorization server", of_org),
        foreign.sign("access token of another custom server", user().issuer(&format!("{org}/oauth2/aus1abc"))),
        foreign.sign("token of another organization", user().issuer("https://dev-2.okta.com/oauth2/default")),
        Sample::signed(
            "token of the organization's custom domain",
            &user().issuer("https://id.example.com/oauth2/default"),
        ),
        Sample::new("refresh token", "oar1abcDEF2ghiJKL3mnoPQR4stu-vwxYZ5678901234"),
    ]
}

pub(crate) fn supabase(project: &TestIssuer) -> Vec<Sample> {
    let user = || project.token();
    let api_key = |role: &str| {
        user().payload(
            json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": role, "iat": 1_700_000_000,
            "exp": 4_102_444_800_i64})
            .to_string(),
        )
    };
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("access token of an anonymous user", &user().claim("is_anonymous", true)),
        with_secret("access token that is signed with the legacy secret", Algorithm::Hs256, user()),
        with_secret("legacy API key `anon`", Algorithm::Hs256, api_key("anon")),
        with_secret("legacy API key `service_role`", Algorithm::Hs256, api_key("service_role")),
        Sample::new("publishable API key", "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"),
        Sample::new("secret API key", "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"),
        Foreign::of(Algorithm::Es256)
            .sign("token of another project", user().issuer("https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1")),
        Sample::signed("token of the project's custom domain", &user().issuer("https://auth.example.com/auth/v1")),
        Sample::new("refresh token", "v7pdrjqkzqvq"),
    ]
}

pub(crate) fn workos_sessions(application: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || application.token();
    let (base, _) = application.url().rsplit_once('/').unwrap_or_default();
    let of_api = user().issuer("https://acme.authkit.app").audience("https://api.example.com");
    vec![
        Sample::signed("session token", &user()),
        Sample::signed(
            "session token of an impersonated user",
            &user().claim("act", json!({"sub": "admin@example.com"})),
        ),
        Sample::signed("session token of a custom domain", &user().issuer("https://auth.example.com")),
        foreign.sign("session token of another application", user().issuer(&format!("{base}/client_other"))),
        foreign.sign("access token for an API", of_api),
        Sample::new("refresh token", "yAjhKk123NLIjdrBdGZPf8pLIDvK"),
        Sample::new("sealed session cookie", "Fe26.2*1*8e1f2a3b*pZ4x*Q7c9*1767225600000*a1b2*c3d4"),
    ]
}

pub(crate) fn workos_api(environment: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || environment.token();
    let session =
        user().issuer("https://api.workos.com/user_management/client_01HQSXZGF8FHF7A9ZZFCW4387R").without("aud");
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed(
            "access token of a machine",
            &user().subject("client_01HXYZ123456789ABCDEFGHIJ").claim("org_id", "org_01HXYZ123456789ABCDEFGHIJ"),
        ),
        Sample::signed("ID token", &user().audience("client_01HXYZ123456789ABCDEFGHIJ").claim("nonce", "n-0S6")),
        Sample::signed("access token for another API", &user().audience("https://other.example.com")),
        foreign.sign("session token", session),
        Sample::new("refresh token", "yAjhKk123NLIjdrBdGZPf8pLIDvK"),
    ]
}

pub(crate) fn zitadel(instance: &TestIssuer) -> Vec<Sample> {
    let foreign = Foreign::new();
    let user = || instance.token();
    let id_token = user()
        .without("jti")
        .without("client_id")
        .claim("azp", "272311436567052291@web")
        .claim("amr", ["pwd"])
        .claim("at_hash", "HK6E_P6Dh8Y93mRNtsDB1Q");
    let assertion = user().payload(
        json!({"iss": "345377791925026818", "sub": "345377791925026818", "aud": instance.url(), "iat": 1_700_000_000,
            "exp": 4_102_444_800_i64})
        .to_string(),
    );
    let other_project = ["272311436567052291@web", "170088295403946241"];
    vec![
        Sample::signed("access token of a user", &user()),
        Sample::signed("access token of a service user", &user().subject("345377791925026999").without("client_id")),
        Sample::signed("ID token", &id_token),
        Sample::signed("access token for another project", &user().audience(other_project)),
        foreign.sign("token of another instance", user().issuer("https://instance-2.zitadel.cloud")),
        foreign.sign("JWT profile assertion of a service user", assertion),
        Sample::new("opaque access token", "wQx0w5rLq3f7u-Zy1p0aaaabbbbccccdddd"),
        Sample::new("personal access token", "eGZ4Zk5vRU1oV1Zq-dBcDeFgHiJkLmNoPqRsTuVwXyZ"),
    ]
}
