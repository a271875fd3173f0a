//! The answers to requests that a guard refuses.

use serde_json::{Map, Value, json};

use crate::error::{AuthError, CrossSiteRequest, InvalidRequest, InvalidToken, Reason, Unavailable};
use crate::guard::Guard;
use crate::policy::Alternative;

/// The name of the schema of a refusal's body, among the components of a document.
pub const REFUSAL_SCHEMA: &str = "GateRefusal";

/// Returns the schema of the body of every refusal: the component [`REFUSAL_SCHEMA`].
#[must_use]
pub fn refusal_schema() -> Value {
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "Why a request was refused",
        "required": ["error", "error_description"],
        "properties": {
            "error": text("The code of the error"),
            "error_description": text("One fixed sentence for each error"),
            "reason": {"type": "string", "enum": reasons, "description": "Why the token was refused"},
            "scope": text("The scopes that the request needs, separated by spaces"),
            "acr_values": text("The accepted authentication classes, separated by spaces"),
            "max_age": {"type": "integer", "description": "The seconds that a login may be ago"},
        },
    })
}

/// The answers of `guard` to requests that it refuses: their statuses, and what a document says about each.
pub(super) fn responses(guard: &Guard, method: &str) -> Vec<(&'static str, Value)> {
    let alternatives = guard.policy().alternatives();
    let any = |asks: fn(&Alternative<'_>) -> bool| alternatives.as_slice().iter().any(asks);
    let step_up = alternatives.as_slice().iter().find(|one| one.max_age().is_some() || !one.acr_values().is_empty());
    let scope = (!alternatives.named_scopes().is_empty()).then(|| alternatives.named_scopes().join(" "));

    let mut unauthorized = vec![InvalidToken::Expired.into()];
    if !guard.is_optional() {
        unauthorized.insert(0, AuthError::MissingToken);
    }
    if let Some(one) = step_up {
        let acr_values = (!one.acr_values().is_empty()).then(|| one.acr_values().join(" "));
        unauthorized.push(AuthError::InsufficientUserAuthentication { acr_values, max_age: one.max_age() });
    }
    let mut forbidden = Vec::new();
    if any(|one| one.demands_grants()) || alternatives.as_slice().is_empty() {
        forbidden.push(AuthError::InsufficientScope { scope });
    }
    let is_safe = ["GET", "HEAD", "OPTIONS", "TRACE"].iter().any(|safe| method.eq_ignore_ascii_case(safe));
    if !is_safe && guard.gate().reads_cookies() {
        forbidden.push(CrossSiteRequest::OtherOrigin.into());
    }
    let unavailable = vec![Unavailable::new().into()];
    [
        ("400", "The credential is malformed, or there are several", vec![InvalidRequest::RepeatedCredential.into()]),
        ("401", "There is no credential, or it is not accepted", unauthorized),
        ("403", "The caller is not allowed to do this", forbidden),
        ("503", "The credential cannot be checked at the moment", unavailable),
    ]
    .into_iter()
    .filter(|(_, _, errors)| !errors.is_empty())
    .map(|(status, description, errors)| (status, response(guard, description, &errors)))
    .collect()
}

fn response(guard: &Guard, description: &str, errors: &[AuthError]) -> Value {
    let (mut headers, mut examples) = (Map::new(), Map::new());
    for error in errors {
        let refusal = guard.gate().sample_refusal(error);
        for (name, value) in refusal.headers {
            let described = match name.as_str() {
                "www-authenticate" => json!({
                    "description": "The challenges (RFC 9110 §11.6.1)", "schema": {"type": "string"}, "example": value,
                }),
                "retry-after" => json!({"description": "Seconds to wait", "schema": {"type": "integer"}}),
                _ => continue,
            };
            let name = if name == "www-authenticate" { "WWW-Authenticate" } else { "Retry-After" };
            headers.entry(name).or_insert(described);
        }
        let body: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
        examples.insert(error.code().to_owned(), json!({"value": body}));
    }
    let mut response = json!({"description": description, "headers": headers});
    // A gate whose service writes its own bodies does not know their schema.
    if !guard.gate().has_own_refusals() {
        let schema = json!({"$ref": format!("#/components/schemas/{REFUSAL_SCHEMA}")});
        let content = json!({"application/json": {"schema": schema, "examples": examples}});
        if let Some(members) = response.as_object_mut() {
            members.insert("content".to_owned(), content);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::TokenSource;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::gate::Gate;
    use crate::policy::{Policy, roles, scopes};

    fn gate() -> Gate {
        admit_everyone_as(assume_verified(&json!({})).unwrap())
    }

    fn statuses(guard: &Guard, method: &str) -> Vec<&'static str> {
        responses(guard, method).into_iter().map(|(status, _)| status).collect()
    }

    fn examples(guard: &Guard, method: &str, status: &str) -> Vec<String> {
        let (_, response) = responses(guard, method).into_iter().find(|(other, _)| *other == status).unwrap();
        response["content"]["application/json"]["examples"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn only_possible_answers_are_listed() {
        assert_eq!(statuses(&Guard::new(gate()), "GET"), ["400", "401", "503"]);
        for policy in [scopes("a"), roles(["r"]), scopes(""), Policy::no_actor()] {
            let guard = Guard::new(gate()).require(policy);
            assert_eq!(statuses(&guard, "GET"), ["400", "401", "403", "503"], "{guard:?}");
        }
        let recent = Guard::new(gate()).require(Policy::authenticated_within(Duration::from_secs(60)));
        assert_eq!(statuses(&recent, "GET"), ["400", "401", "503"]);
        assert_eq!(
            examples(&recent, "GET", "401"),
            ["insufficient_user_authentication", "invalid_token", "missing_token"]
        );
        assert_eq!(examples(&Guard::new(gate()).optional(), "GET", "401"), ["invalid_token"]);
        let cookie = Guard::new(gate().with_token_sources([TokenSource::cookie("session")]));
        assert_eq!(statuses(&cookie, "get"), ["400", "401", "503"]);
        assert_eq!(examples(&cookie, "post", "403"), ["cross_site_request"]);
    }

    #[test]
    fn examples_are_the_real_answers() {
        let guard = Guard::new(gate().with_realm("orders")).require(scopes("read write"));
        let responses: Map<String, Value> =
            responses(&guard, "GET").into_iter().map(|(status, response)| (status.to_owned(), response)).collect();
        let forbidden = &responses["403"];
        let challenge = forbidden["headers"]["WWW-Authenticate"]["example"].as_str().unwrap();
        let refusal = guard.gate().refuse(&AuthError::InsufficientScope { scope: Some("read write".to_owned()) });
        assert_eq!(challenge, refusal.headers[0].1);
        let body = &forbidden["content"]["application/json"]["examples"]["insufficient_scope"]["value"];
        assert_eq!(body.to_string().len(), refusal.body.len());
        assert_eq!(body["scope"], "read write");
        assert!(responses["503"]["headers"]["Retry-After"].is_object());
        assert!(responses["503"]["headers"]["WWW-Authenticate"].is_null());
    }

    #[test]
    fn bodies_of_the_service_have_no_schema() {
        let guard = Guard::new(gate().with_refusals(|_, refusal| refusal.body = "no".to_owned()));
        let (_, response) = responses(&guard, "GET").remove(1);
        assert!(response.get("content").is_none() && response["headers"]["WWW-Authenticate"].is_object());
    }

    #[test]
    fn schema_names_every_member_and_reason() {
        let schema = refusal_schema();
        assert_eq!(schema["properties"]["reason"]["enum"].as_array().unwrap().len(), Reason::ALL.len());
        for error in [
            AuthError::MissingToken,
            InvalidToken::Expired.into(),
            AuthError::InsufficientScope { scope: Some("a".to_owned()) },
            AuthError::InsufficientUserAuthentication {
                acr_values: Some("gold".to_owned()),
                max_age: Some(Duration::from_secs(1)),
            },
        ] {
            let body: Map<String, Value> = serde_json::from_str(&gate().sample_refusal(&error).body).unwrap();
            assert!(body.keys().all(|name| schema["properties"][name].is_object()), "{body:?}");
        }
    }
}
