//! Scopes that imply others.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ConfigError;

const FIELD: &str = "scope hierarchy";

/// For each scope the scopes that it implies, directly or through others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ScopeHierarchy(BTreeMap<String, BTreeSet<String>>);

impl ScopeHierarchy {
    /// Reads pairs of a scope and the scopes that it implies, space-delimited.
    pub(crate) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (scope, implied) in pairs {
            if scope.is_empty() || scope.contains(char::is_whitespace) {
                let problem = format!("{scope:?} is not one scope");
                return Err(ConfigError::new(
                    FIELD,
                    problem,
                    "write one pair for each scope, for example (\"admin\", \"read\")",
                ));
            }
            let implied: Vec<&str> = implied.split_whitespace().collect();
            if implied.is_empty() {
                let problem = format!("{scope:?} implies no scope");
                return Err(ConfigError::new(FIELD, problem, "write the scopes that it implies, or remove the pair"));
            }
            direct.entry(scope).or_default().extend(implied);
        }
        let closure = |scope: &str| {
            let (mut found, mut open) = (BTreeSet::new(), vec![scope]);
            while let Some(next) = open.pop() {
                let implied = direct.get(next).into_iter().flatten();
                open.extend(implied.filter(|name| found.insert((**name).to_owned())));
            }
            found
        };
        let all: BTreeMap<String, BTreeSet<String>> =
            direct.keys().map(|scope| ((*scope).to_owned(), closure(scope))).collect();
        match all.iter().find(|(scope, implied)| implied.contains(*scope)) {
            Some((scope, _)) => {
                let hint = "remove one of the pairs that lead from it back to it, or write one scope instead of both";
                Err(ConfigError::new(FIELD, format!("{scope:?} implies itself"), hint))
            }
            None => Ok(Self(all)),
        }
    }

    /// Whether a token with the scope `held` also has the scope `wanted`, which is another one.
    pub(crate) fn implies(&self, held: &str, wanted: &str) -> bool {
        self.0.get(held).is_some_and(|implied| implied.contains(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_scopes_imply_others() {
        let hierarchy =
            ScopeHierarchy::new([("admin", "write audit"), ("write", "read"), ("admin", "billing")]).unwrap();
        for (held, implied) in
            [("admin", &["audit", "billing", "read", "write"][..]), ("write", &["read"]), ("read", &[]), ("Admin", &[])]
        {
            for wanted in ["admin", "audit", "billing", "read", "write", "rea", "reader", ""] {
                assert_eq!(hierarchy.implies(held, wanted), implied.contains(&wanted), "{held} {wanted}");
            }
        }
        assert_eq!(ScopeHierarchy::new([]).unwrap(), ScopeHierarchy::default());
    }

    #[test]
    fn cycles_are_an_error() {
        for pairs in [
            &[("a", "a")][..],
            &[("a", "b"), ("b", "a")],
            &[("x", "a"), ("a", "b c"), ("b", "d"), ("c", "d"), ("d", "a")],
        ] {
            let error = ScopeHierarchy::new(pairs.iter().copied()).unwrap_err();
            assert!(error.to_string().starts_with("scope hierarchy: \"a\" implies itself; "), "{error}");
        }
        // Two ways to one scope do not make a cycle.
        assert!(ScopeHierarchy::new([("a", "b c"), ("b", "d"), ("c", "d")]).is_ok());
        // A long chain.
        let names: Vec<String> = (0..2_000).map(|at| format!("s{at}")).collect();
        let chain = ScopeHierarchy::new(names.iter().zip(&names[1..]).map(|(one, next)| (one.as_str(), next.as_str())));
        assert!(chain.unwrap().implies("s0", "s1999"));
    }

    #[test]
    fn names_that_are_not_one_scope_are_an_error() {
        for pair in [("", "read"), (" ", "read"), ("a b", "read"), ("a\t", "read"), ("admin", ""), ("admin", "  ")] {
            assert_eq!(ScopeHierarchy::new([pair]).unwrap_err().field(), "scope hierarchy", "{pair:?}");
        }
    }
}
