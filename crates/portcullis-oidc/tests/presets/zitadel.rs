use portcullis::{Reason, roles};
use portcullis_oidc::Zitadel;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::{TestGate, serve_discovered};

const INSTANCE: &str = "https://instance-1.zitadel.cloud";
const PROJECT: &str = "69234237810729019";
const OWN: &str = "urn:zitadel:iam:org:project:69234237810729019:roles";
const OF_CLIENT: &str = "urn:zitadel:iam:org:project:roles";

fn instance() -> TestIssuer {
    TestIssuer::zitadel(INSTANCE, PROJECT)
}

#[tokio::test]
async fn policies_see_the_project_roles() {
    let instance = instance();
    let gate = TestGate::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let caller = gate.admits(&instance.token()).await;
    assert!(roles(["editor"]).check(&caller).is_ok() && roles(["admin"]).check(&caller).is_err());
    assert_eq!(caller.client_id().as_deref(), Some("272311436567052291@web"));
    for odd in [
        json!("editor"),
        json!(["editor"]),
        json!(null),
        json!(1),
        // No organization granted the role.
        json!({"editor": {}}),
        json!({"editor": true}),
        json!({"editor": {"170088295403946241": true}}),
        json!({"editor": "acme.zitadel.cloud"}),
    ] {
        assert_eq!(gate.admits(&instance.token().claim(OWN, &odd)).await.roles(), [""; 0], "{odd}");
    }
}

#[tokio::test]
async fn client_project_roles_need_an_option() {
    let instance = instance();
    let token = instance.token().without(OWN).claim(OF_CLIENT, json!({"admin": {"1": "acme.zitadel.cloud"}}));
    let preset = Zitadel::new(INSTANCE, PROJECT).keys(instance.keys());
    let caller = TestGate::new(preset.verifier().unwrap()).admits(&token).await;
    assert_eq!(caller.roles(), [""; 0]);
    let caller = TestGate::new(preset.roles_of_clients_project().verifier().unwrap()).admits(&token).await;
    assert_eq!(caller.roles(), ["admin"]);
}

#[tokio::test]
async fn other_projects_and_opaque_tokens_are_refused() {
    let instance = instance();
    let gate = TestGate::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let other = instance.token().audience(["272311436567052291@web", "1"]);
    assert_eq!(gate.refuses(&other).await, Reason::WrongAudience);
    assert_eq!(gate.refuses(&instance.token().issuer("https://instance-2.zitadel.cloud")).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses_text("eGZ4Zk5vRU1oV1Zq_opaque").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let instance = instance();
    let gate = TestGate::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    gate.refuses_forgeries_except(&instance, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(Zitadel::new("", PROJECT).verifier().unwrap_err().field(), "instance");
    assert_eq!(Zitadel::new(INSTANCE, "").verifier().unwrap_err().field(), "audience");
}

#[tokio::test]
async fn id_token_is_refused() {
    let instance = instance();
    let gate = TestGate::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let id_token = instance.token().without("jti").without("client_id").claim("azp", "272311436567052291@web");
    let id_token = id_token.claim("amr", ["pwd"]).claim("auth_time", 1).claim("at_hash", "HK6E_P6Dh8Y93mRNtsDB1Q");
    assert_eq!(gate.refuses(&id_token).await, Reason::WrongTokenClass);
    assert_eq!(gate.refuses(&id_token.claim("jti", "")).await, Reason::WrongTokenClass);
}

#[tokio::test]
async fn keys_are_fetched_from_jwks_uri() {
    let server = serve_discovered(TestIssuer::zitadel(INSTANCE, PROJECT), "", "/oauth/v2/keys");
    let zitadel = Zitadel::new(format!("http://{}", server.address()), PROJECT);
    TestGate::new(zitadel.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oauth/v2/keys"), server.all_hits()), (1, 1, 2));
}
