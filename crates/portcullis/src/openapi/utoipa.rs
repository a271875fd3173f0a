//! The parts of a document as types of utoipa.

use serde_json::{Map, Value};
use utoipa::Modify;
use utoipa::openapi::path::{Operation, Parameter, PathItem, Paths};
use utoipa::openapi::schema::{Components, Schema};
use utoipa::openapi::{OpenApi, RefOr};

use crate::guard::Guard;
use crate::openapi::{REFUSAL_SCHEMA, SecuritySchemes, refusal_schema};

/// Adds the schemes to the components of the document. Call it when all operations are there: an OAuth 2.0 flow lists their
/// scopes.
impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let all = serde_json::to_value(&*document).unwrap_or_default();
        let components = document.components.get_or_insert_with(Components::new);
        for (name, scheme) in self.components(&all) {
            if let Some(scheme) = typed(scheme) {
                components.security_schemes.insert(name, RefOr::T(scheme));
            }
        }
    }
}

/// Adds what `guard` demands to all operations of the document, and the schema of refusals to its components.
pub fn describe_document(document: &mut OpenApi, guard: &Guard) {
    describe_paths(&mut document.paths, guard);
    document.components.get_or_insert_with(Components::new).schemas.extend(schema_of_refusals());
}

/// Adds what `guard` demands to all operations of these paths ([`Guard::describe`]). They refer to [`schema_of_refusals`].
pub fn describe_paths(paths: &mut Paths, guard: &Guard) {
    for item in paths.paths.values_mut() {
        let PathItem { get, put, post, delete, options, head, patch, trace, query, .. } = item;
        let named = [
            ("GET", get),
            ("PUT", put),
            ("POST", post),
            ("DELETE", delete),
            ("OPTIONS", options),
            ("HEAD", head),
            ("PATCH", patch),
            ("TRACE", trace),
            ("QUERY", query),
        ];
        let named = named.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)));
        let others = item.additional_operations.iter_mut().map(|(method, operation)| (method.as_str(), operation));
        named.chain(others).for_each(|(method, operation)| describe(method, operation, guard));
    }
}

/// Lets the core describe the members that it knows. The others, with the service's own schemas, keep their types.
fn describe(method: &str, operation: &mut Operation, guard: &Guard) {
    let mut members = Map::new();
    let mut known = |name: &str, value: Option<Value>| drop(value.map(|value| members.insert(name.to_owned(), value)));
    known("security", operation.security.as_ref().and_then(|security| serde_json::to_value(security).ok()));
    known("description", operation.description.clone().map(Value::String));
    for (name, value) in operation.extensions.iter().flat_map(|extensions| extensions.iter()) {
        known(name, Some(value.clone()));
    }
    guard.describe(method, &mut members);

    let Some(described) = typed::<Operation>(Value::Object(members)) else { return };
    operation.security = described.security;
    operation.description = described.description;
    operation.extensions = described.extensions.filter(|extensions| !extensions.is_empty());
    for (status, response) in described.responses.responses {
        operation.responses.responses.entry(status).or_insert(response);
    }
    let name = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => Some(parameter.name.clone()),
        RefOr::Ref(_) => None,
    };
    for parameter in described.parameters.into_iter().flatten() {
        let present = operation.parameters.get_or_insert_default();
        if present.iter().all(|other| name(other) != name(&parameter)) {
            present.push(parameter);
        }
    }
}

/// Returns the name and the schema of the body of every refusal.
#[must_use]
pub fn schema_of_refusals() -> Option<(String, RefOr<Schema>)> {
    Some((REFUSAL_SCHEMA.to_owned(), typed(refusal_schema())?))
}

/// Reads a part that the core made. The tests read all of them.
fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use utoipa::openapi::OpenApiBuilder;
    use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathsBuilder};

    use super::*;
    use crate::credential::TokenSource;
    use crate::gate::Gate;
    use crate::keys::FixedKeys;
    use crate::policy::{Policy, roles, scopes};
    use crate::possession::Dpop;
    use crate::verifier::JwtVerifier;

    /// A gate that makes every part of a document.
    fn gate() -> Gate {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        let verifier = JwtVerifier::builder("https://issuer.example", "api", keys).build().unwrap();
        let sources = [TokenSource::authorization(), TokenSource::header("x-api-key"), TokenSource::cookie("session")];
        let gate = Gate::new(verifier).with_token_sources(sources).with_public_url("https://api.test").unwrap();
        gate.with_dpop(Dpop::accepted()).unwrap()
    }

    fn guard() -> Guard {
        let recent = Policy::authenticated_within(Duration::from_secs(60));
        Guard::new(gate()).require(scopes("pay").and(roles(["r"])).and(recent))
    }

    fn document() -> OpenApi {
        let operation =
            || OperationBuilder::new().description(Some("Pays.")).response("401", typed_response("mine")).build();
        let item = |method| PathItem::new(method, operation());
        let paths =
            PathsBuilder::new().path("/pay", item(HttpMethod::Get)).path("/pay", item(HttpMethod::Post)).build();
        OpenApiBuilder::new().paths(paths).build()
    }

    fn typed_response(description: &str) -> utoipa::openapi::Response {
        utoipa::openapi::Response::new(description)
    }

    #[test]
    fn types_say_the_same_as_json() {
        let mut document = document();
        describe_document(&mut document, &guard());
        SecuritySchemes::of(&gate()).modify(&mut document);
        let document = serde_json::to_value(&document).unwrap();
        for method in ["get", "post"] {
            let own = json!({"description": "Pays.", "responses": {"401": {"description": "mine"}}});
            let Value::Object(mut expected) = own else { unreachable!() };
            guard().describe(method, &mut expected);
            assert_eq!(document["paths"]["/pay"][method], Value::Object(expected), "{method}");
        }
        let schemes = SecuritySchemes::of(&gate()).components(&document);
        assert_eq!(document["components"]["securitySchemes"], Value::Object(schemes));
        assert_eq!(document["components"]["schemas"], json!({REFUSAL_SCHEMA: refusal_schema()}));
    }

    #[test]
    fn second_guard_is_added_to_the_first() {
        let mut document = document();
        describe_document(&mut document, &Guard::new(gate()).require(roles(["a"])));
        describe_document(&mut document, &guard());
        let Value::Object(mut expected) =
            json!({"description": "Pays.", "responses": {"401": {"description": "mine"}}})
        else {
            unreachable!()
        };
        Guard::new(gate()).require(roles(["a"])).describe("get", &mut expected);
        guard().describe("get", &mut expected);
        assert_eq!(serde_json::to_value(&document).unwrap()["paths"]["/pay"]["get"], Value::Object(expected));
    }
}
