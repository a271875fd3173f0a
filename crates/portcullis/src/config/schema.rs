//! The JSON Schema of a configuration file, `config.schema.json`, from the table of members.

use serde_json::{Map, Value, json};

use crate::config::member::{Member, MemberGroup};
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
    let is_of_gate = |member: &Member| member.group == MemberGroup::Gate;
    let of_entry = object(|member| !is_of_gate(member));
    let of_one = object(|_| true);
    let mut of_list = properties(is_of_gate);
    of_list.insert(
        "issuers".to_owned(),
        json!({
            "description": "The configuration of each issuer.",
            "type": "array",
            "items": {"$ref": "#/$defs/issuer"},
            "minItems": 1,
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A configuration of Portcullis: one issuer, or a list of issuers",
        "if": {"required": ["issuers"]},
        "then": {
            "type": "object",
            "properties": of_list,
            "additionalProperties": false,
        },
        "else": of_one,
        "$defs": {"issuer": of_entry},
    })
}

/// Returns the schema of an object with the members that `has` selects.
fn object(has: impl Fn(&Member) -> bool) -> Value {
    let required: Vec<_> = MEMBERS.iter().filter(|member| member.required).map(|member| member.name).collect();
    json!({
        "type": "object",
        "properties": properties(has),
        "required": required,
        "additionalProperties": false,
        "allOf": two_sources().map(|both| json!({"not": both})).collect::<Vec<_>>(),
    })
}

fn properties(has: impl Fn(&Member) -> bool) -> Map<String, Value> {
    let members = MEMBERS.iter().filter(|member| has(member));
    let properties = members.map(|member| {
        let mut schema = (member.schema)();
        schema["description"] = member.about().into();
        (member.name.to_owned(), schema)
    });
    properties.collect()
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
