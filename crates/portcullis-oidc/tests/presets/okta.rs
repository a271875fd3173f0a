use portcullis::{Reason, scopes};
use portcullis_oidc::Okta;
use portcullis_testing::TestIssuer;

use crate::Door;

const DOMAIN: &str = "dev-1.okta.com";

fn server() -> (TestIssuer, Door) {
    let issuer = TestIssuer::okta(DOMAIN, "default", "api://default");
    let okta = Okta::new(DOMAIN, "api://default").keys(issuer.keys());
    (issuer, Door::new(okta.verifier().unwrap()))
}

#[tokio::test]
async fn a_token_is_admitted_with_its_scopes_from_the_array_scp() {
    let (issuer, door) = server();
    let caller = door.admits(&issuer.token()).await;
    assert_eq!(caller.scopes(), ["openid", "read:messages"]);
    assert!(scopes("read:messages").check(&caller).is_ok() && scopes("write:messages").check(&caller).is_err());
    assert_eq!(caller.claim::<String>("cid"), Ok(Some("0oa1gjh63g214q0Hq0g4".to_owned())));
    assert_eq!(caller.claim::<String>("uid"), Ok(Some("00uk1u7AsAk6dZL3z0g3".to_owned())));
}

#[tokio::test]
async fn tokens_of_the_org_server_and_of_others_are_of_another_issuer() {
    let (issuer, door) = server();
    for url in
        ["https://dev-1.okta.com", "https://dev-1.okta.com/oauth2/aus1", "https://dev-1.okta.com/oauth2/default/"]
    {
        assert_eq!(door.refuses(&issuer.token().issuer(url)).await, Reason::WrongIssuer, "{url}");
    }
}

#[tokio::test]
async fn another_authorization_server_is_named_by_its_id() {
    let issuer = TestIssuer::okta(DOMAIN, "aus9o8wzkhckw9TLa0h7z", "api://default");
    let okta = Okta::new(DOMAIN, "api://default").authorization_server("aus9o8wzkhckw9TLa0h7z").keys(issuer.keys());
    let door = Door::new(okta.verifier().unwrap());
    door.admits(&issuer.token()).await;
    let default = issuer.token().issuer("https://dev-1.okta.com/oauth2/default");
    assert_eq!(door.refuses(&default).await, Reason::WrongIssuer);
}

#[tokio::test]
async fn an_id_token_is_for_the_client_and_refused() {
    let (issuer, door) = server();
    let id_token = issuer.token().audience("0oa1gjh63g214q0Hq0g4").without("scp").claim("amr", ["pwd"]);
    assert_eq!(door.refuses(&id_token).await, Reason::WrongAudience);
}

#[tokio::test]
async fn forgeries_are_refused() {
    let (issuer, door) = server();
    door.refuses_all_forgeries_but(&issuer, &[]).await;
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(Okta::new("", "api://default").verifier().unwrap_err().field(), "domain");
    assert_eq!(Okta::new("dev-1.okta.com/oauth2/default", "x").verifier().unwrap_err().field(), "domain");
    assert_eq!(Okta::new(DOMAIN, "").verifier().unwrap_err().field(), "audience");
    let server = Okta::new(DOMAIN, "api://default").authorization_server("a/b").verifier();
    assert_eq!(server.unwrap_err().field(), "authorization_server");
}
