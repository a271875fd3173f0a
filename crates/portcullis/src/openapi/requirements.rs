//! Security requirements: the alternatives of a policy, for each place where a request may carry its token.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::guard::Guard;
use crate::openapi::schemes::schemes_of;

/// A list of which a caller meets one entry. An entry has the names of schemes, all of which it needs, with their scopes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requirements(Vec<BTreeMap<String, Vec<String>>>);

/// The requirements of a guard.
pub(super) fn of_guard(guard: &Guard) -> Requirements {
    let alternatives = guard.policy().alternatives();
    let mut scopes: Vec<Vec<String>> = Vec::new();
    for alternative in alternatives.as_slice() {
        let names = alternative.scopes().iter().map(|&scope| scope.to_owned()).collect();
        if !scopes.contains(&names) {
            scopes.push(names);
        }
    }
    // No caller meets the policy. Without any requirement, the document would say that it is open.
    if scopes.is_empty() {
        scopes.push(Vec::new());
    }
    let of_scheme = |(name, _): (String, Value)| {
        let of_alternative = move |scopes: &Vec<String>| BTreeMap::from([(name.clone(), scopes.clone())]);
        scopes.iter().map(of_alternative).collect::<Vec<_>>()
    };
    let mut list: Vec<_> = schemes_of(guard.gate()).into_iter().flat_map(of_scheme).collect();
    if guard.is_optional() {
        list.push(BTreeMap::new());
    }
    Requirements(list)
}

impl Requirements {
    /// Reads the member `security`. `None` if it says nothing.
    pub(super) fn from_json(security: &Value) -> Option<Self> {
        let list: Vec<BTreeMap<String, Vec<String>>> = serde::Deserialize::deserialize(security).ok()?;
        (!list.is_empty()).then_some(Self(list))
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::json!(self.0)
    }

    /// Combines both: a caller has to meet one entry of each.
    pub(super) fn and(&self, other: &Self) -> Self {
        // Guards of one gate read the same credential, so its schemes are not combined with each other.
        let is_same_gate = self.names() == other.names();
        let mut list = Vec::new();
        for one in &self.0 {
            for other in &other.0 {
                let is_one_credential = one.is_empty() || other.is_empty() || one.keys().eq(other.keys());
                if is_same_gate && !is_one_credential {
                    continue;
                }
                let mut both = one.clone();
                for (name, scopes) in other {
                    let known = both.entry(name.clone()).or_default();
                    for scope in scopes {
                        if !known.contains(scope) {
                            known.push(scope.clone());
                        }
                    }
                }
                if !list.contains(&both) {
                    list.push(both);
                }
            }
        }
        Self(list)
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}
