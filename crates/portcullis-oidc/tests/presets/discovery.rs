//! Where the metadata says the keys are, there they are fetched, and nowhere else.

use portcullis_oidc::{Logto, Okta, WorkOs, Zitadel};
use portcullis_testing::{IssuerServer, TestIssuer};
use serde_json::json;

use crate::Door;

const API: &str = "https://api.example.com";

/// The issuer, whose metadata names `keys` as the place of its keys.
fn serve(issuer: TestIssuer, path: &str, keys: &str) -> IssuerServer {
    let server = issuer.serve_under(path);
    server.set_metadata_body(json!({"issuer": server.url(), "jwks_uri": server.url_of(keys)}).to_string());
    server.serve_at(keys, server.issuer().jwks());
    server
}

#[tokio::test]
async fn oktas_keys_are_where_its_metadata_says() {
    let server =
        serve(TestIssuer::okta("dev-1.okta.com", "default", API), "/oauth2/default", "/oauth2/default/v1/keys");
    let door = Door::new(Okta::new(format!("http://{}", server.address()), API).verifier().unwrap());
    door.admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oauth2/default/v1/keys"), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn logtos_keys_are_where_its_metadata_says() {
    let server = serve(TestIssuer::logto("https://tenant.logto.app", API), "/oidc", "/oidc/jwks");
    let door = Door::new(Logto::new(format!("http://{}", server.address()), API).verifier().unwrap());
    door.admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oidc/jwks"), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn zitadels_keys_are_where_its_metadata_says() {
    let server = serve(TestIssuer::zitadel("https://instance-1.zitadel.cloud", "1"), "", "/oauth/v2/keys");
    let door = Door::new(Zitadel::new(format!("http://{}", server.address()), "1").verifier().unwrap());
    door.admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oauth/v2/keys"), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn authkits_keys_are_where_its_metadata_says() {
    let server = serve(TestIssuer::new().with_audience(API), "", "/oauth2/jwks");
    let door = Door::new(WorkOs::new(format!("http://{}", server.address()), API).verifier().unwrap());
    door.admits(&server.issuer().token()).await;
    assert_eq!((server.metadata_hits(), server.hits("/oauth2/jwks"), server.all_hits()), (1, 1, 2));
}
