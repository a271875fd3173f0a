use portcullis::{Reason, permissions, roles};
use portcullis_oidc::WorkOs;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::Door;

const CLIENT: &str = "client_01HQSXZGF8FHF7A9ZZFCW4387R";

fn sessions() -> (TestIssuer, Door) {
    let issuer = TestIssuer::workos_sessions(CLIENT);
    let door = Door::new(WorkOs::sessions(CLIENT).keys(issuer.keys()).verifier().unwrap());
    (issuer, door)
}

#[tokio::test]
async fn a_session_is_admitted_with_its_permissions_and_roles() {
    let (issuer, door) = sessions();
    let caller = door.admits(&issuer.token()).await;
    assert!(
        permissions(["posts:read"]).check(&caller).is_ok() && permissions(["posts:delete"]).check(&caller).is_err()
    );
    assert!(roles(["member"]).check(&caller).is_ok() && roles(["admin"]).check(&caller).is_err());
}

#[tokio::test]
async fn the_one_role_of_older_tokens_counts_where_there_are_no_roles() {
    let (issuer, door) = sessions();
    assert_eq!(door.admits(&issuer.token().without("roles")).await.roles(), ["member"]);
    assert_eq!(door.admits(&issuer.token().claim("roles", ["admin"])).await.roles(), ["admin"]);
    let odd = issuer.token().without("roles").claim("role", json!({"slug": "member"}));
    assert_eq!(door.admits(&odd).await.roles(), [""; 0]);
    // Roles that can't be read are not an older token's.
    assert_eq!(door.admits(&issuer.token().claim("roles", json!({"member": true}))).await.roles(), [""; 0]);
}

#[tokio::test]
async fn a_token_of_nobody_is_refused() {
    let (issuer, door) = sessions();
    assert_eq!(door.refuses(&issuer.token().without("sub")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn another_application_and_a_token_for_an_api_are_refused() {
    let (issuer, door) = sessions();
    let other = issuer.token().issuer("https://api.workos.com/user_management/client_other");
    assert_eq!(door.refuses(&other).await, Reason::WrongIssuer);
    assert_eq!(door.refuses(&issuer.token().issuer("https://api.workos.com")).await, Reason::WrongIssuer);
    assert_eq!(door.refuses(&issuer.token().audience("https://api.example.com")).await, Reason::WrongAudience);
}

#[tokio::test]
async fn an_environment_with_another_issuer_can_say_so() {
    let (issuer, _) = sessions();
    let preset = WorkOs::sessions(CLIENT).issuer("https://api.workos.com").keys(issuer.keys());
    let door = Door::new(preset.verifier().unwrap());
    door.admits(&issuer.token().issuer("https://api.workos.com")).await;
    assert_eq!(door.refuses(&issuer.token()).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn an_api_has_an_audience() {
    let issuer = TestIssuer::new().with_url("https://acme.authkit.app").with_audience("https://api.example.com");
    let preset = WorkOs::new("https://acme.authkit.app", "https://api.example.com").keys(issuer.keys());
    let door = Door::new(preset.verifier().unwrap());
    door.refuses_all_forgeries_but(&issuer, &[]).await;
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (issuer, door) = sessions();
    door.refuses_all_forgeries_but(&issuer, &["aud missing"]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(WorkOs::new("", "https://api.example.com").verifier().unwrap_err().field(), "issuer");
    assert_eq!(WorkOs::new("https://acme.authkit.app", "").verifier().unwrap_err().field(), "audience");
    assert_eq!(WorkOs::sessions("client/1").verifier().unwrap_err().field(), "client");
    assert_eq!(WorkOs::sessions(CLIENT).issuer("").verifier().unwrap_err().field(), "issuer");
}
