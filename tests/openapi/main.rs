//! OpenAPI documents say what the guards and extractors demand, on both frameworks, and a difference is found.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod on_actix;
mod on_axum;

use std::time::Duration;

use portcullis::possession::Dpop;
use portcullis::{Gate, Policy, Require, TokenSource, any_scope, roles, scopes};
use portcullis_testing::TestIssuer;
use serde_json::{Value, json};

struct ReadMessages;

impl Require for ReadMessages {
    fn policy() -> Policy {
        scopes("messages:read")
    }
}

/// A scope and more.
struct Pay;

impl Require for Pay {
    fn policy() -> Policy {
        scopes("pay").and(roles(["cashier"])).and(Policy::authenticated_within(Duration::from_secs(60)))
    }
}

/// What the guard of `/admin` demands.
fn admins() -> Policy {
    any_scope("admin root")
}

/// An error of the service, which the tests plant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Planted {
    Nothing,
    /// The handler of `/messages` takes `Auth`, and the document says `Authorized<ReadMessages>`.
    LaxExtractor,
    /// The route `/me` is added without its description.
    UndescribedExtractor,
    /// The guard of `/admin` is a plain layer, without a description.
    UndescribedGuard,
    /// The document has no security schemes.
    NoSchemes,
}

/// A gate that reads tokens in two places and checks proofs, so that every part of a document is there.
fn rich(gate: Gate) -> Gate {
    let sources = [TokenSource::authorization(), TokenSource::header("X-API-Key")];
    let gate = gate.with_token_sources(sources).with_public_url("https://api.test").unwrap();
    gate.with_dpop(Dpop::accepted()).unwrap()
}

fn caller() -> Value {
    json!({"sub": "user"})
}

const PLANTED: [(Planted, &[&str]); 5] = [
    (Planted::Nothing, &[]),
    (
        Planted::LaxExtractor,
        &[r#"GET /messages/{id}: the document demands [{"api":["messages:read"]}], the guards demand [{"api":[]}]"#],
    ),
    (
        Planted::UndescribedExtractor,
        &[
            r#"GET /me: the document demands [], the guards demand [{"api":[]}]"#,
            "GET /me: the document has no response 400",
            "GET /me: the document has no response 401",
            "GET /me: the document has no response 503",
        ],
    ),
    (
        Planted::UndescribedGuard,
        &[
            r#"POST /admin/pay: the document demands [{"api":["pay"]}], the guards demand [{"api":["admin","pay"]},{"api":["pay","root"]}]"#,
            r#"GET /admin/stop: the document demands [], the guards demand [{"api":["admin"]},{"api":["root"]}]"#,
            "GET /admin/stop: the document has no response 400",
            "GET /admin/stop: the document has no response 401",
            "GET /admin/stop: the document has no response 403",
            "GET /admin/stop: the document has no response 503",
        ],
    ),
    (
        Planted::NoSchemes,
        &[
            "POST /admin/pay: the security scheme api is not among the components",
            "GET /admin/stop: the security scheme api is not among the components",
            "GET /feed: the security scheme api is not among the components",
            "GET /me: the security scheme api is not among the components",
            "GET /messages/{id}: the security scheme api is not among the components",
        ],
    ),
];

#[test]
fn both_frameworks_have_one_document() {
    let gate = || rich(TestIssuer::new().gate());
    let on_axum = serde_json::to_value(on_axum::app(gate(), Planted::Nothing).1).unwrap();
    let on_actix = serde_json::to_value(on_actix::app(gate(), Planted::Nothing).1).unwrap();
    assert_eq!(on_axum["paths"], on_actix["paths"]);
    assert_eq!(on_axum["components"], on_actix["components"]);
    assert_eq!(on_axum["paths"].as_object().unwrap().len(), 6);
}

#[test]
fn document_has_the_requirements() {
    let document = serde_json::to_value(on_axum::app(rich(TestIssuer::new().gate()), Planted::Nothing).1).unwrap();
    let operation = |method: &str, path: &str| document["paths"][path][method].clone();
    let of_both = |scopes: Value| json!([{"api": scopes}, {"api-x-api-key": scopes}]);
    assert_eq!(operation("get", "/public")["security"], Value::Null);
    assert_eq!(operation("get", "/me")["security"], of_both(json!([])));
    assert_eq!(operation("get", "/messages/{id}")["security"], of_both(json!(["messages:read"])));
    assert_eq!(operation("get", "/feed")["security"], json!([{"api": []}, {"api-x-api-key": []}, {}]));
    // The guard of the scope, and the extractor behind it. One credential meets both.
    let both = ["pay", "admin"];
    let or = ["pay", "root"];
    let expected = json!([{"api": both}, {"api": or}, {"api-x-api-key": both}, {"api-x-api-key": or}]);
    let pay = operation("post", "/admin/pay");
    assert_eq!(pay["security"], expected);
    assert_eq!(pay["x-portcullis-policies"], json!([[{"scopes": ["pay"], "roles": ["cashier"], "max_age": 60}]]));
    assert_eq!(pay["description"], "Needs scope `pay`, role `cashier`, a login at most 60 seconds ago.");
    assert_eq!(pay["parameters"][0]["name"], "DPoP");
    let statuses: Vec<_> = pay["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "400", "401", "403", "503"]);

    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["api"]["type"], "openIdConnect");
    assert_eq!(schemes["api"]["openIdConnectUrl"], "https://issuer.test/.well-known/openid-configuration");
    assert_eq!(schemes["api-x-api-key"]["name"], "x-api-key");
    assert_eq!(document["components"]["schemas"]["GateRefusal"], portcullis::openapi::refusal_schema());
}
