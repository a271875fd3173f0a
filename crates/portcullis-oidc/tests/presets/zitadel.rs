use portcullis::{Reason, roles};
use portcullis_oidc::Zitadel;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::Door;

const INSTANCE: &str = "https://instance-1.zitadel.cloud";
const PROJECT: &str = "69234237810729019";
const OWN: &str = "urn:zitadel:iam:org:project:69234237810729019:roles";
const OF_CLIENT: &str = "urn:zitadel:iam:org:project:roles";

fn instance() -> TestIssuer {
    TestIssuer::zitadel(INSTANCE, PROJECT)
}

#[tokio::test]
async fn the_roles_of_the_project_serve_policies() {
    let instance = instance();
    let door = Door::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let caller = door.admits(&instance.token()).await;
    assert!(roles(["editor"]).check(&caller).is_ok() && roles(["admin"]).check(&caller).is_err());
    assert_eq!(caller.client_id().as_deref(), Some("272311436567052291@web"));
    for odd in [
        json!("editor"),
        json!(["editor"]),
        json!(null),
        json!(1),
        // A role that is held in no organization.
        json!({"editor": {}}),
        json!({"editor": true}),
        json!({"editor": {"170088295403946241": true}}),
        json!({"editor": "acme.zitadel.cloud"}),
    ] {
        assert_eq!(door.admits(&instance.token().claim(OWN, &odd)).await.roles(), [""; 0], "{odd}");
    }
}

#[tokio::test]
async fn the_roles_of_the_clients_project_count_only_when_asked_for() {
    let instance = instance();
    let token = instance.token().without(OWN).claim(OF_CLIENT, json!({"admin": {"1": "acme.zitadel.cloud"}}));
    let preset = Zitadel::new(INSTANCE, PROJECT).keys(instance.keys());
    let caller = Door::new(preset.verifier().unwrap()).admits(&token).await;
    assert_eq!(caller.roles(), [""; 0]);
    let caller = Door::new(preset.roles_of_clients_project().verifier().unwrap()).admits(&token).await;
    assert_eq!(caller.roles(), ["admin"]);
}

#[tokio::test]
async fn a_token_for_another_project_and_an_opaque_one_are_refused() {
    let instance = instance();
    let door = Door::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let other = instance.token().audience(["272311436567052291@web", "1"]);
    assert_eq!(door.refuses(&other).await, Reason::WrongAudience);
    assert_eq!(door.refuses(&instance.token().issuer("https://instance-2.zitadel.cloud")).await, Reason::WrongIssuer);
    assert_eq!(door.refuses_text("eGZ4Zk5vRU1oV1Zq_opaque").await, Reason::NotCompactJws);
}

#[tokio::test]
async fn forgeries_are_refused() {
    let instance = instance();
    let door = Door::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    door.refuses_all_forgeries_but(&instance, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(Zitadel::new("", PROJECT).verifier().unwrap_err().field(), "instance");
    assert_eq!(Zitadel::new(INSTANCE, "").verifier().unwrap_err().field(), "audience");
}

#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let instance = instance();
    let door = Door::new(Zitadel::new(INSTANCE, PROJECT).keys(instance.keys()).verifier().unwrap());
    let id_token = instance.token().without("jti").without("client_id").claim("azp", "272311436567052291@web");
    let id_token = id_token.claim("amr", ["pwd"]).claim("auth_time", 1).claim("at_hash", "HK6E_P6Dh8Y93mRNtsDB1Q");
    assert_eq!(door.refuses(&id_token).await, Reason::WrongTokenClass);
    assert_eq!(door.refuses(&id_token.claim("jti", "")).await, Reason::WrongTokenClass);
}
