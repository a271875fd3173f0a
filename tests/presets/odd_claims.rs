//! Claims of whatever type, put into the place of each claim of each provider's tokens: nothing panics, and nothing that
//! is odd lets anybody in or grants anything.

use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Gate, Verified};
use portcullis_azure::{Azure, AzureClaims};
use portcullis_clerk::{Clerk, ClerkClaims};
use portcullis_oidc::{
    Authok, Cognito, CognitoClaims, Firebase, Google, Keycloak, KeycloakClaims, Logto, Okta, Supabase, WorkOs, Zitadel,
};
use portcullis_testing::{TestIssuer, TokenBuilder};
use serde_json::{Map, Value, json};

const API: &str = "https://api.example.com";
const HOST: &str = "clerk.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const POOL: &str = "eu-west-1_Ab12Cd34E";

/// A preset, a good token, and the claims that it can't do without.
struct Subject {
    name: &'static str,
    gate: Gate,
    token: TokenBuilder,
    vital: &'static [&'static str],
}

fn subject(
    name: &'static str,
    builder: Result<JwtVerifierBuilder, portcullis::ConfigError>,
    token: TokenBuilder,
    vital: &'static [&'static str],
) -> Subject {
    Subject { name, gate: Gate::new(builder.unwrap().build().unwrap()), token, vital }
}

fn of_clerk() -> Vec<Subject> {
    let instance = TestIssuer::clerk(HOST);
    let clerk = Clerk::from_frontend_api(HOST).keys(instance.keys());
    let parties = clerk.clone().authorized_parties(["https://app.example.com"]);
    let member = instance.token().clerk_organization("admin", "o:articles,u:export", "manage,read", "3");
    let first = instance.clerk_v1().token().claim("org_id", "org_1").claim("org_role", "org:admin");
    let first = first.claim("org_permissions", ["org:articles:read"]).claim("act", json!({"sub": "user_2"}));
    vec![
        subject("Clerk, version 2", parties.builder(), member, &["azp", "exp", "iss"]),
        subject("Clerk, version 1", clerk.builder(), first, &["exp", "iss"]),
    ]
}

fn of_azure() -> Vec<Subject> {
    let (user, app) = (TestIssuer::azure(TENANT, CLIENT_ID), TestIssuer::azure_app(TENANT, CLIENT_ID));
    let b2c = TestIssuer::azure_b2c("contoso", TENANT, "B2C_1_susi", CLIENT_ID);
    let user_token = || user.token().claim("roles", ["Reader"]).claim("groups", ["g1"]).claim("idtyp", "user");
    let single = Azure::single_tenant(TENANT, CLIENT_ID);
    let common = Azure::common(CLIENT_ID);
    let policy = Azure::b2c("contoso", TENANT, "B2C_1_susi", CLIENT_ID);
    let of_tenant: &[&str] = &["aud", "exp", "iss", "tid"];
    vec![
        subject("Entra ID, one tenant", single.clone().keys(user.keys()).builder(), user_token(), of_tenant),
        subject("Entra ID, common", common.keys(user.keys()).delegated_only().builder(), user_token(), of_tenant),
        subject("Entra ID, application", single.keys(app.keys()).app_only().builder(), app.token(), of_tenant),
        subject("Azure AD B2C", policy.keys(b2c.keys()).builder(), b2c.token(), &["aud", "exp", "iss", "scp", "tfp"]),
    ]
}

fn of_others() -> Vec<Subject> {
    let authok = TestIssuer::authok("t.authok.cn", API);
    let cognito = TestIssuer::cognito("eu-west-1", POOL, "client");
    let firebase = TestIssuer::firebase("project-1");
    let google = TestIssuer::google_id_tokens("client");
    let keycloak = TestIssuer::keycloak("https://kc.example", "main", "api");
    let logto = TestIssuer::logto("https://t.logto.app", API);
    let okta = TestIssuer::okta("dev-1.okta.com", "default", API);
    let supabase = TestIssuer::supabase("abc");
    let workos = TestIssuer::workos_sessions("client_1");
    let zitadel = TestIssuer::zitadel("https://i.zitadel.cloud", "1");
    let of_api: &[&str] = &["aud", "exp", "iss"];
    let realm = || Keycloak::new("https://kc.example", "main", "api").keys(keycloak.keys());
    let hosted = Google::id_tokens("client").hosted_domain("example.com").keys(google.keys());
    vec![
        subject("Authok", Authok::new("t.authok.cn", API).keys(authok.keys()).builder(), authok.token(), of_api),
        subject(
            "Cognito",
            Cognito::new("eu-west-1", POOL, ["client"]).keys(cognito.keys()).builder(),
            cognito.token(),
            &["client_id", "exp", "iss", "token_use"],
        ),
        subject(
            "Firebase",
            Firebase::new("project-1").keys(firebase.keys()).builder(),
            firebase.token().claim("roles", ["reader"]),
            of_api,
        ),
        subject("Google", hosted.builder(), google.token(), &["aud", "exp", "hd", "iss"]),
        subject("Keycloak, realm", realm().builder(), keycloak.token(), &["aud", "exp", "iss", "typ"]),
        subject(
            "Keycloak, client",
            realm().client("api").authorized_parties(["web"]).builder(),
            keycloak.token(),
            &["aud", "azp", "exp", "iss", "typ"],
        ),
        subject("Logto", Logto::new("https://t.logto.app", API).keys(logto.keys()).builder(), logto.token(), of_api),
        subject("Okta", Okta::new("dev-1.okta.com", API).keys(okta.keys()).builder(), okta.token(), of_api),
        subject(
            "Supabase",
            Supabase::new("abc").keys(supabase.keys()).builder(),
            supabase.token(),
            &["aud", "exp", "iss", "role"],
        ),
        subject("WorkOS", WorkOs::sessions("client_1").keys(workos.keys()).builder(), workos.token(), &["exp", "iss"]),
        subject(
            "Zitadel",
            Zitadel::new("https://i.zitadel.cloud", "1").keys(zitadel.keys()).builder(),
            zitadel.token(),
            of_api,
        ),
    ]
}

/// Values that no provider writes anywhere, save for those that say nothing.
fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("  "),
        json!([]),
        json!({}),
        json!([["odd"]]),
        json!([{"odd": "odd"}]),
        json!({"odd": true}),
        json!({"odd": ["odd"]}),
        json!({"odd": {}}),
        json!({"roles": "odd"}),
        json!({"roles": {"odd": {"1": "odd"}}}),
    ]
}

/// Claims that some preset or type reads, whether or not a token has them.
const READ_SOMEWHERE: [&str; 32] = [
    "_claim_names",
    "act",
    "acr",
    "appid",
    "aud",
    "azp",
    "cat",
    "client_id",
    "cnf",
    "cognito:groups",
    "fea",
    "fva",
    "groups",
    "hasgroups",
    "idtyp",
    "o",
    "oid",
    "org_id",
    "org_permissions",
    "org_role",
    "permissions",
    "pla",
    "resource_access",
    "role",
    "roles",
    "scope",
    "scopes",
    "scp",
    "sts",
    "sub",
    "tfp",
    "v",
];

/// The claims with each of them, and each member of those that are objects, replaced by `odd`: which claim it was, and
/// the claims.
fn changed(claims: &Map<String, Value>, odd: &Value) -> Vec<(String, Map<String, Value>)> {
    let mut all = Vec::new();
    let names: std::collections::BTreeSet<&str> = claims.keys().map(String::as_str).chain(READ_SOMEWHERE).collect();
    for name in names {
        let with = |value: Value| {
            let mut claims = claims.clone();
            claims.insert(name.to_owned(), value);
            (name.to_owned(), claims)
        };
        all.push(with(odd.clone()));
        if let Some(Value::Object(members)) = claims.get(name) {
            for member in members.keys() {
                let mut members = members.clone();
                members.insert(member.clone(), odd.clone());
                all.push(with(members.into()));
            }
        }
    }
    all
}

/// Whether it is what the blank ones of [`odd_values`] say themselves, which is no name that a service asks for.
fn is_blank(grant: &str) -> bool {
    grant.trim_start_matches("org:").trim().is_empty()
}

fn grants(caller: &Verified) -> [Vec<String>; 3] {
    [caller.scopes(), caller.permissions(), caller.roles()]
        .map(|names| names.iter().map(|name| name.to_string()).collect())
}

/// Reads the caller's claims as each of the providers' types.
fn read_as_each_type(caller: &Verified, name: &str) {
    if let Ok(claims) = caller.claims::<ClerkClaims>() {
        let permissions = claims.organization.as_ref().map(|one| one.permissions.clone()).unwrap_or_default();
        let role = claims.organization.as_ref().and_then(|one| one.role.clone());
        if name.starts_with("Clerk") {
            assert_eq!((permissions, Vec::from_iter(role)), (grants(caller)[1].clone(), grants(caller)[2].clone()));
        }
        assert!(!claims.has_feature("odd") && !claims.has_plan("odd") && !claims.has_scope("odd"));
    }
    if let Ok(claims) = caller.claims::<AzureClaims>() {
        assert!(!claims.has_scope("odd") && !claims.has_role("odd") && claims.groups.contains("odd") != Some(true));
    }
    if let Ok(claims) = caller.claims::<KeycloakClaims>() {
        assert!(
            !claims.realm_roles().contains(&"odd".to_owned())
                && !claims.client_roles("api").contains(&"odd".to_owned())
        );
    }
    if let Ok(claims) = caller.claims::<CognitoClaims>() {
        assert!(!claims.groups.contains(&"odd".to_owned()));
    }
}

async fn nothing_odd_counts(subjects: Vec<Subject>) {
    for Subject { name, gate, token, vital } in subjects {
        let usual = grants(&gate.verify(&token.sign()).await.unwrap());
        let (mut admitted, mut refused) = (0, 0);
        for odd in odd_values() {
            for (claim, claims) in changed(token.claims(), &odd) {
                let text = token.clone().payload(Value::Object(claims).to_string()).sign();
                match gate.verify(&text).await {
                    Ok(caller) => {
                        admitted += 1;
                        assert!(!vital.contains(&claim.as_str()), "{name}: {claim}: {odd}");
                        for (found, usual) in grants(&caller).iter().zip(&usual) {
                            let mut more = found.iter().filter(|grant| !usual.contains(grant) && !is_blank(grant));
                            assert_eq!(more.next(), None, "{name}: {claim}: {odd}");
                        }
                        read_as_each_type(&caller, name);
                    }
                    Err(error) => {
                        refused += 1;
                        assert_eq!(error.status(), 401, "{name}: {claim}: {odd}: {error}");
                        assert!(!error.to_string().contains("odd"), "{name}: {error}");
                    }
                }
            }
        }
        assert!(admitted > 50 && refused > 50, "{name}: {admitted} {refused}");
    }
}

#[tokio::test]
async fn odd_claims_count_for_nothing_with_clerk() {
    nothing_odd_counts(of_clerk()).await;
}

#[tokio::test]
async fn odd_claims_count_for_nothing_with_entra_id() {
    nothing_odd_counts(of_azure()).await;
}

#[tokio::test]
async fn odd_claims_count_for_nothing_with_the_other_providers() {
    nothing_odd_counts(of_others()).await;
}

#[tokio::test]
async fn odd_members_of_the_header_let_nobody_in_whom_they_should_not() {
    for Subject { name, gate, token, .. } in of_clerk().into_iter().chain(of_azure()).chain(of_others()) {
        for odd in odd_values().into_iter().filter(|odd| !odd.is_null()) {
            for member in ["alg", "crit", "typ"] {
                let refused = gate.verify(&token.clone().header(member, &odd).sign()).await.err();
                assert_eq!(refused.map(|error| error.status()), Some(401), "{name}: {member}: {odd}");
            }
            for member in ["b64", "cat", "cty", "jku", "jwk", "kid", "x5c", "zip"] {
                if let Err(error) = gate.verify(&token.clone().header(member, &odd).sign()).await {
                    assert_eq!(error.status(), 401, "{name}: {member}: {odd}: {error}");
                }
            }
        }
    }
}
