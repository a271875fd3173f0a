//! Tests of the key URLs, and of what the keys verify.

use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{RemoteKeys, VerifyingKey};
use portcullis::{Gate, Reason};
use portcullis_azure::{Azure, TokenVersions};
use portcullis_testing::{IssuerServer, TestIssuer};
use serde_json::{Value, json};

use crate::{API, OTHER, TENANT, admits, reason, v1, v2};

/// Serves an Entra ID tenant on loopback, with its keys at these paths. Returns its URL, too.
fn serve(issuer: TestIssuer, paths: &[&str]) -> (IssuerServer, String) {
    let server = issuer.serve_under(&format!("/{TENANT}/v2.0"));
    for path in paths {
        server.serve_at(path, server.issuer().jwks());
    }
    let authority = format!("http://{}", server.address());
    (server, authority)
}

fn gate(azure: Azure) -> Gate {
    Gate::new(azure.verifier().unwrap())
}

#[tokio::test]
async fn keys_are_fetched_once_from_the_tenant() {
    for (azure, published_for) in [
        (Azure::single_tenant(TENANT, API), TENANT),
        (Azure::common(API), "common"),
        (Azure::organizations(API), "organizations"),
        (Azure::tenants([TENANT, OTHER], API), "common"),
    ] {
        let path = format!("/{published_for}/discovery/v2.0/keys");
        let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[&path]);
        let gate = gate(azure.authority(authority));
        for _ in 0..5 {
            let (second, first) = (server.issuer().token().sign(), server.issuer().token().issuer(&v1(TENANT)).sign());
            assert!(admits(&gate, &second).await && admits(&gate, &first).await, "{path}");
        }
        assert_eq!((server.hits(&path), server.all_hits()), (1, 1));
        // Tokens of the real cloud have another issuer.
        let token = server.issuer().token().issuer(&v2(TENANT)).sign();
        assert_eq!(reason(&gate, &token).await, Some(Reason::WrongIssuer));
    }
}

#[tokio::test]
async fn consumers_have_their_own_key_url() {
    let path = "/consumers/discovery/v2.0/keys";
    let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[path]);
    let gate = gate(Azure::consumers(API).authority(authority));
    assert_eq!(reason(&gate, &server.issuer().token().sign()).await, Some(Reason::WrongTenant));
    assert_eq!((server.hits(path), server.all_hits()), (1, 1));
}

#[tokio::test]
async fn version_1_has_its_own_key_url() {
    let path = format!("/{TENANT}/discovery/keys");
    let (server, authority) = serve(TestIssuer::azure_v1(TENANT, API), &[&path]);
    assert!(!server.issuer().jwks().contains("\"issuer\""));
    let azure = Azure::single_tenant(TENANT, API).versions(TokenVersions::V1).authority(authority);
    let gate = gate(azure);
    assert!(admits(&gate, &server.issuer().token().issuer(&v1(TENANT)).sign()).await);
    assert_eq!((server.hits(&path), server.all_hits()), (1, 1));
}

#[tokio::test]
async fn many_tenants_fetch_the_keys_of_version_2() {
    for (azure, published_for) in [
        (Azure::common(API), "common"),
        (Azure::organizations(API), "organizations"),
        (Azure::tenants([TENANT], API), "common"),
    ] {
        let path = format!("/{published_for}/discovery/v2.0/keys");
        let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[&path]);
        // The keys of version 1.0 do not say for which tenants they are.
        let gate = gate(azure.versions(TokenVersions::V1).authority(authority));
        assert!(admits(&gate, &server.issuer().token().issuer(&v1(TENANT)).sign()).await, "{path}");
        assert_eq!((server.hits(&path), server.all_hits()), (1, 1));
    }
}

#[tokio::test]
async fn version_2_metadata_is_below_the_issuer() {
    let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[]);
    let keys = RemoteKeys::discover(&server.url()).unwrap();
    let gate = gate(Azure::single_tenant(TENANT, API).authority(authority).keys(keys));
    assert!(admits(&gate, &server.issuer().token().sign()).await);
    assert_eq!(server.requests()[0].target, format!("/{TENANT}/v2.0/.well-known/openid-configuration"));
}

#[tokio::test]
async fn version_1_metadata_is_below_the_tenant() {
    let keys_path = format!("/{TENANT}/discovery/keys");
    let (server, authority) = serve(TestIssuer::azure_v1(TENANT, API), &[&keys_path]);
    let metadata = format!("/{TENANT}/.well-known/openid-configuration");
    let document = json!({"issuer": v1(TENANT), "jwks_uri": format!("{authority}{keys_path}")});
    server.serve_at(&metadata, document.to_string());
    // The issuer has another host, so the URL of the metadata must be set.
    let keys = RemoteKeys::builder().metadata_at(format!("{authority}{metadata}")).discover(&v1(TENANT)).unwrap();
    let gate = gate(Azure::single_tenant(TENANT, API).keys(keys));
    assert!(admits(&gate, &server.issuer().token().issuer(&v1(TENANT)).sign()).await);
    assert_eq!((server.hits(&metadata), server.hits(&keys_path), server.all_hits()), (1, 1, 2));
}

#[tokio::test]
async fn claims_mapping_fetches_the_applications_keys() {
    let path = format!("/{TENANT}/discovery/v2.0/keys");
    let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[&path]);
    let gate = gate(Azure::single_tenant(TENANT, API.to_uppercase()).authority(authority).claims_mapping());
    assert!(admits(&gate, &server.issuer().token().sign()).await);
    assert_eq!(server.requests()[0].target, format!("{path}?appid={API}"));
}

#[tokio::test]
async fn tenant_in_a_token_causes_no_fetch() {
    let path = "/common/discovery/v2.0/keys";
    let (server, authority) = serve(TestIssuer::azure(TENANT, API), &[path]);
    let gate = gate(Azure::common(API).authority(&authority));
    let issuer = server.issuer();
    for tid in [OTHER, "../../admin", "common", "{tenantid}"] {
        let token = issuer.token().claim("tid", tid).issuer(&format!("{authority}/{tid}/v2.0")).sign();
        let _ = gate.verify(&token).await;
    }
    assert_eq!((server.hits(path), server.all_hits()), (1, 1));
}

#[tokio::test]
async fn keys_without_alg_verify_only_rs256() {
    let issuer = TestIssuer::azure(TENANT, API);
    let published: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    assert_eq!((&published["keys"][0]["alg"], &published["keys"][0]["use"]), (&Value::Null, &json!("sig")));
    // Such a key could verify every RSA algorithm. The preset allows only one.
    let key = VerifyingKey::from_jwk(&published["keys"][0].to_string()).unwrap();
    assert!(key.algorithms().contains(Algorithm::Ps256));
    let verifier = Azure::single_tenant(TENANT, API).keys(issuer.keys()).verifier().unwrap();
    assert_eq!(verifier.algorithms(), AlgorithmSet::from(Algorithm::Rs256));
    let gate = Gate::new(verifier);
    assert!(admits(&gate, &issuer.token().sign()).await);
    for alg in ["PS256", "RS384", "RS512", "ES256", "none", "HS256"] {
        let token = issuer.token().header("alg", alg).sign();
        assert_eq!(reason(&gate, &token).await, Some(Reason::AlgorithmNotAllowed), "{alg}");
    }
}
