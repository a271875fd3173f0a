//! Tokens of clouds: Google service accounts, AWS, SPIFFE, Vercel and Bitbucket.

use portcullis::jose::Algorithm;
use serde_json::json;

use super::{Foreign, Sample};
use crate::issuer::TestIssuer;

const OTHER_SERVICE: &str = "https://vault.example.com";

pub(crate) fn google_service_account(google: &TestIssuer) -> Vec<Sample> {
    let robot = || google.token();
    let machine = robot().claim(
        "google",
        json!({"compute_engine": {
            "project_id": "project-1", "project_number": 739_419_398_126_u64, "zone": "us-west1-a",
            "instance_id": "152986662232938449", "instance_name": "vm-1", "instance_creation_timestamp": 1_552_953_845,
        }}),
    );
    let of = |id: &str| robot().subject(id).claim("azp", id);
    let other = of("113475438248934895348").claim("email", "other@project-2.iam.gserviceaccount.com");
    let user = robot()
        .subject("10769150350006150715113082367")
        .claim("azp", "1234987819200.apps.googleusercontent.com")
        .claim("email", "jsmith@example.com");
    let account = "robot@project-1.iam.gserviceaccount.com";
    let own = robot().issuer(account).subject(account).without("azp");
    vec![
        Sample::signed("ID token of the service account", &robot().without("email").without("email_verified")),
        Sample::signed("ID token of a virtual machine in full format", &machine),
        Sample::signed("ID token of another service account", &other),
        Sample::signed("ID token of a new account with the old address", &of("118123456789012345678")),
        Sample::signed("ID token of a user", &user),
        Sample::signed("ID token for another service", &robot().audience(OTHER_SERVICE)),
        Foreign::new().sign("token that the service account signed itself", own),
        Sample::new("access token", "ya29.c0AXv0zTMexample-1a2b3c4d"),
    ]
}

pub(crate) fn aws_outbound(account: &TestIssuer) -> Vec<Sample> {
    const DETAILS: &str = "https://sts.amazonaws.com/";
    let role = || account.token();
    let tagged = role().claim(
        DETAILS,
        json!({"aws_account": "123456789012", "request_tags": {"team": "root", "job-id": "job-2024-001"}}),
    );
    let other_account = role().claim(DETAILS, json!({"aws_account": "999999999999"}));
    let eks = role().issuer("https://oidc.eks.us-east-1.amazonaws.com/id/EX").subject("system:serviceaccount:shop:web");
    vec![
        Sample::signed("token of the role", &role()),
        Sample::signed("token of the role with tags of the caller", &tagged),
        Sample::signed("token of another role", &role().subject("arn:aws:iam::123456789012:role/Other")),
        Sample::signed("token whose account is not that of its role", &other_account),
        Sample::signed("token for another service", &role().audience(OTHER_SERVICE)),
        Foreign::new().sign(
            "token of another account",
            role().issuer("https://zzz999-def456-ghi789-jkl012.tokens.sts.global.api.aws"),
        ),
        Foreign::new().sign("token of a pod on EKS", eks),
        Sample::new("session token of STS", "FwoGZXIvYXdzEBYaDEXAMPLETOKEN1a2b3c4d5e6f7g8h9i0j"),
    ]
}

pub(crate) fn spiffe(domain: &TestIssuer) -> Vec<Sample> {
    let svid = || domain.token();
    let id = |path: &str| format!("{}/{path}", domain.url());
    let foreign = Foreign::of(Algorithm::Es256);
    vec![
        Sample::signed("JWT-SVID of the workload", &svid()),
        Sample::signed("JWT-SVID with an issuer", &svid().issuer("https://spire.example.org")),
        Sample::signed("JWT-SVID of another workload", &svid().subject(&id("ns/shop/sa/web2"))),
        foreign.sign("JWT-SVID of a federated trust domain", svid().subject("spiffe://partner.example/web")),
        Sample::signed("JWT-SVID with an ID of another trust domain", &svid().subject("spiffe://partner.example/web")),
        Sample::signed("JWT-SVID for another service", &svid().audience("spiffe://example.org/orders")),
        Sample::signed("JWT-SVID without `exp`", &svid().without("exp")),
        Sample::signed("JWT-SVID with another header member", &svid().header("cty", "x")),
        Sample::signed("token of another kind", &svid().subject("user-1")),
    ]
}

pub(crate) fn vercel(team: &TestIssuer) -> Vec<Sample> {
    let deployment = || team.token();
    let of = |environment: &str| {
        let subject = format!("owner:acme:project:shop:environment:{environment}");
        deployment().subject(&subject).claim("scope", &subject).claim("environment", environment)
    };
    let other = deployment().claim("project", "blog").claim("project_id", "prj_another");
    vec![
        Sample::signed("token of a production deployment", &deployment()),
        Sample::signed("token of a preview deployment", &of("preview")),
        Sample::signed("token for local development", &of("development").claim("user_id", "1ab2c3d4e5f6")),
        Sample::signed("token of another project", &other),
        Sample::signed("token of a team that took over the slug", &deployment().claim("owner_id", "team_another")),
        Sample::signed("token for another service", &deployment().audience(OTHER_SERVICE)),
        // One key set serves all teams.
        Sample::signed("token of another team", &deployment().issuer("https://oidc.vercel.com/other")),
        Sample::signed("token with the issuer mode Global", &deployment().issuer("https://oidc.vercel.com")),
    ]
}

pub(crate) fn bitbucket(workspace: &TestIssuer) -> Vec<Sample> {
    let step = || workspace.token();
    let deployment = step()
        .subject(
            "{c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}:{5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d}:\
             {2f3e4d5c-6b7a-4889-9a0b-1c2d3e4f5a6b}",
        )
        .claim("deploymentEnvironmentUuid", "{5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d}");
    let other = step().claim("repositoryUuid", "{ffffffff-9f3b-4b52-8a55-0d5f6a7b8c9d}");
    let another = step().issuer("https://api.bitbucket.org/2.0/workspaces/other/pipelines-config/identity/oidc");
    vec![
        Sample::signed("token of a step on the branch", &step()),
        Sample::signed("token of a deployment step", &deployment),
        Sample::signed("token of a step on another branch", &step().claim("branchName", "feature/main")),
        Sample::signed("token of a step for a tag", &step().without("branchName")),
        Sample::signed("token of another repository", &other),
        Sample::signed("token for another service", &step().audience(OTHER_SERVICE)),
        Foreign::new().sign("token of another workspace", another),
    ]
}
