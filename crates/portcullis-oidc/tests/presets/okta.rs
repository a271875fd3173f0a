use portcullis::{Reason, scopes};
use portcullis_oidc::Okta;
use portcullis_testing::TestIssuer;

use crate::{TestGate, serve_discovered};

const DOMAIN: &str = "dev-1.okta.com";

fn server() -> (TestIssuer, TestGate) {
    let issuer = TestIssuer::okta(DOMAIN, "default", "api://default");
    let okta = Okta::new(DOMAIN, "api://default").keys(issuer.keys());
    (issuer, TestGate::new(okta.verifier().unwrap()))
}

#[tokio::test]
async fn scopes_are_read_from_the_array_scp() {
    let (issuer, gate) = server();
    let caller = gate.admits(&issuer.token()).await;
    assert_eq!(caller.scopes(), ["openid", "read:messages"]);
    assert!(scopes("read:messages").check(&caller).is_ok() && scopes("write:messages").check(&caller).is_err());
    assert_eq!(caller.claim::<String>("cid"), Ok(Some("0oa1gjh63g214q0Hq0g4".to_owned())));
    assert_eq!(caller.claim::<String>("uid"), Ok(Some("00uk1u7AsAk6dZL3z0g3".to_owned())));
}

#[tokio::test]
async fn tokens_of_other_servers_are_refused() {
    let (issuer, gate) = server();
    for url in
        ["https://dev-1.okta.com", "https://dev-1.okta.com/oauth2/aus1", "https://dev-1.okta.com/oauth2/default/"]
    {
        assert_eq!(gate.refuses(&issuer.token().issuer(url)).await, Reason::WrongIssuer, "{url}");
    }
}

#[tokio::test]
async fn other_authorization_server_can_be_chosen() {
    let issuer = TestIssuer::okta(DOMAIN, "aus9o8wzkhckw9TLa0h7z", "api://default");
    let okta = Okta::new(DOMAIN, "api://default").authorization_server("aus9o8wzkhckw9TLa0h7z").keys(issuer.keys());
    let gate = TestGate::new(okta.verifier().unwrap());
    gate.admits(&issuer.token()).await;
    let default = issuer.token().issuer("https://dev-1.okta.com/oauth2/default");
    assert_eq!(gate.refuses(&default).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn id_token_is_refused() {
    let (issuer, gate) = server();
    let id_token = issuer.token().audience("0oa1gjh63g214q0Hq0g4").without("scp").claim("amr", ["pwd"]);
    assert_eq!(gate.refuses(&id_token).await, Reason::WrongAudience);
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (issuer, gate) = server();
    gate.refuses_forgeries_except(&issuer, &[]).await;
}

#[test]
fn errors_name_the_invalid_field() {
    assert_eq!(Okta::new("", "api://default").verifier().unwrap_err().field(), "domain");
    assert_eq!(Okta::new("dev-1.okta.com/oauth2/default", "x").verifier().unwrap_err().field(), "domain");
    assert_eq!(Okta::new(DOMAIN, "").verifier().unwrap_err().field(), "audience");
    let server = Okta::new(DOMAIN, "api://default").authorization_server("a/b").verifier();
    assert_eq!(server.unwrap_err().field(), "authorization_server");
}

#[tokio::test]
async fn keys_are_fetched_from_jwks_uri() {
    let keys = "/oauth2/default/v1/keys";
    let server = serve_discovered(TestIssuer::okta(DOMAIN, "default", "api://default"), "/oauth2/default", keys);
    let okta = Okta::new(format!("http://{}", server.address()), "api://default");
    TestGate::new(okta.verifier().unwrap()).admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits(keys), server.all_hits()), (1, 1, 2));
}
