//! The JSON Schema of a configuration file, `config.schema.json`, from the table of members.

use serde_json::{Map, Value, json};

use crate::config::member::MemberGroup;
use crate::config::members::MEMBERS;

/// The schema is packed with the crate, so that editors can be pointed at it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json");

#[test]
fn schema_file_is_up_to_date() {
    let generated = format!("{:#}\n", schema());
    if std::env::var_os("PORTCULLIS_RENEW").is_some() {
        std::fs::write(FILE, &generated).unwrap();
    }
    let stored = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        stored == generated,
        "config.schema.json differs from the table of members; renew it: \
         PORTCULLIS_RENEW=1 cargo test -p portcullis schema_file_is_up_to_date"
    );
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A configuration of Portcullis: one issuer, or a list of issuers",
        "if": {"required": ["issuers"]},
        "then": {
            "type": "object",
            "properties": {
                "issuers": {
                    "description": "The configuration of each issuer.",
                    "type": "array",
                    "items": {"$ref": "#/$defs/issuer"},
                    "minItems": 1,
                },
            },
            "required": ["issuers"],
            "additionalProperties": false,
        },
        "else": {"$ref": "#/$defs/issuer"},
        "$defs": {"issuer": issuer()},
    })
}

/// Returns the schema of one issuer's configuration.
fn issuer() -> Value {
    let properties: Map<String, Value> = MEMBERS
        .iter()
        .map(|member| {
            let mut schema = (member.schema)();
            schema["description"] = member.about().into();
            (member.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = MEMBERS.iter().filter(|member| member.required).map(|member| member.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "allOf": two_sources().map(|both| json!({"not": both})).collect::<Vec<_>>(),
    })
}

/// Returns a schema for each pair of key sources that a configuration must not have.
fn two_sources() -> impl Iterator<Item = Value> {
    let sources = || MEMBERS.iter().filter(|member| member.group == MemberGroup::KeySource).map(|member| member.name);
    let pairs = sources().enumerate().flat_map(move |(at, one)| sources().skip(at + 1).map(move |other| [one, other]));
    pairs.map(|pair| {
        let properties: Map<String, Value> =
            pair.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        json!({"required": pair, "properties": properties})
    })
}
