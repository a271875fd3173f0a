use portcullis::{Reason, permissions, roles};
use portcullis_oidc::WorkOs;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::{TestGate, serve_discovered};

const CLIENT: &str = "client_01HQSXZGF8FHF7A9ZZFCW4387R";

fn sessions() -> (TestIssuer, TestGate) {
    let issuer = TestIssuer::workos_sessions(CLIENT);
    let gate = TestGate::new(WorkOs::sessions(CLIENT).keys(issuer.keys()).verifier().unwrap());
    (issuer, gate)
}

#[tokio::test]
async fn session_token_has_permissions_and_roles() {
    let (issuer, gate) = sessions();
    let caller = gate.admits(&issuer.token()).await;
    assert!(
        permissions(["posts:read"]).check(&caller).is_ok() && permissions(["posts:delete"]).check(&caller).is_err()
    );
    assert!(roles(["member"]).check(&caller).is_ok() && roles(["admin"]).check(&caller).is_err());
}

#[tokio::test]
async fn role_counts_only_without_roles() {
    let (issuer, gate) = sessions();
    assert_eq!(gate.admits(&issuer.token().without("roles")).await.roles(), ["member"]);
    assert_eq!(gate.admits(&issuer.token().claim("roles", ["admin"])).await.roles(), ["admin"]);
    let odd = issuer.token().without("roles").claim("role", json!({"slug": "member"}));
    assert_eq!(gate.admits(&odd).await.roles(), [""; 0]);
    // Unreadable roles do not make it an older token.
    assert_eq!(gate.admits(&issuer.token().claim("roles", json!({"member": true}))).await.roles(), [""; 0]);
}

#[tokio::test]
async fn token_without_sub_is_refused() {
    let (issuer, gate) = sessions();
    assert_eq!(gate.refuses(&issuer.token().without("sub")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn other_applications_and_api_tokens_are_refused() {
    let (issuer, gate) = sessions();
    let other = issuer.token().issuer("https://api.workos.com/user_management/client_other");
    assert_eq!(gate.refuses(&other).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses(&issuer.token().issuer("https://api.workos.com")).await, Reason::WrongIssuer);
    assert_eq!(gate.refuses(&issuer.token().audience("https://api.example.com")).await, Reason::WrongAudience);
}

#[tokio::test]
async fn issuer_can_be_replaced() {
    let (issuer, _) = sessions();
    let preset = WorkOs::sessions(CLIENT).issuer("https://api.workos.com").keys(issuer.keys());
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&issuer.token().issuer("https://api.workos.com")).await;
    assert_eq!(gate.refuses(&issuer.token()).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn every_forgery_for_an_api_is_refused() {
    let issuer = TestIssuer::new().with_url("https://acme.authkit.app").with_audience("https://api.example.com");
    let preset = WorkOs::new("https://acme.authkit.app", "https://api.example.com").keys(issuer.keys());
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.refuses_forgeries_except(&issuer, &[]).await;
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (issuer, gate) = sessions();
    gate.refuses_forgeries_except(&issuer, &["aud missing", "aud empty"]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(WorkOs::new("", "https://api.example.com").verifier().unwrap_err().field(), "issuer");
    assert_eq!(WorkOs::new("https://acme.authkit.app", "").verifier().unwrap_err().field(), "audience");
    assert_eq!(WorkOs::sessions("client/1").verifier().unwrap_err().field(), "client");
    assert_eq!(WorkOs::sessions(CLIENT).issuer("").verifier().unwrap_err().field(), "issuer");
}

#[tokio::test]
async fn keys_for_an_api_are_fetched_from_jwks_uri() {
    let api = "https://api.example.com";
    let server = serve_discovered(TestIssuer::new().with_audience(api), "", "/oauth2/jwks");
    let workos = WorkOs::new(format!("http://{}", server.address()), api);
    TestGate::new(workos.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oauth2/jwks"), server.all_hits()), (1, 1, 2));
}
