//! Tests how a gate from a configuration fetches its keys.

use portcullis::{Config, Gate};
use portcullis_testing::{IssuerServer, TestIssuer};
use serde_json::{Value, json};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Returns the gate for `members` and the issuer and audience of `server`.
fn gate(server: &IssuerServer, members: &Value) -> Gate {
    let mut config = json!({"issuer": server.url(), "audience": server.issuer().audience()});
    config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value::<Config>(config).unwrap().gate().unwrap()
}

fn metadata(issuer: &str, jwks_uri: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string()
}

#[tokio::test]
async fn keys_are_discovered_by_default() {
    let server = TestIssuer::new().serve();
    let gate = gate(&server, &json!({}));
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
    assert_eq!((server.metadata_hits(), server.jwks_hits()), (1, 1));
}

#[tokio::test]
async fn metadata_of_rfc_8414_is_found() {
    let server = TestIssuer::new().serve();
    let path = "/.well-known/oauth-authorization-server";
    server.serve_at(path, metadata(&server.url(), &server.jwks_url()));
    let gate = gate(&server, &json!({"metadata_kind": "oauth-authorization-server"}));
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
    assert_eq!((server.hits(WELL_KNOWN), server.hits(path)), (0, 1));
}

#[tokio::test]
async fn metadata_is_fetched_from_its_url() {
    let server = TestIssuer::new().serve();
    server.serve_at("/elsewhere", metadata(&server.url(), &server.jwks_url()));
    let gate = gate(&server, &json!({"metadata_url": server.url_of("/elsewhere")}));
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
    assert_eq!((server.metadata_hits(), server.hits("/elsewhere")), (0, 1));
}

#[tokio::test]
async fn internal_issuer_serves_tokens_of_the_external_name() {
    // Nothing listens at the external name, as in a compose file.
    let external = "http://localhost:9/realms/main";
    let server = TestIssuer::new().serve_under("/realms/main");
    server.serve_at("/realms/main/.well-known/openid-configuration", metadata(external, &format!("{external}/certs")));
    server.serve_at("/realms/main/certs", server.issuer().jwks());
    let members = json!({"issuer": external, "internal_issuer_url": server.url_of("/realms/main")});
    let gate = gate(&server, &members);
    let token = server.issuer().token().issuer(external).sign();
    assert!(gate.verify(&token).await.is_ok());
    assert_eq!(server.hits("/realms/main/certs"), 1);
    let internal = server.issuer().token().sign();
    assert_eq!(gate.verify(&internal).await.unwrap_err().reason().unwrap().as_str(), "wrong_issuer");
}

#[tokio::test]
async fn header_fields_of_the_file_are_sent() {
    let server = TestIssuer::new().serve();
    let path = std::env::temp_dir().join(format!("portcullis-config-headers-{}", std::process::id()));
    std::fs::write(&path, "Authorization: Bearer of-the-file\nx-tenant:one\n").unwrap();
    let gate = gate(&server, &json!({"request_headers_file": path}));
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer of-the-file"));
        assert_eq!(request.header("x-tenant"), Some("one"));
    }
}

#[tokio::test]
async fn proxy_is_used() {
    let (server, proxy) = (TestIssuer::new().serve(), TestIssuer::new().serve());
    let gate = gate(&server, &json!({"proxy": proxy.url_of("")}));
    assert_eq!(gate.verify(&server.issuer().token().sign()).await.unwrap_err().status(), 503);
    assert!(proxy.requests()[0].target.ends_with(WELL_KNOWN), "{:?}", proxy.requests());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn seed_serves_while_the_issuer_is_down() {
    let server = TestIssuer::new().serve();
    let path = std::env::temp_dir().join(format!("portcullis-config-seed-{}", std::process::id()));
    std::fs::write(&path, server.issuer().jwks()).unwrap();
    server.go_down();
    let gate = gate(&server, &json!({"key_seed_file": path}));
    std::fs::remove_file(&path).unwrap();
    assert!(gate.verify(&server.issuer().token().sign()).await.is_ok());
}

#[tokio::test]
async fn plain_http_needs_its_dangerous_option() {
    let config = |members: Value| {
        let mut config = json!({"issuer": "http://keycloak:8080/realms/main", "audience": "api"});
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        serde_json::from_value::<Config>(config).unwrap().gate()
    };
    let error = config(json!({})).unwrap_err();
    assert_eq!(error.field(), "issuer");
    assert!(error.to_string().contains("dangerous_allow_http_hosts"), "{error}");
    assert!(config(json!({"dangerous_allow_http_hosts": "other"})).is_err());
    assert!(config(json!({"dangerous_allow_http_hosts": ["keycloak"]})).is_ok());
}
