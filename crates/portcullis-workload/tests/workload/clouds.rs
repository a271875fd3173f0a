use portcullis::{ConfigError, Reason, Verifier as _};
use portcullis_testing::TestIssuer;
use portcullis_workload::{
    AwsClaims, AwsRole, Bitbucket, EntraWorkload, GoogleClaims, GoogleServiceAccount, Spiffe, SpiffeClaims, Vercel,
    VercelClaims,
};
use serde_json::json;

use crate::{API, TestGate, lookup};

const ACCOUNT: &str = "107517467455664443765";
const AWS: &str = "https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws";
const ROLE: &str = "arn:aws:iam::123456789012:role/DataProcessingRole";
const DOMAIN: &str = "example.org";
const REPORTS: &str = "spiffe://example.org/reports";
const WEB: &str = "spiffe://example.org/ns/shop/sa/web";
const TEAM: &str = "team_7Gw5ZMBpQA8h9GF832KGp7nwbuh3";
const PROJECT: &str = "prj_9p1k2m3n4o5p6q7r8s9t";
const WORKSPACE: &str = "ari:cloud:bitbucket::workspace/7d9b6f1c-54b3-4f4c-8d36-7c9c3b0a2f11";
const REPOSITORY: &str = "c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d";
const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

fn field<T>(result: Result<T, ConfigError>) -> String {
    result.err().unwrap().field().to_owned()
}

#[tokio::test]
async fn google_accounts_are_chosen_by_number() {
    let google = TestIssuer::google_service_account(API);
    let preset = GoogleServiceAccount::new(API).keys(google.keys());
    let gate = TestGate::new(preset.clone().account(ACCOUNT).verifier().unwrap());
    gate.admits(&google.token()).await;
    // The address was used again.
    let again = google.token().subject("118123456789012345678").claim("azp", "118123456789012345678");
    assert_eq!(gate.refuses(&again).await, Reason::WrongParty);
    TestGate::new(preset.clone().any_account().verifier().unwrap()).admits(&again).await;
    // Of a user who signed in at a client.
    assert_eq!(
        gate.refuses(&google.token().claim("azp", "client.apps.googleusercontent.com")).await,
        Reason::WrongTokenClass
    );
    assert_eq!(gate.refuses(&google.token().without("azp")).await, Reason::MissingClaim);
    let machine = google.token().claim("google", json!({"compute_engine": {"project_id": "p", "instance_id": "1"}}));
    let claims = gate.admits(&machine).await.claims::<GoogleClaims>().unwrap();
    assert_eq!(claims.compute_engine().map(|vm| vm.instance_id.as_str()), Some("1"));
    assert_eq!(field(GoogleServiceAccount::new(API).verifier()), "account");
    assert_eq!(field(GoogleServiceAccount::new(API).account("robot@p.iam.gserviceaccount.com").verifier()), "account");
}

/// The caller chooses `request_tags`.
#[tokio::test]
async fn aws_roles_are_chosen_and_tags_of_the_caller_kept_apart() {
    let account = TestIssuer::aws_outbound(AWS, API);
    let preset = AwsRole::new(AWS, API).keys(account.keys());
    let gate = TestGate::new(preset.clone().role(ROLE).verifier().unwrap());
    let details =
        json!({"aws_account": "123456789012", "principal_tags": {"team": "data"}, "request_tags": {"team": "root"}});
    let token = account.token().claim("https://sts.amazonaws.com/", &details);
    let claims = gate.admits(&token).await.claims::<AwsClaims>().unwrap().details;
    assert_eq!((&claims.principal_tags["team"], &claims.request_tags["team"]), (&json!("data"), &json!("root")));
    gate.admits(&account.token().algorithm(portcullis::jose::Algorithm::Es384)).await;
    assert_eq!(gate.refuses(&account.token().subject(&format!("{ROLE}2"))).await, Reason::WrongParty);
    let other = account.token().subject("arn:aws:iam::999999999999:role/DataProcessingRole");
    assert_eq!(gate.refuses(&other).await, Reason::WrongTenant);
    let any = TestGate::new(preset.any_role().verifier().unwrap());
    any.admits(&account.token().subject(&format!("{ROLE}2"))).await;
    assert_eq!(any.refuses(&other).await, Reason::WrongTenant);
    assert_eq!(any.refuses(&account.token().without("https://sts.amazonaws.com/")).await, Reason::MissingClaim);
    assert_eq!(field(AwsRole::new(AWS, API).verifier()), "role");
    assert_eq!(field(AwsRole::new(AWS, API).role("DataProcessingRole").verifier()), "role");
    assert_eq!(field(AwsRole::new("abc123", API).role(ROLE).verifier()), "issuer");
}

#[tokio::test]
async fn aws_keys_are_below_the_issuer() {
    let server = TestIssuer::aws_outbound(AWS, API).serve_under("");
    let preset = AwsRole::new(server.url(), API).role(ROLE);
    TestGate::new(preset.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.hits("/.well-known/jwks.json"), server.all_hits()), (1, 1));
}

fn spiffe() -> (TestIssuer, Spiffe) {
    let domain = TestIssuer::spiffe(DOMAIN, REPORTS);
    let preset = Spiffe::new(DOMAIN, REPORTS).keys(domain.keys());
    (domain, preset)
}

#[tokio::test]
async fn svid_needs_no_issuer_but_an_id_of_the_trust_domain() {
    let (domain, preset) = spiffe();
    let gate = TestGate::new(preset.clone().verifier().unwrap());
    let claims = gate.admits(&domain.token()).await.claims::<SpiffeClaims>().unwrap();
    assert_eq!((claims.trust_domain(), claims.path()), (Some(DOMAIN), Some("ns/shop/sa/web")));
    gate.admits(&domain.token().issuer("https://anything.example")).await;
    for subject in [
        "spiffe://example.org.evil.example/web",
        "spiffe://evil.example/example.org/web",
        "spiffe://EXAMPLE.org/web",
        "spiffe://example.org:443/web",
        "spiffe://user@example.org/web",
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe://example.org/a//b",
        "spiffe://example.org/a/../web",
        "spiffe://example.org/./web",
        "spiffe://example.org/web/",
        "spiffe://example.org/web?x",
        "spiffe://example.org/w%65b",
        "https://example.org/web",
        "example.org/web",
        "",
    ] {
        assert_eq!(gate.refuses(&domain.token().subject(subject)).await, Reason::WrongTenant, "{subject}");
    }
    let longest = format!("spiffe://example.org/{}", "a".repeat(2_048 - 21));
    gate.admits(&domain.token().subject(&longest)).await;
    assert_eq!(gate.refuses(&domain.token().subject(&format!("{longest}a"))).await, Reason::WrongTenant);
    for (token, reason) in [
        (domain.token().without("sub"), Reason::MissingClaim),
        (domain.token().without("exp"), Reason::MissingClaim),
        (domain.token().without("aud"), Reason::MissingClaim),
        (domain.token().audience("spiffe://example.org/orders"), Reason::WrongAudience),
    ] {
        assert_eq!(gate.refuses(&token).await, reason);
    }
    let one = TestGate::new(preset.id(WEB).verifier().unwrap());
    one.admits(&domain.token()).await;
    for subject in [format!("{WEB}2"), "spiffe://example.org/ns/shop/sa".to_owned(), format!("{WEB}/x")] {
        assert_eq!(one.refuses(&domain.token().subject(&subject)).await, Reason::WrongParty, "{subject}");
    }
}

#[tokio::test]
async fn svid_has_no_other_header_members() {
    let (domain, preset) = spiffe();
    let gate = TestGate::new(preset.verifier().unwrap());
    for typ in ["JWT", "JOSE", "jose"] {
        gate.admits(&domain.token().header("typ", typ)).await;
    }
    gate.admits(&domain.token().without_header("typ")).await;
    gate.admits(&domain.token().without_header("kid")).await;
    assert_eq!(gate.refuses(&domain.token().header("typ", "logout+jwt")).await, Reason::WrongType);
    for member in ["cty", "jku", "jwk", "x5c", "x5t", "nonce"] {
        assert_eq!(gate.refuses(&domain.token().header(member, "x")).await, Reason::WrongTokenClass, "{member}");
    }
}

/// A bundle also has the roots of X.509, and keys without a mark.
#[tokio::test]
async fn only_keys_for_svids_verify() {
    for (mark, admitted) in [(Some("jwt-svid"), true), (Some("sig"), false), (None, false)] {
        let domain = TestIssuer::spiffe(DOMAIN, REPORTS).with_published_keys(move |jwk| {
            jwk.remove("use");
            jwk.extend(mark.map(|mark| ("use".to_owned(), mark.into())));
        });
        let gate = TestGate::new(Spiffe::new(DOMAIN, REPORTS).keys(domain.keys()).verifier().unwrap());
        if admitted {
            gate.admits(&domain.token()).await;
        } else {
            assert_eq!(gate.refuses(&domain.token()).await, Reason::WrongTokenClass, "{mark:?}");
        }
    }
}

#[tokio::test]
async fn bundle_is_read_from_a_url_or_a_file() {
    let server = TestIssuer::spiffe(DOMAIN, REPORTS).serve_under("");
    server.serve_at("/bundle.json", server.issuer().jwks());
    let preset = Spiffe::new(DOMAIN, REPORTS).bundle_url(server.url_of("/bundle.json"));
    TestGate::new(preset.verifier().unwrap()).admits(&server.issuer().token()).await;

    let path = std::env::temp_dir().join(format!("portcullis-bundle-{}.json", std::process::id()));
    let (old, new) = (TestIssuer::spiffe(DOMAIN, REPORTS), TestIssuer::spiffe(DOMAIN, REPORTS));
    let preset = || Spiffe::new(DOMAIN, REPORTS).bundle_file(&path).verifier();
    assert_eq!(field(preset()), "bundle_file");
    for wrong in ["", "{}", r#"{"keys":[]}"#] {
        std::fs::write(&path, wrong).unwrap();
        assert_eq!(field(preset()), "bundle_file", "{wrong}");
    }
    std::fs::write(&path, old.jwks()).unwrap();
    let gate = TestGate::new(preset().unwrap());
    gate.admits(&old.token()).await;
    // The file is read again for a key that it did not have.
    std::fs::write(&path, new.jwks().replace("ES256-1", "ES256-2")).unwrap();
    let key = std::sync::Arc::clone(new.first_key());
    let token = new.token().header("kid", "ES256-2").forged_with(key);
    gate.admits(&token).await;
    std::fs::remove_file(&path).unwrap();
    gate.admits(&token).await;
    assert_eq!(field(Spiffe::new(DOMAIN, REPORTS).verifier()), "keys");
    assert_eq!(field(Spiffe::new("spiffe://example.org", REPORTS).verifier()), "trust_domain");
    assert_eq!(field(Spiffe::new(DOMAIN, REPORTS).id("spiffe://other.example/web").verifier()), "id");
    assert_eq!(field(Spiffe::new(DOMAIN, REPORTS).id("web").verifier()), "id");
    assert_eq!(field(Spiffe::new(DOMAIN, REPORTS).bundle_url("http://spire.example").verifier()), "bundle_url");
}

/// A preview runs the code of any pull request.
#[tokio::test]
async fn previews_are_refused_by_default() {
    let team = TestIssuer::vercel("acme", TEAM);
    let preset = Vercel::new("acme", TEAM).keys(team.keys());
    let gate = TestGate::new(preset.clone().project(PROJECT).verifier().unwrap());
    let claims = gate.admits(&team.token()).await.claims::<VercelClaims>().unwrap();
    assert_eq!((claims.project_id.as_str(), claims.environment.as_str()), (PROJECT, "production"));
    for environment in ["preview", "development", "staging", ""] {
        assert_eq!(gate.refuses(&team.token().claim("environment", environment)).await, Reason::CheckFailed);
    }
    assert_eq!(gate.refuses(&team.token().without("environment")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&team.token().claim("owner_id", "team_another")).await, Reason::WrongTenant);
    assert_eq!(gate.refuses(&team.token().claim("project_id", "prj_another")).await, Reason::WrongParty);
    let preview = TestGate::new(preset.clone().environment("preview").verifier().unwrap());
    preview.admits(&team.token().claim("environment", "preview")).await;
    assert_eq!(preview.refuses(&team.token()).await, Reason::CheckFailed);
    let own = TestGate::new(preset.audience(API).verifier().unwrap());
    own.admits(&team.token().audience(API)).await;
    assert_eq!(own.refuses(&team.token()).await, Reason::WrongAudience);
    assert_eq!(field(Vercel::new("acme", "acme").verifier()), "team_id");
    assert_eq!(field(Vercel::new("a/b", TEAM).verifier()), "team");
    assert_eq!(field(Vercel::new("acme", TEAM).project("shop").verifier()), "project");
}

#[tokio::test]
async fn bitbucket_uuids_are_compared_in_braces() {
    let workspace = TestIssuer::bitbucket("acme", WORKSPACE);
    let preset = Bitbucket::new("acme", WORKSPACE).keys(workspace.keys());
    for uuid in [REPOSITORY.to_owned(), format!("{{{REPOSITORY}}}"), REPOSITORY.to_uppercase()] {
        let gate = TestGate::new(preset.clone().repository(uuid).branch("main").verifier().unwrap());
        gate.admits(&workspace.token()).await;
        let other = workspace.token().claim("repositoryUuid", "{ffffffff-9f3b-4b52-8a55-0d5f6a7b8c9d}");
        assert_eq!(gate.refuses(&other).await, Reason::WrongParty);
        assert_eq!(gate.refuses(&workspace.token().claim("branchName", "main2")).await, Reason::CheckFailed);
        assert_eq!(gate.refuses(&workspace.token().without("branchName")).await, Reason::MissingClaim);
    }
    let environment = "{5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d}";
    let gate = TestGate::new(preset.clone().any_repository().environment(environment).verifier().unwrap());
    gate.admits(&workspace.token().claim("deploymentEnvironmentUuid", environment)).await;
    assert_eq!(gate.refuses(&workspace.token()).await, Reason::MissingClaim);
    assert_eq!(field(preset.verifier()), "repository");
    assert_eq!(field(Bitbucket::new("acme", WORKSPACE).repository("my-repo").verifier()), "repository");
    assert_eq!(field(Bitbucket::new("a/b", WORKSPACE).any_repository().verifier()), "workspace");
    let verifier = Bitbucket::new("acme", WORKSPACE).any_repository().verifier().unwrap();
    assert_eq!(verifier.issuers(), ["https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"]);
}

#[tokio::test]
async fn entra_accepts_only_applications_with_a_role() {
    let tenant = TestIssuer::azure_app(TENANT, CLIENT_ID);
    let preset = EntraWorkload::new(TENANT, CLIENT_ID).keys(tenant.keys());
    let claim = |name: &str| tenant.token().claims()[name].as_str().unwrap().to_owned();
    let gate = TestGate::new(preset.clone().object(claim("oid")).application(claim("azp")).verifier().unwrap());
    gate.admits(&tenant.token()).await;
    let other = "11111111-5c3f-4a88-8e6d-0f9c1b2a3d44";
    assert_eq!(gate.refuses(&tenant.token().subject(other).claim("oid", other)).await, Reason::WrongParty);
    assert_eq!(gate.refuses(&tenant.token().claim("azp", other)).await, Reason::WrongParty);
    let any = TestGate::new(preset.clone().verifier().unwrap());
    any.admits(&tenant.token().subject(other).claim("oid", other)).await;
    let user = TestIssuer::azure(TENANT, CLIENT_ID);
    let of_user = TestGate::new(EntraWorkload::new(TENANT, CLIENT_ID).keys(user.keys()).verifier().unwrap());
    assert_eq!(of_user.refuses(&user.token()).await, Reason::WrongTokenClass);
    assert!(any.0.verify(&tenant.token().without("roles").sign()).await.is_err());
    assert_eq!(field(preset.object("").verifier()), "object");
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let google = TestIssuer::google_service_account(API);
    let verifier = GoogleServiceAccount::new(API).account(ACCOUNT).keys(google.keys()).verifier().unwrap();
    TestGate::new(verifier).refuses_forgeries_except(&google, &[]).await;
    let account = TestIssuer::aws_outbound(AWS, API);
    let verifier = AwsRole::new(AWS, API).role(ROLE).keys(account.keys()).verifier().unwrap();
    TestGate::new(verifier).refuses_forgeries_except(&account, &[]).await;
    let team = TestIssuer::vercel("acme", TEAM);
    let verifier = Vercel::new("acme", TEAM).keys(team.keys()).verifier().unwrap();
    TestGate::new(verifier).refuses_forgeries_except(&team, &[]).await;
    let workspace = TestIssuer::bitbucket("acme", WORKSPACE);
    let verifier = Bitbucket::new("acme", WORKSPACE).any_repository().keys(workspace.keys()).verifier().unwrap();
    TestGate::new(verifier).refuses_forgeries_except(&workspace, &[]).await;
}

#[test]
fn variables_are_read() {
    let google = |variables: &[(&str, &str)]| GoogleServiceAccount::from_variables(lookup(variables));
    assert!(google(&[("PORTCULLIS_GOOGLE_AUDIENCE", API), ("PORTCULLIS_GOOGLE_ACCOUNT_IDS", ACCOUNT)]).is_ok());
    assert_eq!(field(google(&[("PORTCULLIS_GOOGLE_AUDIENCE", API)])), "PORTCULLIS_GOOGLE_ACCOUNT_IDS");
    let aws = |variables: &[(&str, &str)]| AwsRole::from_variables(lookup(variables));
    let required = [("PORTCULLIS_AWS_ISSUER", AWS), ("PORTCULLIS_AWS_AUDIENCE", API), ("PORTCULLIS_AWS_ROLES", ROLE)];
    assert!(aws(&required).unwrap().verifier().is_ok());
    assert_eq!(field(aws(&required[..2])), "PORTCULLIS_AWS_ROLES");
    let spiffe = |variables: &[(&str, &str)]| Spiffe::from_variables(lookup(variables));
    let bundle = ("PORTCULLIS_SPIFFE_BUNDLE_URL", "https://spire.example.org/bundle.json");
    let required = [("PORTCULLIS_SPIFFE_TRUST_DOMAIN", DOMAIN), ("PORTCULLIS_SPIFFE_AUDIENCE", REPORTS), bundle];
    assert!(spiffe(&required).unwrap().verifier().is_ok());
    assert_eq!(field(spiffe(&required[..2])), "PORTCULLIS_SPIFFE_BUNDLE_URL");
    let both = [required[0], required[1], bundle, ("PORTCULLIS_SPIFFE_BUNDLE_FILE", "bundle.json")];
    assert_eq!(field(spiffe(&both)), "PORTCULLIS_SPIFFE_BUNDLE_URL");
    let vercel = |variables: &[(&str, &str)]| Vercel::from_variables(lookup(variables));
    assert!(
        vercel(&[("PORTCULLIS_VERCEL_TEAM", "acme"), ("PORTCULLIS_VERCEL_TEAM_ID", TEAM)]).unwrap().verifier().is_ok()
    );
    assert_eq!(field(vercel(&[("PORTCULLIS_VERCEL_TEAM", "acme")])), "PORTCULLIS_VERCEL_TEAM_ID");
    let bitbucket = |variables: &[(&str, &str)]| Bitbucket::from_variables(lookup(variables));
    let required = [("PORTCULLIS_BITBUCKET_WORKSPACE", "acme"), ("PORTCULLIS_BITBUCKET_AUDIENCE", WORKSPACE)];
    assert_eq!(field(bitbucket(&required)), "PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS");
    let all = [required[0], required[1], ("PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS", REPOSITORY)];
    assert!(bitbucket(&all).unwrap().verifier().is_ok());
    let entra = |variables: &[(&str, &str)]| EntraWorkload::from_variables(lookup(variables));
    let required = [("PORTCULLIS_ENTRA_TENANT_ID", TENANT), ("PORTCULLIS_ENTRA_CLIENT_ID", CLIENT_ID)];
    assert!(entra(&required).unwrap().verifier().is_ok());
    assert_eq!(field(entra(&required[..1])), "PORTCULLIS_ENTRA_CLIENT_ID");
}
