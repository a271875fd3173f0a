//! Introspection from a configuration: a file, or the environment.

use std::path::PathBuf;

use portcullis::Config;
use portcullis::config::IssuersConfig;
use portcullis_testing::IssuerServer;

use crate::support::{AUDIENCE, admitted, refused, server, token};

/// A file with the secret of the client, for one test.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn config(variables: &[(&str, &str)]) -> Result<Config, portcullis::ConfigError> {
    Config::from_variables(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[tokio::test]
async fn variables_accept_jwts_and_opaque_tokens() {
    let server = server();
    let secret = SecretFile::new("variables", &format!("{}\n", IssuerServer::CLIENT_SECRET));
    let (issuer, endpoint) = (server.url(), server.introspection_url());
    let all = [
        ("PORTCULLIS_ISSUER", issuer.as_str()),
        ("PORTCULLIS_AUDIENCE", AUDIENCE),
        ("PORTCULLIS_INTROSPECTION_URL", &endpoint),
        ("PORTCULLIS_CLIENT_ID", IssuerServer::CLIENT_ID),
        ("PORTCULLIS_CLIENT_SECRET_FILE", secret.path()),
    ];
    let gate = config(&all).unwrap().gate().unwrap();
    let opaque = server.opaque_token(&token(&server));
    admitted(&gate, &opaque).await;
    admitted(&gate, &token(&server).sign()).await;
    assert_eq!(refused(&gate, &token(&server).expired().sign()).await, (401, Some("expired")));
    assert_eq!(refused(&gate, "made-up").await, (401, Some("inactive")));
    assert_eq!(server.introspection_hits(), 2, "no JWT was sent");
    for left_out in 0..all.len() {
        let mut some = all.to_vec();
        let (name, _) = some.remove(left_out);
        let faults = config(&some).unwrap_err().to_string();
        let expected = if name == "PORTCULLIS_INTROSPECTION_URL" { "PORTCULLIS_CLIENT_ID" } else { name };
        assert!(faults.starts_with(expected), "{faults}");
    }
}

#[tokio::test]
async fn members_of_a_file_accept_both_kinds() {
    let server = server();
    let secret = SecretFile::new("members", IssuerServer::CLIENT_SECRET);
    let members = serde_json::json!({
        "issuer": server.url(),
        "audience": AUDIENCE,
        "introspection_url": server.introspection_url(),
        "client_id": IssuerServer::CLIENT_ID,
        "client_secret_file": secret.path(),
        "required_claims": ["sub"],
        "fetch_timeout_seconds": 2,
    });
    let config: IssuersConfig = serde_json::from_value(members.clone()).unwrap();
    let gate = portcullis::Gate::new(config.verifier().unwrap());
    admitted(&gate, &server.opaque_token(&token(&server))).await;
    admitted(&gate, &token(&server).sign()).await;
    assert_eq!(
        refused(&gate, &server.opaque_token(&token(&server).without("sub"))).await,
        (401, Some("missing_claim"))
    );
    let alone: Config = serde_json::from_value(serde_json::json!({
        "issuer": server.url(), "audience": AUDIENCE, "client_id": "api",
    }))
    .unwrap();
    assert_eq!(alone.gate().unwrap_err().field(), "client_id", "it would silently do nothing");
    assert_eq!(alone.verifier().unwrap_err().field(), "client_id");
    let list = serde_json::json!({"issuers": [members]});
    let list: IssuersConfig = serde_json::from_value(list).unwrap();
    let error = list.verifier().unwrap_err();
    assert_eq!(error.field(), "issuers[0].introspection_url", "{error}");
    let one: Config = serde_json::from_value(serde_json::to_value(&list.issuers()[0]).unwrap()).unwrap();
    assert_eq!(one.verifier().unwrap_err().field(), "introspection_url");
}

#[test]
fn unusable_members_are_named() {
    let secret = SecretFile::new("unusable", "");
    let with = |more: &[(&'static str, &str)]| {
        let mut all = vec![
            ("PORTCULLIS_ISSUER", "https://issuer.example"),
            ("PORTCULLIS_AUDIENCE", "api"),
            ("PORTCULLIS_INTROSPECTION_URL", "https://issuer.example/introspect"),
            ("PORTCULLIS_CLIENT_ID", "api"),
            ("PORTCULLIS_CLIENT_SECRET_FILE", secret.path()),
        ];
        for (name, value) in more {
            all.retain(|(known, _)| known != name);
            all.push((name, value));
        }
        config(&all).and_then(|config| config.gate()).unwrap_err().to_string()
    };
    for (more, expected) in [
        (&[][..], "PORTCULLIS_CLIENT_SECRET_FILE: empty"),
        (&[("PORTCULLIS_CLIENT_SECRET_FILE", "/nonexistent")], "PORTCULLIS_CLIENT_SECRET_FILE: /nonexistent"),
        (
            &[("PORTCULLIS_INTROSPECTION_URL", "http://issuer.example/introspect")],
            "PORTCULLIS_INTROSPECTION_URL: it is http",
        ),
        (
            &[("PORTCULLIS_CLIENT_SECRET", "s3cret")],
            "PORTCULLIS_CLIENT_SECRET: unknown; write PORTCULLIS_CLIENT_SECRET_FILE",
        ),
        (&[("PORTCULLIS_INTROSPECTION_ENDPOINT", "x")], "PORTCULLIS_INTROSPECTION_ENDPOINT: unknown"),
        (
            &[
                ("PORTCULLIS_ISSUER", "https://a.example,https://b.example"),
                ("PORTCULLIS_JWKS_URL", "https://a.example/keys"),
            ],
            "PORTCULLIS_INTROSPECTION_URL: there are several issuers",
        ),
    ] {
        let error = with(more);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn options_of_requests_serve_introspection_next_to_a_file_of_keys() {
    let server = server();
    let secret = SecretFile::new("options", IssuerServer::CLIENT_SECRET);
    let keys = SecretFile::new("options-keys", &server.issuer().jwks());
    let (issuer, endpoint) = (server.url(), server.introspection_url());
    let config = config(&[
        ("PORTCULLIS_ISSUER", &issuer),
        ("PORTCULLIS_AUDIENCE", AUDIENCE),
        ("PORTCULLIS_JWKS_FILE", keys.path()),
        ("PORTCULLIS_INTROSPECTION_URL", &endpoint),
        ("PORTCULLIS_CLIENT_ID", IssuerServer::CLIENT_ID),
        ("PORTCULLIS_CLIENT_SECRET_FILE", secret.path()),
        ("PORTCULLIS_FETCH_TIMEOUT_SECONDS", "2"),
    ]);
    let gate = config.unwrap().gate().unwrap();
    admitted(&gate, &server.opaque_token(&token(&server))).await;
    admitted(&gate, &token(&server).sign()).await;
    assert_eq!((server.metadata_hits(), server.jwks_hits()), (0, 0));
}
