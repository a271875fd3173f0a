use portcullis::jose::Algorithm;
use portcullis::{Reason, scopes};
use portcullis_oidc::Logto;
use portcullis_testing::TestIssuer;

use crate::Door;

const ENDPOINT: &str = "https://tenant.logto.app";
const RESOURCE: &str = "https://api.example.com";

fn tenant() -> (TestIssuer, Door) {
    let tenant = TestIssuer::logto(ENDPOINT, RESOURCE);
    let door = Door::new(Logto::new(ENDPOINT, RESOURCE).keys(tenant.keys()).verifier().unwrap());
    (tenant, door)
}

#[tokio::test]
async fn a_token_for_the_resource_is_admitted_and_signed_with_es384() {
    let (tenant, door) = tenant();
    assert_eq!(tenant.first_key().algorithm(), Algorithm::Es384);
    let caller = door.admits(&tenant.token()).await;
    assert!(scopes("read:messages").check(&caller).is_ok());
    assert_eq!(caller.client_id().as_deref(), Some("web-app-1"));
}

#[tokio::test]
async fn another_resource_and_an_organizations_token_are_refused() {
    let (tenant, door) = tenant();
    for audience in ["https://other.example.com", "urn:logto:organization:org_1"] {
        assert_eq!(door.refuses(&tenant.token().audience(audience)).await, Reason::WrongAudience, "{audience}");
    }
    assert_eq!(door.refuses(&tenant.token().issuer(ENDPOINT)).await, Reason::WrongIssuer);
    assert_eq!(door.refuses_text("J4bfGq2Yk1yOMcdmZkh6cJ8n0vN5OmGxD").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (tenant, door) = tenant();
    door.refuses_all_forgeries_but(&tenant, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(Logto::new("https://tenant.logto.app/oidc", RESOURCE).verifier().unwrap_err().field(), "endpoint");
    assert_eq!(Logto::new(ENDPOINT, "").verifier().unwrap_err().field(), "audience");
}
