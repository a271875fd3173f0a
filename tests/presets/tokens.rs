//! Compares the table on the page of each preset with what the preset does with every kind of token that the identity
//! provider issues.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::adapter::Credential;
use portcullis::jose::Algorithm;
use portcullis::keys::FixedKeys;
use portcullis::{ConfigError, JwtVerifier, Reason, Verifier};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::{Authok, Cognito, Firebase, Google, Keycloak, Logto, Okta, Supabase, WorkOs, Zitadel};
use portcullis_testing::{SigningKey, TestIssuer};
use portcullis_workload::{
    AwsAlb, AwsRole, Bitbucket, CloudflareAccess, EntraWorkload, GitHubActions, GitLab, GoogleIap,
    GoogleServiceAccount, Kubernetes, Spiffe, Vercel,
};

const API: &str = "https://api.example.com";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const POOL: &str = "eu-west-1_Ab12Cd34E";
const POLICY: &str = "B2C_1_susi";

/// Checks that the table in the file `table` says what the preset does with each sample of the issuer.
async fn assert_page_agrees(
    table: &str,
    issuer: &TestIssuer,
    preset: impl FnOnce(FixedKeys) -> Result<JwtVerifier, ConfigError>,
) {
    let verifier = preset(issuer.keys()).unwrap();
    let mut rows = Vec::new();
    for sample in issuer.samples() {
        let credential = Credential::bearer(&sample.token);
        let (result, explanation) = match verifier.verify(&credential).await {
            Ok(_) => ("accepted".to_owned(), None),
            Err(refused) => (format!("`{}`", refused.reason().unwrap()), verifier.explain(&credential, &refused)),
        };
        let explanation = explanation.map(|text| format!(" {text}")).unwrap_or_default();
        rows.push(format!("| {} | {result} |{explanation} |", sample.name));
    }
    assert!(rows.len() > 5, "{table}: {rows:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates").join(table);
    let page = std::fs::read_to_string(path).unwrap();
    let stated: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    for (row, line) in rows.iter().zip(&stated) {
        assert!(line.starts_with(row), "{table}:\n  found {row}\n stated {line}");
    }
    assert_eq!(rows.len(), stated.len(), "{table}: {rows:?}");
    assert_forger_does_not_choose_the_reason(issuer, &verifier).await;
}

/// Checks that a token with a forged signature is refused for its signature, also if its claims are those of another kind.
async fn assert_forger_does_not_choose_the_reason(issuer: &TestIssuer, verifier: &JwtVerifier) {
    let own = issuer.first_key();
    let forger = Arc::new(SigningKey::generate(own.algorithm(), own.id()));
    let mut forged = 0;
    for sample in issuer.samples() {
        let payload =
            sample.token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
        let Some(payload) = payload.filter(|payload| payload.starts_with(b"{")) else { continue };
        let token = issuer.token().payload(payload).forged_with(Arc::clone(&forger)).sign();
        let refused = verifier.verify(&Credential::bearer(&token)).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::BadSignature), "{}", sample.name);
        forged += 1;
    }
    assert!(forged > 3, "{forged}");
}

#[tokio::test]
async fn page_of_auth0_agrees() {
    let tenant = TestIssuer::auth0("tenant.eu.auth0.com", API);
    assert_page_agrees("portcullis-auth0/src/tokens.md", &tenant, |keys| {
        Auth0::new("tenant.eu.auth0.com", API).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_authok_agrees() {
    let tenant = TestIssuer::authok("tenant.us.authok.cn", API);
    assert_page_agrees("portcullis-oidc/src/tokens/authok.md", &tenant, |keys| {
        Authok::new("tenant.us.authok.cn", API).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_clerk_agrees() {
    let instance = TestIssuer::clerk("clerk.example.com");
    assert_page_agrees("portcullis-clerk/src/tokens.md", &instance, |keys| {
        Clerk::from_frontend_api("clerk.example.com")
            .authorized_parties(["https://app.example.com"])
            .keys(keys)
            .verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_cognito_agrees() {
    let pool = TestIssuer::cognito("eu-west-1", POOL, "client1");
    assert_page_agrees("portcullis-oidc/src/tokens/cognito.md", &pool, |keys| {
        Cognito::new("eu-west-1", POOL, ["client1"]).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_entra_id_agrees() {
    let tenant = TestIssuer::azure(TENANT, CLIENT_ID);
    assert_page_agrees("portcullis-azure/src/tokens/entra_id.md", &tenant, |keys| {
        Azure::single_tenant(TENANT, CLIENT_ID).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_b2c_agrees() {
    let tenant = TestIssuer::azure_b2c("contoso", TENANT, POLICY, CLIENT_ID);
    assert_page_agrees("portcullis-azure/src/tokens/b2c.md", &tenant, |keys| {
        Azure::b2c("contoso", TENANT, POLICY, CLIENT_ID).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_external_id_agrees() {
    let tenant = TestIssuer::azure_external_id(TENANT, CLIENT_ID);
    assert_page_agrees("portcullis-azure/src/tokens/external_id.md", &tenant, |keys| {
        Azure::external_id("contoso", TENANT, CLIENT_ID).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_firebase_agrees() {
    // Google publishes several keys.
    let project = TestIssuer::firebase("my-project-1a2b3").with_more_algorithms([Algorithm::Rs256]);
    assert_page_agrees("portcullis-oidc/src/tokens/firebase.md", &project, |keys| {
        Firebase::new("my-project-1a2b3").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_google_agrees() {
    let accounts = TestIssuer::google_id_tokens("client.apps.googleusercontent.com");
    assert_page_agrees("portcullis-oidc/src/tokens/google.md", &accounts, |keys| {
        Google::id_tokens("client.apps.googleusercontent.com").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_keycloak_agrees() {
    let realm = TestIssuer::keycloak("https://keycloak.example.com", "main", "api");
    assert_page_agrees("portcullis-oidc/src/tokens/keycloak.md", &realm, |keys| {
        Keycloak::new("https://keycloak.example.com", "main", "api").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_logto_agrees() {
    let tenant = TestIssuer::logto("https://tenant.logto.app", API);
    assert_page_agrees("portcullis-oidc/src/tokens/logto.md", &tenant, |keys| {
        Logto::new("https://tenant.logto.app", API).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_okta_agrees() {
    let server = TestIssuer::okta("dev-1.okta.com", "default", "api://default");
    assert_page_agrees("portcullis-oidc/src/tokens/okta.md", &server, |keys| {
        Okta::new("dev-1.okta.com", "api://default").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_supabase_agrees() {
    let project = TestIssuer::supabase("abcdefghijklmnopqrst");
    assert_page_agrees("portcullis-oidc/src/tokens/supabase.md", &project, |keys| {
        Supabase::new("abcdefghijklmnopqrst").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_workos_agrees() {
    let application = TestIssuer::workos_sessions("client_01HQSXZGF8FHF7A9ZZFCW4387R");
    assert_page_agrees("portcullis-oidc/src/tokens/workos_sessions.md", &application, |keys| {
        WorkOs::sessions("client_01HQSXZGF8FHF7A9ZZFCW4387R").keys(keys).verifier()
    })
    .await;
    let environment = TestIssuer::workos_api("acme.authkit.app", API);
    assert_page_agrees("portcullis-oidc/src/tokens/workos_api.md", &environment, |keys| {
        WorkOs::new("acme.authkit.app", API).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_zitadel_agrees() {
    let instance = TestIssuer::zitadel("https://instance-1.zitadel.cloud", "69234237810729019");
    assert_page_agrees("portcullis-oidc/src/tokens/zitadel.md", &instance, |keys| {
        Zitadel::new("https://instance-1.zitadel.cloud", "69234237810729019").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_github_actions_agrees() {
    assert_page_agrees("portcullis-workload/src/tokens/github.md", &TestIssuer::github_actions(API), |keys| {
        GitHubActions::new(API).repository(456_789).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_gitlab_agrees() {
    let instance = TestIssuer::gitlab("https://gitlab.example.com", API);
    assert_page_agrees("portcullis-workload/src/tokens/gitlab.md", &instance, |keys| {
        let preset = GitLab::new("https://gitlab.example.com", API).project(22).branch("main").protected_refs();
        preset.keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_kubernetes_agrees() {
    const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
    assert_page_agrees("portcullis-workload/src/tokens/kubernetes.md", &TestIssuer::kubernetes(ISSUER, API), |keys| {
        Kubernetes::new(ISSUER, API).service_account("shop", "web").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_cloudflare_access_agrees() {
    const TEAM: &str = "acme.cloudflareaccess.com";
    const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
    let team = TestIssuer::cloudflare_access(TEAM, TAG);
    assert_page_agrees("portcullis-workload/src/tokens/cloudflare.md", &team, |keys| {
        CloudflareAccess::new(TEAM, TAG).users_only().keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_google_iap_agrees() {
    const BACKEND: &str = "/projects/1234567890/global/backendServices/5678901234";
    assert_page_agrees("portcullis-workload/src/tokens/iap.md", &TestIssuer::google_iap(BACKEND), |keys| {
        GoogleIap::new(BACKEND).hosted_domain("example.com").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_aws_alb_agrees() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef";
    const ISSUER: &str = "https://issuer.example/";
    assert_page_agrees("portcullis-workload/src/tokens/alb.md", &TestIssuer::aws_alb(ARN, ISSUER), |keys| {
        AwsAlb::new(ARN, ISSUER).client("6bkkhhd7ip8n8ho3plckv1lq7t").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_google_service_accounts_agrees() {
    let google = TestIssuer::google_service_account(API);
    assert_page_agrees("portcullis-workload/src/tokens/google.md", &google, |keys| {
        GoogleServiceAccount::new(API).account("107517467455664443765").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_aws_outbound_federation_agrees() {
    const ISSUER: &str = "https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws";
    assert_page_agrees("portcullis-workload/src/tokens/aws.md", &TestIssuer::aws_outbound(ISSUER, API), |keys| {
        AwsRole::new(ISSUER, API).role("arn:aws:iam::123456789012:role/DataProcessingRole").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_entra_workloads_agrees() {
    let tenant = TestIssuer::azure(TENANT, CLIENT_ID);
    assert_page_agrees("portcullis-workload/src/tokens/entra.md", &tenant, |keys| {
        EntraWorkload::new(TENANT, CLIENT_ID).keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_spiffe_agrees() {
    const REPORTS: &str = "spiffe://example.org/reports";
    assert_page_agrees(
        "portcullis-workload/src/tokens/spiffe.md",
        &TestIssuer::spiffe("example.org", REPORTS),
        |keys| Spiffe::new("example.org", REPORTS).id("spiffe://example.org/ns/shop/sa/web").keys(keys).verifier(),
    )
    .await;
}

#[tokio::test]
async fn page_of_vercel_agrees() {
    const TEAM: &str = "team_7Gw5ZMBpQA8h9GF832KGp7nwbuh3";
    assert_page_agrees("portcullis-workload/src/tokens/vercel.md", &TestIssuer::vercel("acme", TEAM), |keys| {
        Vercel::new("acme", TEAM).project("prj_9p1k2m3n4o5p6q7r8s9t").keys(keys).verifier()
    })
    .await;
}

#[tokio::test]
async fn page_of_bitbucket_agrees() {
    const AUDIENCE: &str = "ari:cloud:bitbucket::workspace/7d9b6f1c-54b3-4f4c-8d36-7c9c3b0a2f11";
    assert_page_agrees(
        "portcullis-workload/src/tokens/bitbucket.md",
        &TestIssuer::bitbucket("acme", AUDIENCE),
        |keys| {
            let preset = Bitbucket::new("acme", AUDIENCE).repository("c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d");
            preset.branch("main").keys(keys).verifier()
        },
    )
    .await;
}
