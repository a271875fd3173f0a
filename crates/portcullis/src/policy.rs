//! What a verified caller must be allowed.

use std::collections::BTreeSet;

use crate::error::AuthError;
use crate::verifier::Verified;

/// A rule about scopes, permissions and roles.
///
/// Whatever is not granted for certain is not granted; and a combination holds only if each of its parts does.
///
/// ```
/// use portcullis::{any_role, permissions, scopes};
///
/// let policy = scopes("read:messages write:messages").and(any_role(["admin", "editor"])).or(permissions(["root"]));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a policy does nothing until a gate requires it"]
pub struct Policy(Rule);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Has(Kind, String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Permission,
    Role,
    Scope,
}

/// All of these scopes: a space-delimited string (RFC 6749 §3.3).
pub fn scopes(scopes: &str) -> Policy {
    Policy::all(Kind::Scope, scopes.split_whitespace())
}

/// At least one of these scopes: a space-delimited string.
pub fn any_scope(scopes: &str) -> Policy {
    Policy::any(Kind::Scope, scopes.split_whitespace())
}

/// All of these permissions.
pub fn permissions<S: Into<String>>(permissions: impl IntoIterator<Item = S>) -> Policy {
    Policy::all(Kind::Permission, permissions)
}

/// At least one of these permissions.
pub fn any_permission<S: Into<String>>(permissions: impl IntoIterator<Item = S>) -> Policy {
    Policy::any(Kind::Permission, permissions)
}

/// All of these roles.
pub fn roles<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Policy {
    Policy::all(Kind::Role, roles)
}

/// At least one of these roles.
pub fn any_role<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Policy {
    Policy::any(Kind::Role, roles)
}

impl Policy {
    /// Nothing beyond a verified caller.
    pub const fn authenticated() -> Self {
        Self(Rule::All(Vec::new()))
    }

    /// This policy and `other`.
    pub fn and(self, other: Self) -> Self {
        Self(Rule::All(vec![self.0, other.0]))
    }

    /// This policy or `other`.
    pub fn or(self, other: Self) -> Self {
        Self(Rule::Any(vec![self.0, other.0]))
    }

    /// Whether `caller` is allowed.
    ///
    /// # Errors
    /// [`AuthError::InsufficientScope`] with the scopes that the policy names.
    pub fn check(&self, caller: &Verified) -> Result<(), AuthError> {
        if self.0.holds(caller) { Ok(()) } else { Err(AuthError::InsufficientScope { scope: self.named_scopes() }) }
    }

    /// All scopes that the policy names, space-delimited, each once; `None` when it names none.
    pub(crate) fn named_scopes(&self) -> Option<String> {
        let mut named = BTreeSet::new();
        let mut order = Vec::new();
        self.0.name_scopes(&mut |scope| {
            if named.insert(scope) {
                order.push(scope);
            }
        });
        (!order.is_empty()).then(|| order.join(" "))
    }

    fn all<S: Into<String>>(kind: Kind, names: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::All(names.into_iter().map(|name| Rule::Has(kind, name.into())).collect()))
    }

    fn any<S: Into<String>>(kind: Kind, names: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::Any(names.into_iter().map(|name| Rule::Has(kind, name.into())).collect()))
    }
}

/// A policy as a type, which the extractors `Authorized` of the adapters take as their parameter.
///
/// ```
/// use portcullis::{Policy, Require, scopes};
///
/// struct ReadMessages;
///
/// impl Require for ReadMessages {
///     fn policy() -> Policy {
///         scopes("read:messages")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no policy",
    note = "write `impl Require for {Self} {{ fn policy() -> Policy {{ scopes(\"read:messages\") }} }}`"
)]
pub trait Require {
    /// What a caller must be allowed.
    fn policy() -> Policy;
}

impl Rule {
    fn holds(&self, caller: &Verified) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.holds(caller)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(caller)),
            Self::Has(kind, name) => {
                let granted = match kind {
                    Kind::Permission => caller.permissions(),
                    Kind::Role => caller.roles(),
                    Kind::Scope => caller.scopes(),
                };
                granted.iter().any(|granted| granted == name)
            }
        }
    }

    fn name_scopes<'a>(&'a self, each: &mut impl FnMut(&'a str)) {
        match self {
            Self::All(rules) | Self::Any(rules) => rules.iter().for_each(|rule| rule.name_scopes(each)),
            Self::Has(Kind::Scope, name) => each(name),
            Self::Has(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dangerous::assume_verified;

    fn missing(policy: &Policy, claims: &str) -> Option<Option<String>> {
        let caller = assume_verified(&serde_json::from_str::<serde_json::Value>(claims).unwrap()).unwrap();
        match policy.check(&caller) {
            Ok(()) => None,
            Err(AuthError::InsufficientScope { scope }) => Some(scope),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn all_of_and_any_of() {
        let both = scopes("a b");
        assert_eq!(missing(&both, r#"{"scope":"b a"}"#), None);
        assert_eq!(missing(&both, r#"{"scope":"a"}"#), Some(Some("a b".into())));
        assert_eq!(missing(&both, r#"{"scope":"ab a:b A B"}"#), Some(Some("a b".into())));
        let either = any_scope("a b");
        assert_eq!(missing(&either, r#"{"scp":["b"]}"#), None);
        assert_eq!(missing(&either, "{}"), Some(Some("a b".into())));
        assert_eq!(missing(&permissions(["p"]), r#"{"scope":"p","roles":["p"]}"#), Some(None));
        assert_eq!(missing(&permissions(["p"]), r#"{"permissions":["p"]}"#), None);
        assert_eq!(missing(&any_role(["r", "s"]), r#"{"roles":["s"]}"#), None);
    }

    #[test]
    fn combinations_hold_only_as_a_whole() {
        let policy = scopes("a").and(roles(["r"]));
        assert_eq!(missing(&policy, r#"{"scope":"a","roles":["r"]}"#), None);
        assert_eq!(missing(&policy, r#"{"scope":"a"}"#), Some(Some("a".into())));
        assert_eq!(missing(&policy, r#"{"roles":["r"]}"#), Some(Some("a".into())));
        let policy = scopes("a").or(scopes("a b"));
        assert_eq!(missing(&policy, "{}"), Some(Some("a b".into())));
    }

    #[test]
    fn an_empty_any_of_lets_nobody_in() {
        assert_eq!(missing(&any_scope(""), r#"{"scope":"a"}"#), Some(None));
        assert_eq!(missing(&Policy::authenticated(), "{}"), None);
    }
}
