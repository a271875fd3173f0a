//! A policy as a list of alternatives.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::AuthError;
use crate::policy::details::DetailsDemand;
use crate::policy::{AllowedActor, GrantKind, PolicyRule, check_token_age, has_acr, is_authenticated_within};
use crate::verifier::Verified;

/// The alternatives of a policy. The policy allows a caller that meets at least one of them completely.
///
/// Challenges, error responses and documentation of an API read this value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alternatives<'a> {
    list: Vec<Alternative<'a>>,
    named_scopes: Vec<&'a str>,
}

/// One alternative of a policy: a caller has to meet all that it demands. An alternative without demands is met by every
/// verified caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Alternative<'a> {
    scopes: Vec<&'a str>,
    permissions: Vec<&'a str>,
    roles: Vec<&'a str>,
    max_age: Option<Duration>,
    acr_values: Option<Vec<&'a str>>,
    max_token_age: Option<Duration>,
    details: Vec<&'a DetailsDemand>,
    actors: Vec<&'a [AllowedActor]>,
    max_actors: Option<usize>,
}

impl<'a> Alternatives<'a> {
    /// The largest number of alternatives. A policy that nests `and` and `or` can have more of them than memory holds; then
    /// only the first 64 are listed. [`Policy::check`](crate::Policy::check) checks all of them.
    pub const MAX: usize = 64;

    pub(super) fn of(rule: &'a PolicyRule) -> Self {
        Self { list: expand(rule, None), named_scopes: named_scopes(rule) }
    }

    /// The alternatives, in the order of the policy.
    #[must_use]
    pub fn as_slice(&self) -> &[Alternative<'a>] {
        &self.list
    }

    /// All scopes that the policy names, in its order and each once: also those of alternatives that are not listed. A
    /// demand for nothing allows no caller, so the scopes next to it in an `and` are left out.
    #[must_use]
    pub fn named_scopes(&self) -> &[&'a str] {
        &self.named_scopes
    }
}

/// Makes the error for a caller that `rule` does not allow.
pub(super) fn unmet(rule: &PolicyRule, caller: &Verified) -> AuthError {
    let granted = expand(rule, Some(caller)).into_iter().next();
    let insufficient_scope = || AuthError::InsufficientScope { scope: joined_scopes(rule) };
    granted.and_then(|alternative| alternative.unmet(caller)).unwrap_or_else(insufficient_scope)
}

/// The scopes that `rule` names, space-delimited; `None` when it names no scope.
pub(super) fn joined_scopes(rule: &PolicyRule) -> Option<String> {
    let names = named_scopes(rule);
    (!names.is_empty()).then(|| names.join(" "))
}

impl<'a> Alternative<'a> {
    /// The scopes that the caller needs, all of them.
    #[must_use]
    pub fn scopes(&self) -> &[&'a str] {
        &self.scopes
    }

    /// The permissions that the caller needs, all of them.
    #[must_use]
    pub fn permissions(&self) -> &[&'a str] {
        &self.permissions
    }

    /// The roles that the caller needs, all of them.
    #[must_use]
    pub fn roles(&self) -> &[&'a str] {
        &self.roles
    }

    /// The longest time since the user authenticated (claim `auth_time`); `None` means any.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// The authentication context classes (claim `acr`). The caller needs one of them; an empty list means any.
    #[must_use]
    pub fn acr_values(&self) -> &[&'a str] {
        self.acr_values.as_deref().unwrap_or_default()
    }

    /// The longest time since the token was issued (claim `iat`); `None` means any.
    #[must_use]
    pub fn max_token_age(&self) -> Option<Duration> {
        self.max_token_age
    }

    /// The types of the authorization details (RFC 9396) that the caller needs, all of them. What each has to allow is a function
    /// of the service.
    pub fn authorization_details(&self) -> impl Iterator<Item = &'a str> {
        self.details.iter().map(|demand| demand.kind())
    }

    /// The parties of which one has to act on behalf of the subject. Of several lists, the current actor has to be in each.
    /// Without a list, the subject may also call itself.
    pub fn actors(&self) -> &[&'a [AllowedActor]] {
        &self.actors
    }

    /// The most actors of the token; `None` means any number.
    #[must_use]
    pub fn max_actors(&self) -> Option<usize> {
        self.max_actors
    }

    /// Whether a list of scopes says all of it.
    #[cfg(feature = "openapi")]
    pub(crate) fn demands_only_scopes(&self) -> bool {
        *self == Self { scopes: self.scopes.clone(), ..Self::default() }
    }

    /// Whether a caller needs grants, which no new login brings.
    #[cfg(feature = "openapi")]
    pub(crate) fn demands_grants(&self) -> bool {
        let Self { scopes, permissions, roles, details, actors, max_actors, .. } = self;
        !(scopes.is_empty() && permissions.is_empty() && roles.is_empty() && details.is_empty() && actors.is_empty())
            || max_actors.is_some()
    }

    /// Why a caller with all grants is not allowed: a new login would help, or else a new token. `None` if the alternative is
    /// met.
    fn unmet(&self, caller: &Verified) -> Option<AuthError> {
        let is_recent = self.max_age.is_none_or(|max_age| is_authenticated_within(caller, max_age));
        if !is_recent || !self.acr_values.as_ref().is_none_or(|values| has_acr(caller, values)) {
            let acr_values = self.acr_values.as_ref().map(|values| values.join(" "));
            return Some(AuthError::InsufficientUserAuthentication { acr_values, max_age: self.max_age });
        }
        check_token_age(caller, self.max_token_age?).err().map(AuthError::from)
    }

    /// Combines both; `None` when no caller can meet both.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (names, others) in [
            (&mut both.scopes, &other.scopes),
            (&mut both.permissions, &other.permissions),
            (&mut both.roles, &other.roles),
        ] {
            for name in others {
                if !names.contains(name) {
                    names.push(name);
                }
            }
        }
        both.max_age = least(self.max_age, other.max_age);
        both.max_token_age = least(self.max_token_age, other.max_token_age);
        both.max_actors = least(self.max_actors, other.max_actors);
        both.details.extend(other.details.iter().filter(|demand| !self.details.contains(demand)));
        both.actors.extend(other.actors.iter().filter(|allowed| !self.actors.contains(allowed)));
        both.acr_values = match (&self.acr_values, &other.acr_values) {
            (Some(one), Some(other)) => Some(one.iter().copied().filter(|value| other.contains(value)).collect()),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        both.acr_values.as_ref().is_none_or(|values| !values.is_empty()).then_some(both)
    }
}

/// The smaller of two limits.
fn least<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The first alternatives of `rule`. With a caller, what it holds is decided at once: alternatives for which it lacks a grant, an
/// authorization detail or an actor are left out, and the others have only their demands about authentication and the age of the
/// token. So only these count for the limit.
fn expand<'a>(rule: &'a PolicyRule, caller: Option<&Verified>) -> Vec<Alternative<'a>> {
    let none = Alternative::default;
    if let Some(caller) = caller.filter(|_| is_held_or_not(rule)) {
        return if rule.holds(caller) { vec![none()] } else { Vec::new() };
    }
    match rule {
        PolicyRule::Acr(values) => {
            vec![Alternative { acr_values: Some(values.iter().map(String::as_str).collect()), ..none() }]
        }
        PolicyRule::Actors(allowed) => vec![Alternative { actors: vec![allowed], ..none() }],
        PolicyRule::All(rules) => rules.iter().fold(vec![none()], |all, rule| {
            let more = if all.is_empty() { Vec::new() } else { expand(rule, caller) };
            first_distinct(all.iter().flat_map(|one| more.iter().filter_map(|other| one.and(other))))
        }),
        PolicyRule::Any(rules) => first_distinct(rules.iter().flat_map(|rule| expand(rule, caller))),
        PolicyRule::AuthenticatedWithin(max_age) => vec![Alternative { max_age: Some(*max_age), ..none() }],
        PolicyRule::Details(demand) => vec![Alternative { details: vec![demand], ..none() }],
        PolicyRule::IssuedWithin(max_age) => vec![Alternative { max_token_age: Some(*max_age), ..none() }],
        PolicyRule::MaxActors(max) => vec![Alternative { max_actors: Some(*max), ..none() }],
        PolicyRule::Has(kind, name) => {
            let mut one = none();
            match kind {
                GrantKind::Permission => one.permissions.push(name),
                GrantKind::Role => one.roles.push(name),
                GrantKind::Scope => one.scopes.push(name),
            }
            vec![one]
        }
    }
}

/// Whether `rule` demands something that a caller holds or not, regardless of time and login.
fn is_held_or_not(rule: &PolicyRule) -> bool {
    matches!(rule, PolicyRule::Actors(_) | PolicyRule::Details(_) | PolicyRule::Has(..) | PolicyRule::MaxActors(_))
}

fn first_distinct<'a>(alternatives: impl Iterator<Item = Alternative<'a>>) -> Vec<Alternative<'a>> {
    let mut list = Vec::new();
    for alternative in alternatives {
        if !list.contains(&alternative) {
            list.push(alternative);
        }
        if list.len() == Alternatives::MAX {
            break;
        }
    }
    list
}

/// The scopes that `rule` names, in its order and each once.
fn named_scopes(rule: &PolicyRule) -> Vec<&str> {
    let (mut seen, mut names) = (BTreeSet::new(), Vec::new());
    name_scopes(rule, &mut names);
    names.retain(|scope| seen.insert(*scope));
    names
}

/// Adds the scopes that `rule` names. Returns whether a caller can meet it: not if it demands nothing by name.
fn name_scopes<'a>(rule: &'a PolicyRule, names: &mut Vec<&'a str>) -> bool {
    let before = names.len();
    match rule {
        PolicyRule::All(rules) => {
            let can_be_met = rules.iter().all(|rule| name_scopes(rule, names));
            if !can_be_met {
                names.truncate(before);
            }
            can_be_met
        }
        PolicyRule::Any(rules) => {
            // Each of them, also after one that can be met.
            let options = rules.iter().filter(|rule| name_scopes(rule, names));
            options.count() > 0
        }
        PolicyRule::Has(GrantKind::Scope, name) => {
            names.push(name);
            true
        }
        PolicyRule::Acr(_)
        | PolicyRule::Actors(_)
        | PolicyRule::AuthenticatedWithin(_)
        | PolicyRule::Details(_)
        | PolicyRule::Has(..)
        | PolicyRule::IssuedWithin(_)
        | PolicyRule::MaxActors(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, any_permission, any_role, any_scope, permissions, roles, scopes};

    /// Writes each alternative as one line.
    fn lines(policy: &Policy) -> Vec<String> {
        let line = |one: &Alternative<'_>| {
            let lists = [one.scopes(), one.permissions(), one.roles(), one.acr_values()].map(|names| names.join(" "));
            let max_age = one.max_age().map(|max_age| max_age.as_secs().to_string()).unwrap_or_default();
            format!("{} | {max_age}", lists.join(" | "))
        };
        policy.alternatives().as_slice().iter().map(line).collect()
    }

    #[test]
    fn nested_policies_become_alternatives() {
        assert_eq!(lines(&Policy::authenticated()), [" |  |  |  | "]);
        assert_eq!(lines(&scopes("a b")), ["a b |  |  |  | "]);
        assert_eq!(lines(&any_scope("a b")), ["a |  |  |  | ", "b |  |  |  | "]);
        assert_eq!(lines(&any_scope("a a")), ["a |  |  |  | "]);
        assert_eq!(lines(&any_scope("")), [""; 0]);
        assert_eq!(lines(&any_scope("").and(scopes("a"))), [""; 0]);
        assert_eq!(lines(&any_scope("").or(scopes("a"))), ["a |  |  |  | "]);
        let policy = any_scope("a b").and(any_role(["r", "s"])).or(permissions(["p", "q"]));
        assert_eq!(
            lines(&policy),
            ["a |  | r |  | ", "a |  | s |  | ", "b |  | r |  | ", "b |  | s |  | ", " | p q |  |  | "]
        );
        let policy = scopes("a").or(roles(["r"])).and(scopes("a b").or(any_permission(["p"])));
        assert_eq!(lines(&policy), ["a b |  |  |  | ", "a | p |  |  | ", "a b |  | r |  | ", " | p | r |  | "]);
    }

    #[test]
    fn empty_demand_is_no_alternative() {
        for empty in crate::policy::tests::empty_demands() {
            assert_eq!(lines(&empty), [""; 0], "{empty:?}");
            let both = empty.clone().and(scopes("a"));
            assert_eq!((lines(&both).len(), both.alternatives().named_scopes().len()), (0, 0), "{both:?}");
            assert_eq!(both.named_scopes(), None);
            let policy = both.or(scopes("b"));
            assert_eq!(lines(&policy), ["b |  |  |  | "], "{policy:?}");
            assert_eq!(policy.alternatives().named_scopes(), ["b"], "{policy:?}");
        }
    }

    #[test]
    fn freshness_demands_are_combined() {
        let within = |seconds| Policy::authenticated_within(Duration::from_secs(seconds));
        assert_eq!(lines(&within(300).and(within(60)).and(scopes("a"))), ["a |  |  |  | 60"]);
        assert_eq!(lines(&within(60).or(Policy::acr(["x", "y"]))), [" |  |  |  | 60", " |  |  | x y | "]);
        assert_eq!(lines(&Policy::acr(["x", "y"]).and(Policy::acr(["y", "z"]))), [" |  |  | y | "]);
        assert_eq!(lines(&Policy::acr(["x"]).and(Policy::acr(["z"]))), [""; 0]);
        assert_eq!(lines(&Policy::acr([""; 0]).or(scopes("a"))), ["a |  |  |  | "]);
    }

    #[test]
    fn number_of_alternatives_is_bounded() {
        // 2 to the power of 200 of them.
        let pair = |at: usize| any_scope(&format!("a{at} b{at}"));
        let policy = (1..200).fold(pair(0), |policy, at| policy.and(pair(at)));
        let alternatives = policy.alternatives();
        assert_eq!(alternatives.as_slice().len(), Alternatives::MAX);
        assert!(alternatives.as_slice().iter().all(|one| one.scopes().len() == 200));
        assert_eq!(alternatives.named_scopes().len(), 400);
        assert_eq!(alternatives.named_scopes()[..3], ["a0", "b0", "a1"]);
        // Alternating `and` and `or`, each around the one before.
        let policy = (1..200).fold(pair(0), |policy, at| policy.or(pair(at)).and(pair(at)));
        assert_eq!(policy.alternatives().as_slice().len(), Alternatives::MAX);
        let policy = any_scope(&(0..1_000).map(|at| format!("s{at} ")).collect::<String>());
        assert_eq!(policy.alternatives().as_slice().len(), Alternatives::MAX);
        assert_eq!(policy.alternatives().named_scopes().len(), 1_000);
    }
}
