//! Replaces each claim of each identity provider's tokens by odd values. Nothing panics, no bad token is accepted, and odd
//! values grant nothing.

use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, Gate, Verified};
use portcullis_azure::{Azure, AzureClaims};
use portcullis_clerk::{Clerk, ClerkClaims};
use portcullis_oidc as oidc;
use portcullis_testing::{TestIssuer, TokenBuilder};
use portcullis_workload as workload;
use serde_json::{Map, Value, json};

const API: &str = "https://api.example.com";
const HOST: &str = "clerk.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const POOL: &str = "eu-west-1_Ab12Cd34E";

/// A preset under test, a good token, and the claims without which the token is refused.
struct Subject {
    name: &'static str,
    gate: Gate,
    token: TokenBuilder,
    vital: &'static [&'static str],
}

impl Subject {
    /// `preset` makes the preset's builder with the keys of `issuer`.
    fn new(
        name: &'static str,
        issuer: &TestIssuer,
        vital: &'static [&'static str],
        preset: impl FnOnce(portcullis::keys::FixedKeys) -> Result<JwtVerifierBuilder, ConfigError>,
    ) -> Self {
        let verifier = preset(issuer.keys()).and_then(JwtVerifierBuilder::build).unwrap();
        Self { name, gate: Gate::new(verifier), token: issuer.token(), vital }
    }

    fn with_token(self, change: impl FnOnce(TokenBuilder) -> TokenBuilder) -> Self {
        Self { token: change(self.token), ..self }
    }
}

fn of_clerk() -> Vec<Subject> {
    let instance = TestIssuer::clerk(HOST);
    let clerk = || Clerk::from_frontend_api(HOST);
    vec![
        Subject::new("Clerk, version 2", &instance, &["azp", "exp", "iss"], |keys| {
            clerk().authorized_parties(["https://app.example.com"]).keys(keys).builder()
        })
        .with_token(|token| token.clerk_organization("admin", "o:articles,u:export", "manage,read", "3")),
        Subject::new("Clerk, version 1", &instance.clerk_v1(), &["exp", "iss"], |keys| clerk().keys(keys).builder())
            .with_token(|token| {
                token
                    .claim("org_id", "org_1")
                    .claim("org_role", "org:admin")
                    .claim("org_permissions", ["org:articles:read"])
                    .claim("act", json!({"sub": "user_2"}))
            }),
    ]
}

fn of_azure() -> Vec<Subject> {
    const VITAL: &[&str] = &["aud", "exp", "iss", "tid"];
    let (user, app) = (TestIssuer::azure(TENANT, CLIENT_ID), TestIssuer::azure_app(TENANT, CLIENT_ID));
    let b2c = TestIssuer::azure_b2c("contoso", TENANT, "B2C_1_susi", CLIENT_ID);
    let with_grants =
        |token: TokenBuilder| token.claim("roles", ["Reader"]).claim("groups", ["g1"]).claim("idtyp", "user");
    vec![
        Subject::new("Entra ID, one tenant", &user, VITAL, |keys| {
            Azure::single_tenant(TENANT, CLIENT_ID).keys(keys).builder()
        })
        .with_token(with_grants),
        Subject::new("Entra ID, common", &user, VITAL, |keys| {
            Azure::common(CLIENT_ID).keys(keys).delegated_only().builder()
        })
        .with_token(with_grants),
        Subject::new("Entra ID, application", &app, VITAL, |keys| {
            Azure::single_tenant(TENANT, CLIENT_ID).keys(keys).app_only().builder()
        }),
        Subject::new("Azure AD B2C", &b2c, &["aud", "exp", "iss", "scp", "tfp"], |keys| {
            Azure::b2c("contoso", TENANT, "B2C_1_susi", CLIENT_ID).keys(keys).builder()
        }),
    ]
}

fn of_others() -> Vec<Subject> {
    const VITAL: &[&str] = &["aud", "exp", "iss"];
    let keycloak = TestIssuer::keycloak("https://kc.example", "main", "api");
    vec![
        Subject::new("Authok", &TestIssuer::authok("t.authok.cn", API), VITAL, |keys| {
            oidc::Authok::new("t.authok.cn", API).keys(keys).builder()
        }),
        Subject::new(
            "Cognito",
            &TestIssuer::cognito("eu-west-1", POOL, "client"),
            &["client_id", "exp", "iss", "token_use"],
            |keys| oidc::Cognito::new("eu-west-1", POOL, ["client"]).keys(keys).builder(),
        ),
        Subject::new("Firebase", &TestIssuer::firebase("project-1"), VITAL, |keys| {
            oidc::Firebase::new("project-1").keys(keys).builder()
        })
        .with_token(|token| token.claim("roles", ["reader"])),
        Subject::new("Google", &TestIssuer::google_id_tokens("client"), &["aud", "exp", "hd", "iss"], |keys| {
            oidc::Google::id_tokens("client").hosted_domain("example.com").keys(keys).builder()
        }),
        Subject::new("Keycloak, realm", &keycloak, &["aud", "exp", "iss", "typ"], |keys| {
            oidc::Keycloak::new("https://kc.example", "main", "api").keys(keys).builder()
        }),
        Subject::new("Keycloak, client", &keycloak, &["aud", "azp", "exp", "iss", "typ"], |keys| {
            let realm = oidc::Keycloak::new("https://kc.example", "main", "api");
            realm.client("api").authorized_parties(["web"]).keys(keys).builder()
        }),
        Subject::new("Logto", &TestIssuer::logto("https://t.logto.app", API), VITAL, |keys| {
            oidc::Logto::new("https://t.logto.app", API).keys(keys).builder()
        }),
        Subject::new("Okta", &TestIssuer::okta("dev-1.okta.com", "default", API), VITAL, |keys| {
            oidc::Okta::new("dev-1.okta.com", API).keys(keys).builder()
        }),
        Subject::new("Supabase", &TestIssuer::supabase("abc"), &["aud", "exp", "iss", "role"], |keys| {
            oidc::Supabase::new("abc").keys(keys).builder()
        }),
        Subject::new("WorkOS", &TestIssuer::workos_sessions("client_1"), &["exp", "iss"], |keys| {
            oidc::WorkOs::sessions("client_1").keys(keys).builder()
        }),
        Subject::new("Zitadel", &TestIssuer::zitadel("https://i.zitadel.cloud", "1"), VITAL, |keys| {
            oidc::Zitadel::new("https://i.zitadel.cloud", "1").keys(keys).builder()
        }),
    ]
}

fn of_machines() -> Vec<Subject> {
    const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
    const VITAL: &[&str] = &["aud", "exp", "iss"];
    const TAG: &str = "0a1b";
    const BACKEND: &str = "/projects/1/global/backendServices/2";
    vec![
        Subject::new(
            "GitHub Actions",
            &TestIssuer::github_actions(API),
            &["aud", "event_name", "exp", "iss", "ref", "repository_id"],
            |keys| {
                let github = workload::GitHubActions::new(API).repository(456_789).git_ref("refs/heads/main");
                github.keys(keys).builder()
            },
        ),
        Subject::new(
            "GitLab",
            &TestIssuer::gitlab("https://gitlab.example.com", API),
            &["aud", "exp", "iss", "pipeline_source", "project_id", "ref", "ref_type"],
            |keys| {
                let gitlab = workload::GitLab::new("https://gitlab.example.com", API).project(22).branch("main");
                gitlab.keys(keys).builder()
            },
        ),
        Subject::new("Kubernetes", &TestIssuer::kubernetes(CLUSTER, API), VITAL, |keys| {
            workload::Kubernetes::new(CLUSTER, API).service_account("shop", "web").keys(keys).builder()
        }),
        Subject::new(
            "AWS",
            &TestIssuer::aws_outbound("https://a.tokens.sts.global.api.aws", API),
            &["aud", "exp", "iss", "sub"],
            |keys| {
                let aws = workload::AwsRole::new("https://a.tokens.sts.global.api.aws", API);
                aws.role("arn:aws:iam::123456789012:role/DataProcessingRole").keys(keys).builder()
            },
        ),
        Subject::new("SPIFFE", &TestIssuer::spiffe("example.org", API), &["aud", "exp", "sub"], |keys| {
            workload::Spiffe::new("example.org", API).keys(keys).builder()
        }),
        Subject::new(
            "Cloudflare Access",
            &TestIssuer::cloudflare_access("acme.cloudflareaccess.com", &TAG.repeat(16)),
            &["aud", "exp", "iss", "sub", "type"],
            |keys| {
                let access = workload::CloudflareAccess::new("acme.cloudflareaccess.com", TAG.repeat(16));
                access.keys(keys).builder()
            },
        ),
        Subject::new("Google IAP", &TestIssuer::google_iap(BACKEND), &["aud", "exp", "hd", "iss"], |keys| {
            workload::GoogleIap::new(BACKEND).hosted_domain("example.com").keys(keys).builder()
        }),
    ]
}

/// Values that no identity provider writes, and values that say nothing.
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

/// Claims that a preset or a claims type reads. Not every token has them.
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

/// Returns copies of the claims, in each of which `odd` replaces one claim, or one member of a claim that is an object. Each
/// has the name of the changed claim.
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

/// Tells whether a grant comes from a blank value of [`odd_values`]. No service asks for such a grant.
fn is_blank(grant: &str) -> bool {
    grant.trim_start_matches("org:").trim().is_empty()
}

fn grants(caller: &Verified) -> [Vec<String>; 3] {
    [caller.scopes(), caller.permissions(), caller.roles()]
        .map(|names| names.iter().map(|name| name.to_string()).collect())
}

/// Reads the caller's claims as each claims type.
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
    if let Ok(claims) = caller.claims::<oidc::KeycloakClaims>() {
        assert!(
            !claims.realm_roles().contains(&"odd".to_owned())
                && !claims.client_roles("api").contains(&"odd".to_owned())
        );
    }
    if let Ok(claims) = caller.claims::<oidc::CognitoClaims>() {
        assert!(!claims.groups.contains(&"odd".to_owned()));
    }
}

async fn assert_odd_claims_count_for_nothing(subjects: Vec<Subject>) {
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
async fn odd_claims_grant_nothing_with_clerk() {
    assert_odd_claims_count_for_nothing(of_clerk()).await;
}

#[tokio::test]
async fn odd_claims_grant_nothing_with_entra_id() {
    assert_odd_claims_count_for_nothing(of_azure()).await;
}

#[tokio::test]
async fn odd_claims_grant_nothing_with_other_presets() {
    assert_odd_claims_count_for_nothing(of_others()).await;
}

#[tokio::test]
async fn odd_claims_grant_nothing_with_machines() {
    assert_odd_claims_count_for_nothing(of_machines()).await;
}

#[tokio::test]
async fn odd_header_members_are_refused_or_harmless() {
    for Subject { name, gate, token, .. } in
        of_clerk().into_iter().chain(of_azure()).chain(of_others()).chain(of_machines())
    {
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

/// Logout tokens (OpenID Connect Back-Channel Logout) and security event tokens (RFC 8417) that are like access tokens in all
/// else.
#[tokio::test]
async fn no_preset_takes_reports_for_access_tokens() {
    let mut presets = 0;
    for Subject { name, gate, token, .. } in
        of_clerk().into_iter().chain(of_azure()).chain(of_others()).chain(of_machines())
    {
        presets += 1;
        assert!(gate.verify(&token.sign()).await.is_ok(), "{name}");
        let logout = "http://schemas.openid.net/event/backchannel-logout";
        let revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
        for events in [json!({logout: {}}), json!({revoked: {"event_timestamp": 1}}), json!({})] {
            let report = token.clone().claim("events", events);
            for report in [report.clone(), report.clone().header("typ", "JWT"), report.without_header("typ")] {
                assert!(gate.verify(&report.sign()).await.is_err(), "{name}");
            }
        }
        for typ in ["secevent+jwt", "application/secevent+jwt", "logout+jwt", "Logout+JWT"] {
            let refused = gate.verify(&token.clone().header("typ", typ).sign()).await.unwrap_err();
            assert_eq!(refused.reason(), Some(portcullis::Reason::WrongType), "{name}: {typ}");
        }
    }
    assert!(presets > 15, "{presets}");
}
