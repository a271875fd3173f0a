use portcullis::keys::FixedKeys;
use portcullis::{Reason, roles};
use portcullis_oidc::{Keycloak, KeycloakClaims};
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::TestGate;

const BASE: &str = "https://keycloak.example.com";

fn realm() -> TestIssuer {
    TestIssuer::keycloak(BASE, "main", "api")
}

fn preset(realm: &TestIssuer) -> Keycloak {
    Keycloak::new(BASE, "main", "api").keys(realm.keys())
}

#[tokio::test]
async fn policies_see_the_realm_roles() {
    let realm = realm();
    let caller = TestGate::new(preset(&realm).verifier().unwrap()).admits(&realm.token()).await;
    assert_eq!(caller.roles(), ["offline_access", "uma_authorization", "user"]);
    assert!(roles(["user"]).check(&caller).is_ok() && roles(["editor"]).check(&caller).is_err());
    let claims: KeycloakClaims = caller.claims().unwrap();
    assert_eq!((claims.azp.as_deref(), claims.client_roles("api")), (Some("web"), &["editor".to_owned()][..]));
    assert_eq!(format!("{claims:?}"), "KeycloakClaims { .. }");
}

#[tokio::test]
async fn client_roles_replace_the_realm_roles() {
    let realm = realm();
    let gate = TestGate::new(preset(&realm).client("api").verifier().unwrap());
    let caller = gate.admits(&realm.token()).await;
    assert_eq!(caller.roles(), ["editor"]);
    assert!(roles(["editor"]).check(&caller).is_ok());
    for others in ["user", "manage-account"] {
        assert!(roles([others]).check(&caller).is_err(), "{others}");
    }
    let none = gate.admits(&realm.token().without("resource_access")).await;
    assert_eq!(none.roles(), [""; 0]);
}

#[tokio::test]
async fn unreadable_roles_grant_nothing() {
    let realm = realm();
    let (of_realm, of_client) = (
        TestGate::new(preset(&realm).verifier().unwrap()),
        TestGate::new(preset(&realm).client("api").verifier().unwrap()),
    );
    for roles in [json!("user"), json!({"user": true}), json!(["user", 1]), json!(null), json!(7)] {
        let token = realm.token().claim("realm_access", json!({ "roles": roles }));
        assert_eq!(of_realm.admits(&token).await.roles(), [""; 0], "{roles}");
        let token = realm.token().claim("resource_access", json!({"api": {"roles": roles}}));
        assert_eq!(of_client.admits(&token).await.roles(), [""; 0], "{roles}");
    }
    // Arrays instead of the objects that contain the roles.
    let token = realm.token().claim("realm_access", json!([["user"]]));
    assert_eq!(of_realm.admits(&token).await.roles(), [""; 0]);
    let token = realm.token().claim("resource_access", json!({"api": [["editor"]]}));
    assert_eq!(of_client.admits(&token).await.roles(), [""; 0]);
    assert!(of_client.admits(&token).await.claims::<KeycloakClaims>().is_err());
}

#[tokio::test]
async fn audience_account_is_refused() {
    let realm = realm();
    let gate = TestGate::new(preset(&realm).verifier().unwrap());
    assert_eq!(gate.refuses(&realm.token().audience("account")).await, Reason::WrongAudience);
    assert_eq!(gate.refuses(&realm.token().without("aud")).await, Reason::MissingClaim);
}

#[tokio::test]
async fn id_refresh_and_logout_tokens_are_refused() {
    let realm = realm();
    let gate = TestGate::new(preset(&realm).verifier().unwrap());
    for class in ["ID", "Refresh", "Offline", "Logout", "bearer", ""] {
        assert_eq!(gate.refuses(&realm.token().claim("typ", class)).await, Reason::WrongTokenClass, "{class}");
    }
    assert_eq!(gate.refuses(&realm.token().without("typ")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&realm.token().claim("typ", ["Bearer"])).await, Reason::InvalidClaim);
    let logout = realm.token().header("typ", "logout+jwt").claim("typ", "Logout");
    assert_eq!(gate.refuses(&logout).await, Reason::WrongType);
}

#[tokio::test]
async fn only_authorized_parties_are_accepted() {
    let realm = realm();
    let gate = TestGate::new(preset(&realm).authorized_parties(["web", "app"]).verifier().unwrap());
    gate.admits(&realm.token()).await;
    gate.admits(&realm.token().claim("azp", "app")).await;
    assert_eq!(gate.refuses(&realm.token().claim("azp", "other")).await, Reason::WrongParty);
    assert_eq!(gate.refuses(&realm.token().without("azp")).await, Reason::MissingClaim);
    assert_eq!(gate.refuses(&realm.token().claim("azp", ["web"])).await, Reason::InvalidClaim);
}

#[tokio::test]
async fn encryption_key_in_the_set_is_skipped() {
    let realm = realm();
    let published = realm.jwks();
    assert!(published.contains(r#""use":"enc""#), "{published}");
    let keys = FixedKeys::jwks(&published).unwrap();
    assert_eq!((keys.key_set().len(), keys.key_set().skipped().len()), (1, 1));
    let gate = TestGate::new(Keycloak::new(BASE, "main", "api").keys(keys).verifier().unwrap());
    gate.admits(&realm.token()).await;
    assert_eq!(gate.refuses(&realm.token().header("kid", "encryption-1")).await, Reason::UnknownKey);
}

#[tokio::test]
async fn other_realms_are_refused() {
    let realm = realm();
    let gate = TestGate::new(preset(&realm).verifier().unwrap());
    for url in [format!("{BASE}/realms/other"), format!("{BASE}/auth/realms/main"), format!("{BASE}/realms/main/")] {
        assert_eq!(gate.refuses(&realm.token().issuer(&url)).await, Reason::WrongIssuer, "{url}");
    }
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let realm = realm();
    TestGate::new(preset(&realm).verifier().unwrap()).refuses_forgeries_except(&realm, &[]).await;
}

#[tokio::test]
async fn keys_are_fetched_from_the_realm_certs() {
    let realm = realm().serve_under("/realms/main");
    let certs = "/realms/main/protocol/openid-connect/certs";
    realm.serve_at(certs, realm.issuer().jwks());
    let base = format!("http://{}", realm.address());
    let gate = TestGate::new(Keycloak::new(base, "main", "api").verifier().unwrap());
    gate.admits(&realm.issuer().token()).await;
    assert_eq!((realm.hits(certs), realm.all_hits()), (1, 1));
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(Keycloak::new("", "main", "api").verifier().unwrap_err().field(), "base");
    assert_eq!(Keycloak::new(BASE, "a/b", "api").verifier().unwrap_err().field(), "realm");
    assert_eq!(Keycloak::new(BASE, "main", "").verifier().unwrap_err().field(), "audience");
    let parties = Keycloak::new(BASE, "main", "api").authorized_parties([""; 0]).verifier();
    assert_eq!(parties.unwrap_err().field(), "authorized_parties");
    assert_eq!(Keycloak::new(BASE, "main", "api").client("").verifier().unwrap_err().field(), "client");
}
