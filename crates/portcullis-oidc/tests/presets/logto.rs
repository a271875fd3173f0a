use portcullis::jose::Algorithm;
use portcullis::{Reason, scopes};
use portcullis_oidc::Logto;
use portcullis_testing::TestIssuer;

use crate::{TestGate, serve_discovered};

const ENDPOINT: &str = "https://tenant.logto.app";
const RESOURCE: &str = "https://api.example.com";

fn tenant() -> (TestIssuer, TestGate) {
    let tenant = TestIssuer::logto(ENDPOINT, RESOURCE);
    let gate = TestGate::new(Logto::new(ENDPOINT, RESOURCE).keys(tenant.keys()).verifier().unwrap());
    (tenant, gate)
}

#[tokio::test]
async fn es384_token_for_the_resource_is_accepted() {
    let (tenant, gate) = tenant();
    assert_eq!(tenant.first_key().algorithm(), Algorithm::Es384);
    let caller = gate.admits(&tenant.token()).await;
    assert!(scopes("read:messages").check(&caller).is_ok());
    assert_eq!(caller.client_id().as_deref(), Some("web-app-1"));
}

#[tokio::test]
async fn other_resources_and_organization_tokens_are_refused() {
    let (tenant, gate) = tenant();
    for audience in ["https://other.example.com", "urn:logto:organization:org_1"] {
        assert_eq!(gate.refuses(&tenant.token().audience(audience)).await, Reason::WrongAudience, "{audience}");
    }
    assert_eq!(gate.refuses(&tenant.token().issuer(ENDPOINT)).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses_text("J4bfGq2Yk1yOMcdmZkh6cJ8n0vN5OmGxD").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (tenant, gate) = tenant();
    gate.refuses_forgeries_except(&tenant, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(Logto::new("https://tenant.logto.app/oidc", RESOURCE).verifier().unwrap_err().field(), "endpoint");
    assert_eq!(Logto::new(ENDPOINT, "").verifier().unwrap_err().field(), "audience");
}

#[tokio::test]
async fn keys_are_fetched_from_jwks_uri() {
    let server = serve_discovered(TestIssuer::logto(ENDPOINT, RESOURCE), "/oidc", "/oidc/jwks");
    let logto = Logto::new(format!("http://{}", server.address()), RESOURCE);
    TestGate::new(logto.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oidc/jwks"), server.all_hits()), (1, 1, 2));
}
