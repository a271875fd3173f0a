//! Checks that the JSON Schema and the library agree on valid and invalid configurations.

use boon::{Compiler, Schemas};
use portcullis::config::{IssuersConfig, members};
use serde_json::{Value, json};

/// Validates `config` against the schema.
fn validate(config: &Value) -> Result<(), String> {
    const FILE: &str = include_str!("../../crates/portcullis/config.schema.json");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("config.schema.json", serde_json::from_str(FILE).unwrap()).unwrap();
    let schema = compiler.compile("config.schema.json", &mut schemas).unwrap();
    schemas.validate(config, schema).map_err(|error| error.to_string())
}

fn read(config: &Value) -> Result<IssuersConfig, String> {
    serde_json::from_str(&config.to_string()).map_err(|error| error.to_string())
}

/// Returns a valid value for the member `name`.
fn value_of(name: &str) -> Value {
    match name {
        "algorithms" => json!(["ES256", "RS256"]),
        "metadata_kind" => json!("oauth-authorization-server"),
        "token_sources" => json!(["authorization", "cookie:__Host-session", "header:x-token"]),
        "accept_integer_ids" | "dpop_nonce" => json!(true),
        "dpop" => json!("accepted"),
        name if name.ends_with("seconds")
            || ["max_token_bytes", "cached_tokens", "cached_bytes", "try_keys"].contains(&name) =>
        {
            json!(60)
        }
        _ => json!("text"),
    }
}

fn with(more: &Value) -> Value {
    let mut config = json!({"issuer": "https://issuer.example/", "audience": "https://api.example.com"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

#[test]
fn good_configurations_are_valid() {
    let mut good: Vec<_> = members().map(|member| with(&json!({member.name(): value_of(member.name())}))).collect();
    good.extend([
        with(&json!({})),
        with(&json!({"issuer": ["a", "b"], "jwks_url": "https://issuer.example/keys"})),
        with(&json!({"jwks_file": null, "jwks_url": "https://issuer.example/keys", "typ": null})),
        with(&json!({"algorithms": "EdDSA", "typ": "at+jwt", "leeway_seconds": 0})),
        json!({"issuers": [with(&json!({}))]}),
        json!({"realm": "orders", "issuers": [with(&json!({"issuer": "a"})), with(&json!({"issuer": "b"}))]}),
    ]);
    for config in good {
        assert_eq!(validate(&config), Ok(()), "{config}");
        assert!(read(&config).is_ok(), "{config}: {:?}", read(&config));
    }
}

#[test]
fn bad_configurations_are_invalid() {
    let bad = [
        json!({}),
        json!([]),
        json!({"issuer": "a"}),
        json!({"audience": "a"}),
        with(&json!({"issuer": null})),
        with(&json!({"issuer": 7})),
        with(&json!({"audience": ["a", 7]})),
        with(&json!({"audiences": "a"})),
        with(&json!({"leeway": 5})),
        with(&json!({"leeway_seconds": "5"})),
        with(&json!({"leeway_seconds": -1})),
        with(&json!({"leeway_seconds": 0.5})),
        with(&json!({"algorithms": ["none"]})),
        with(&json!({"metadata_kind": "oidc"})),
        with(&json!({"dpop": "off"})),
        with(&json!({"dpop": true})),
        with(&json!({"dpop_nonce": "true"})),
        with(&json!({"typ": []})),
        with(&json!({"typ": ""})),
        with(&json!({"required_claims": ["client_id", " "]})),
        with(&json!({"audience": ["a", ""]})),
        with(&json!({"realm": ""})),
        with(&json!({"jwks_file": " "})),
        with(&json!({"token_sources": ["cookie"]})),
        with(&json!({"token_sources": ["query:token"]})),
        with(&json!({"token_sources": ["cookie:a b"]})),
        with(&json!({"jwks_file": "a", "jwks_url": "b"})),
        with(&json!({"public_key_file": "a", "secret_file": "b"})),
        json!({"issuers": []}),
        json!({"issuers": {}}),
        json!({"issuers": [with(&json!({"realm": "orders"}))]}),
        json!({"issuers": [with(&json!({})), {"issuer": "b"}]}),
        json!({"issuers": [with(&json!({}))], "leeway_seconds": 5}),
    ];
    for config in bad {
        assert!(validate(&config).is_err(), "{config}");
        assert!(read(&config).is_err(), "{config}");
    }
}

#[test]
fn every_member_round_trips() {
    for member in members() {
        let config = with(&json!({member.name(): value_of(member.name())}));
        let read = read(&config).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert!(written.get(member.name()).is_some(), "{written}");
        assert_eq!(validate(&written), Ok(()));
        assert_eq!(serde_json::from_value::<IssuersConfig>(written).unwrap(), read);
    }
}
