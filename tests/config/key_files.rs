//! Tests the forms of key files that issuers and people write.

use std::path::{Path, PathBuf};

use portcullis::Config;
use portcullis::keys::FixedKeys;
use portcullis_testing::TestIssuer;
use serde_json::json;

use crate::log::Log;

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/key_files").join(name)
}

/// Verifies `token` with the keys that `member` names.
async fn verify(member: &str, name: &str, token: &str) -> Result<(), String> {
    let members = json!({"issuer": "https://issuer.example/", "audience": "api", member: file(name)});
    let config: Config = serde_json::from_value(members).unwrap();
    let gate = config.gate().map_err(|error| error.to_string())?;
    let token = std::fs::read_to_string(file(token)).unwrap();
    gate.verify(token.trim()).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn unambiguous_forms_of_keys_are_read() {
    for (member, name, token) in [
        ("public_key_file", "public-key-bare.txt", "good.token.txt"),
        ("public_key_file", "public-key-bare-with-newline.txt", "good.token.txt"),
        ("jwks_file", "certificates-by-kid.json", "good.token.txt"),
        ("jwks_file", "x5c-only.jwks.json", "good.token.txt"),
        ("jwks_file", "jwt-svid.jwks.json", "jwt-svid.token.txt"),
    ] {
        assert_eq!(verify(member, name, token).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn key_in_the_wrong_member_says_the_right_one() {
    for (member, name, instead) in [
        ("jwks_file", "public-key-bare.txt", "PEM is named by public_key_file"),
        ("jwks_file", "secret-base64-text.txt", "a secret by secret_file"),
        ("public_key_file", "x5c-only.jwks.json", "a JWK Set is named by jwks_file"),
        ("public_key_file", "certificates-by-kid.json", "a JWK Set is named by jwks_file"),
        ("public_key_file", "secret-base64-text.txt", "name a PEM file"),
    ] {
        let error = verify(member, name, "good.token.txt").await.unwrap_err();
        assert!(error.starts_with(&format!("{member}: ")) && error.contains(instead), "{name}: {error}");
    }
}

#[tokio::test]
async fn certificates_by_kid_are_fetched() {
    let server = TestIssuer::new().serve();
    server.set_jwks_body(std::fs::read_to_string(file("certificates-by-kid.json")).unwrap());
    let members = json!({"issuer": "https://issuer.example/", "audience": "api", "jwks_url": server.jwks_url()});
    let gate = serde_json::from_value::<Config>(members).unwrap().gate().unwrap();
    let token = std::fs::read_to_string(file("good.token.txt")).unwrap();
    assert!(gate.verify(token.trim()).await.is_ok());
}

#[test]
fn unintended_secret_is_logged_at_the_start() {
    for (name, expected) in
        [("secret-with-newline.txt", "ends with a line break"), ("secret-base64-text.txt", "is base64 text")]
    {
        let mut config = Config::new("https://issuer.example/", "api");
        config.secret_file = Some(file(name));
        let of_file = Log::of(|| drop(config.verifier().unwrap()));
        let text = std::fs::read_to_string(file(name)).unwrap();
        let of_text = Log::of(|| drop(FixedKeys::secret(text.as_bytes()).unwrap()));
        for log in [of_file, of_text] {
            assert!(log.contains("WARN") && log.contains(expected) && log.contains("oct JWK"), "{name}: {log}");
            assert!(!log.contains(text.trim()), "{log}");
        }
    }
    let intended = Log::of(|| drop(FixedKeys::secret(b"the-new-secret-of-at-least-32-octets!!").unwrap()));
    assert_eq!(intended, "");
}
