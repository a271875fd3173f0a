//! What one operation of a document says about a guard before it.

use serde_json::{Map, Value, json};

use crate::guard::Guard;
use crate::openapi::refusals::responses;
use crate::openapi::requirements::{Requirements, of_guard};
use crate::openapi::schemes::uses_proofs;
use crate::openapi::wording::{demands, sentence};
use crate::policy::Alternative;

/// The member of an operation with the policies that a list of scopes cannot say.
const POLICIES: &str = "x-portcullis-policies";

impl Guard {
    /// Adds to an operation of an OpenAPI document what this guard demands of its callers, and the answers to requests that it
    /// refuses. `method` is that of the operation.
    ///
    /// - `security` has an object for each alternative of the policy, and for an optional guard the empty one. What the
    ///   operation says already is another guard before it: callers have to meet both.
    /// - `responses` gets 400, 401, 403 and 503 where they are possible. Those that the operation has are kept.
    /// - `parameters` gets `DPoP` for a gate with proofs of possession.
    /// - `description` and `x-portcullis-policies` get demands other than scopes, for example permissions, roles, and the age
    ///   of the login. Each entry of `x-portcullis-policies` is the list of alternatives of one guard.
    ///
    /// A policy that allows no caller still demands a credential, because an operation without `security` is open.
    ///
    /// ```
    /// use portcullis::adapter::Guard;
    /// use portcullis::scopes;
    ///
    /// # fn gate() -> portcullis::Gate {
    /// #     let caller = portcullis::dangerous::assume_verified(&serde_json::json!({})).unwrap();
    /// #     portcullis::dangerous::admit_everyone_as(caller)
    /// # }
    /// let mut operation = serde_json::Map::new();
    /// Guard::new(gate()).require(scopes("read:messages")).describe("GET", &mut operation);
    /// assert_eq!(operation["security"], serde_json::json!([{"api": ["read:messages"]}]));
    /// ```
    pub fn describe(&self, method: &str, operation: &mut Map<String, Value>) {
        let present = operation.get("security").and_then(Requirements::from_json);
        let own = of_guard(self);
        let security = present.map_or(own.clone(), |present| present.and(&own));
        operation.insert("security".to_owned(), security.to_json());

        for (status, response) in responses(self, method) {
            let all = operation.entry("responses").or_insert_with(|| json!({}));
            if let Some(all) = all.as_object_mut() {
                all.entry(status).or_insert(response);
            }
        }
        if let Some(parameter) = self.proof_parameter() {
            add_once(operation, "parameters", parameter, |one, other| {
                (one.get("in"), one.get("name")) == (other.get("in"), other.get("name"))
            });
        }
        let alternatives = self.policy().alternatives();
        if !alternatives.as_slice().iter().all(Alternative::demands_only_scopes) || alternatives.as_slice().is_empty() {
            let list: Vec<_> = alternatives.as_slice().iter().map(demands).collect();
            add_once(operation, POLICIES, list.into(), |one, other| one == other);
            let sentence = sentence(alternatives.as_slice());
            let text = operation.entry("description").or_insert_with(|| json!(""));
            let said = text.as_str().unwrap_or_default().trim_end();
            if !said.ends_with(&sentence) {
                *text = if said.is_empty() { sentence.into() } else { format!("{said}\n\n{sentence}").into() };
            }
        }
    }

    /// The parameter for DPoP proofs (RFC 9449 §4.1).
    fn proof_parameter(&self) -> Option<Value> {
        let is_required = uses_proofs(self.gate())?;
        Some(json!({
            "name": "DPoP",
            "in": "header",
            "required": is_required && !self.is_optional(),
            "description": "A proof of the key that the token is bound to (RFC 9449). Each request needs another one.",
            "schema": {"type": "string"},
        }))
    }
}

fn add_once(operation: &mut Map<String, Value>, member: &str, entry: Value, is_same: impl Fn(&Value, &Value) -> bool) {
    let list = operation.entry(member).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|other| is_same(other, &entry))
    {
        list.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::TokenSource;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::gate::Gate;
    use crate::policy::{Policy, any_scope, permissions, roles, scopes};
    use crate::possession::Dpop;

    fn gate() -> Gate {
        admit_everyone_as(assume_verified(&json!({})).unwrap())
    }

    fn with_key() -> Gate {
        gate().with_token_sources([TokenSource::authorization(), TokenSource::header("X-API-Key")])
    }

    fn described<'a>(guards: impl IntoIterator<Item = &'a Guard>) -> Map<String, Value> {
        let mut operation = Map::new();
        guards.into_iter().for_each(|guard| guard.describe("GET", &mut operation));
        operation
    }

    fn security(guard: &Guard) -> Value {
        described([guard])["security"].clone()
    }

    #[test]
    fn alternatives_become_requirements() {
        let guard = |policy| Guard::new(gate()).require(policy);
        assert_eq!(security(&Guard::new(gate())), json!([{"api": []}]));
        assert_eq!(security(&Guard::new(gate()).optional()), json!([{"api": []}, {}]));
        assert_eq!(security(&guard(scopes("a b"))), json!([{"api": ["a", "b"]}]));
        assert_eq!(security(&guard(any_scope("a b"))), json!([{"api": ["a"]}, {"api": ["b"]}]));
        assert_eq!(security(&guard(scopes("a").or(roles(["r"]))).optional()), json!([{"api": ["a"]}, {"api": []}, {}]));
        let realm = gate().with_realm("the orders (v2)");
        assert_eq!(security(&Guard::new(realm)), json!([{"the-orders--v2-": []}]));
    }

    #[test]
    fn each_token_source_is_a_scheme() {
        let guard = Guard::new(with_key()).require(any_scope("a b"));
        let expected = json!([{"api": ["a"]}, {"api": ["b"]}, {"api-x-api-key": ["a"]}, {"api-x-api-key": ["b"]}]);
        assert_eq!(security(&guard), expected);
        let none = gate().with_token_sources([]);
        assert_eq!(security(&Guard::new(none)), json!([{"api": []}]));
    }

    #[test]
    fn policy_for_no_caller_is_not_open() {
        let guard = Guard::new(gate()).require(scopes(""));
        let operation = described([&guard]);
        assert_eq!(operation["security"], json!([{"api": []}]));
        assert_eq!(operation[POLICIES], json!([[]]));
        assert_eq!(operation["description"], "Allows no caller.");
    }

    #[test]
    fn callers_have_to_meet_nested_guards() {
        let guard = |policy| Guard::new(with_key()).require(policy);
        let both = |one: &Guard, other: &Guard| described([one, other])["security"].clone();
        // The same credential has to meet both, so a token and a key are not combined.
        assert_eq!(
            both(&guard(scopes("a")), &guard(scopes("b"))),
            json!([{"api": ["a", "b"]}, {"api-x-api-key": ["a", "b"]}])
        );
        let anonymous = guard(Policy::authenticated()).optional();
        assert_eq!(both(&anonymous, &guard(scopes("a"))), json!([{"api": ["a"]}, {"api-x-api-key": ["a"]}]));
        assert_eq!(both(&anonymous, &anonymous), security(&anonymous));
        let other = Guard::new(gate().with_realm("other")).require(scopes("b"));
        assert_eq!(
            both(&Guard::new(gate()).require(any_scope("a c")), &other),
            json!([{"api": ["a"], "other": ["b"]}, {"api": ["c"], "other": ["b"]}])
        );
    }

    #[test]
    fn demands_beyond_scopes_are_described() {
        let recent = Policy::authenticated_within(Duration::from_secs(300)).and(Policy::acr(["gold", "silver"]));
        let policy = scopes("pay").and(permissions(["pay:all"])).and(recent).or(roles(["admin", "owner"]));
        let operation = described([&Guard::new(gate()).require(policy), &Guard::new(gate())]);
        let alternatives = json!([
            {"scopes": ["pay"], "permissions": ["pay:all"], "max_age": 300, "acr_values": ["gold", "silver"]},
            {"roles": ["admin", "owner"]},
        ]);
        assert_eq!(operation[POLICIES], json!([alternatives]));
        assert_eq!(
            operation["description"],
            "Needs scope `pay`, permission `pay:all`, a login at most 300 seconds ago, authentication class `gold` or \
             `silver`; or roles `admin` and `owner`."
        );
        let plain = described([&Guard::new(gate()).require(scopes("a"))]);
        assert!(!plain.contains_key(POLICIES) && !plain.contains_key("description"));
    }

    #[test]
    fn gate_with_proofs_documents_their_field() {
        let gate = gate().with_public_url("https://api.test").unwrap();
        let required = gate.clone().with_dpop(Dpop::required()).unwrap();
        let parameter = |guard: &Guard| described([guard, guard])["parameters"].clone();
        let of_required = parameter(&Guard::new(required.clone()));
        assert_eq!(of_required.as_array().unwrap().len(), 1);
        assert_eq!((&of_required[0]["name"], &of_required[0]["required"]), (&json!("DPoP"), &json!(true)));
        assert_eq!(parameter(&Guard::new(required).optional())[0]["required"], false);
        let accepted = gate.clone().with_dpop(Dpop::accepted()).unwrap();
        assert_eq!(parameter(&Guard::new(accepted))[0]["required"], false);
        assert!(!described([&Guard::new(gate)]).contains_key("parameters"));
    }
}
