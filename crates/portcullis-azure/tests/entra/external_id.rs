//! Tests of the preset for Entra External ID.

use portcullis::{Gate, Reason};
use portcullis_azure::Azure;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::{API, OTHER, TENANT, admits, gate, reason, v2};

fn external() -> Azure {
    Azure::external_id("contoso", TENANT, API)
}

#[tokio::test]
async fn external_id_metadata_leads_to_the_keys() {
    let issuer = TestIssuer::azure_external_id(TENANT, API);
    let server = issuer.clone().serve();
    let authority = format!("http://{}", server.address());
    let metadata = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let keys = format!("/{TENANT}/discovery/v2.0/keys");
    // The issuer has another host than the metadata.
    let document = json!({"issuer": issuer.url(), "jwks_uri": format!("{authority}{keys}")});
    server.serve_at(&metadata, document.to_string());
    server.serve_at(&keys, issuer.jwks());
    let gate = Gate::new(external().authority(authority).verifier().unwrap());
    for _ in 0..5 {
        assert!(admits(&gate, &issuer.token().sign()).await);
    }
    assert_eq!((server.hits(&metadata), server.hits(&keys), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn external_id_issuer_host_is_the_tenant() {
    let issuer = TestIssuer::azure_external_id(TENANT, API);
    let gate = gate(&external(), &issuer);
    assert!(admits(&gate, &issuer.token().sign()).await);
    for name in [
        format!("https://contoso.ciamlogin.com/{TENANT}/v2.0"),
        format!("https://{OTHER}.ciamlogin.com/{OTHER}/v2.0"),
        format!("https://{OTHER}.ciamlogin.com/{TENANT}/v2.0"),
        format!("{}/", issuer.url()),
        v2(TENANT),
    ] {
        assert_eq!(reason(&gate, &issuer.token().issuer(&name).sign()).await, Some(Reason::WrongIssuer), "{name}");
    }
    assert_eq!(reason(&gate, &issuer.token().claim("tid", OTHER).sign()).await, Some(Reason::WrongTenant));
    assert_eq!(reason(&gate, &issuer.token().without("tid").sign()).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn external_id_key_may_use_either_name() {
    let issuer = TestIssuer::azure_external_id(TENANT, API);
    for (published, accepted) in [
        (issuer.url().to_owned(), true),
        (format!("https://contoso.ciamlogin.com/{TENANT}/v2.0"), true),
        (v2(TENANT), true),
        (v2("{tenantid}"), true),
        (v2(OTHER), false),
        (format!("https://{OTHER}.ciamlogin.com/{OTHER}/v2.0"), false),
    ] {
        let name = published.clone();
        let published_for = issuer.clone().with_published_keys(move |jwk| {
            jwk.remove("alg");
            jwk.insert("issuer".to_owned(), published.clone().into());
        });
        assert_eq!(admits(&gate(&external(), &published_for), &issuer.token().sign()).await, accepted, "{name}");
    }
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let issuer = TestIssuer::azure_external_id(TENANT, API);
    let gate = gate(&external(), &issuer);
    for forgery in issuer.forgeries() {
        assert_eq!(reason(&gate, &forgery.token).await, Some(forgery.reason), "{}", forgery.name);
    }
}
