//! Tests the members about tokens with tokens that need them.

use portcullis::Config;
use serde_json::{Value, json};

use crate::key_files::file;

/// Verifies a token with `members`, and returns the reason of its refusal.
async fn refused(keys: &str, token: &str, more: &Value) -> Option<&'static str> {
    let mut members = json!({"issuer": "https://issuer.example/", "audience": "api", "jwks_file": file(keys)});
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let gate = serde_json::from_value::<Config>(members).unwrap().gate().unwrap();
    let token = std::fs::read_to_string(file(token)).unwrap();
    gate.verify(token.trim()).await.err().map(|error| error.reason().unwrap().as_str())
}

#[tokio::test]
async fn token_without_a_key_name_needs_its_option() {
    let refused =
        async |members: Value| refused("nokid-two-keys.jwks.json", "nokid-two-keys.token.txt", &members).await;
    assert_eq!(refused(json!({})).await, Some("ambiguous_key"));
    assert_eq!(refused(json!({"try_keys": 1})).await, Some("ambiguous_key"));
    assert_eq!(refused(json!({"try_keys": 2})).await, None);
}

#[tokio::test]
async fn integer_subject_needs_its_option() {
    let refused = async |members: Value| refused("base.jwks.json", "sub-number.token.txt", &members).await;
    assert_eq!(refused(json!({})).await, Some("invalid_claim"));
    assert_eq!(refused(json!({"accept_integer_ids": false})).await, Some("invalid_claim"));
    assert_eq!(refused(json!({"accept_integer_ids": true})).await, None);
}

#[tokio::test]
async fn two_secrets_serve_a_rotation() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let secrets = ["the-new-secret-of-at-least-32-octets!!", "the-old-secret-of-at-least-32-octets!!"];
    let jwks = secrets.map(|secret| json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret)}));
    let path = std::env::temp_dir().join(format!("portcullis-secrets-{}", std::process::id()));
    std::fs::write(&path, json!({"keys": jwks}).to_string()).unwrap();
    let mut config = Config::new("https://issuer.example/", "api");
    config.secret_file = Some(path.clone());
    let gate = config.gate().unwrap();
    std::fs::remove_file(&path).unwrap();
    for name in ["secret-new.token.txt", "secret-old.token.txt"] {
        let token = std::fs::read_to_string(file(name)).unwrap();
        assert!(gate.verify(token.trim()).await.is_ok(), "{name}");
    }
}

#[test]
fn unusable_option_is_named() {
    for (name, member, value) in
        [("PORTCULLIS_TRY_KEYS", "try_keys", "9"), ("PORTCULLIS_ACCEPT_INTEGER_IDS", "accept_integer_ids", "yes")]
    {
        let read = Config::from_variables(|asked| match asked {
            "PORTCULLIS_ISSUER" => Some("https://issuer.example/".to_owned()),
            "PORTCULLIS_AUDIENCE" => Some("api".to_owned()),
            asked => (asked == name).then(|| value.to_owned()),
        });
        let error = read.and_then(|config| config.verifier()).unwrap_err();
        assert_eq!(error.field(), name, "{member}");
    }
    let mut config = Config::new("https://issuer.example/", "api");
    config.cached_bytes = Some(1);
    config.cached_tokens = Some(10);
    assert!(config.verifier().err().is_none_or(|error| error.field() == "cached_bytes"));
}
