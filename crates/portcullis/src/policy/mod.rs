//! Policies: what a verified caller must be allowed to do, and how recently the user must have authenticated.
//!
//! Design notes: [Policy and refusals](crate::_docs::policy).

mod actors;
mod alternatives;
#[cfg(test)]
mod combinations;
mod details;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use self::actors::AllowedActor;
pub use self::alternatives::{Alternative, Alternatives};
use self::details::DetailsDemand;
use crate::claims::{Grants, NumericDate};
use crate::error::{AuthError, InvalidToken};
use crate::verifier::Verified;

/// How far in the future `auth_time` and `iat` may lie, because clocks differ: as far as a verifier's leeway can be set.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(600);

/// A rule about scopes, permissions, roles, authorization details and actors, the user's authentication, and the age of the
/// token.
///
/// A policy of [`scopes`], [`permissions`], [`roles`] or [`Self::and`] holds if all of its parts hold. A policy of
/// [`any_scope`], [`any_permission`], [`any_role`] or [`Self::or`] holds if at least one of its parts holds. Claims that cannot
/// be read grant nothing.
///
/// An empty list allows no caller: `scopes("")` and `roles([])`, because it is most likely a list that was not filled. A blank
/// name is never granted. [`Self::authenticated`] allows every verified caller.
///
/// ```
/// use portcullis::{any_role, permissions, scopes};
///
/// let policy = scopes("read:messages write:messages").and(any_role(["admin", "editor"])).or(permissions(["root"]));
/// ```
///
/// A caller that the policy does not allow gets one of three answers:
///
/// - 403 `insufficient_scope` (RFC 6750 §3.1) if the caller lacks scopes, permissions, roles or authorization details, or if
///   another party acts for it than the policy allows. It is also the answer if the authentication is insufficient as well,
///   because a new login would not help.
/// - 401 `insufficient_user_authentication` (RFC 9470 §3) if only the authentication is too old or too weak. The answer
///   has the demands of one [alternative](Self::alternatives): the first for which the caller has all of the above.
/// - 401 `invalid_token` (RFC 6750 §3.1) if only the token is too old: a new token helps, without a new login.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a policy does nothing until a gate requires it"]
pub struct Policy(PolicyRule);

#[derive(Clone, Debug, Eq, PartialEq)]
enum PolicyRule {
    Acr(Vec<String>),
    Actors(Vec<AllowedActor>),
    All(Vec<PolicyRule>),
    Any(Vec<PolicyRule>),
    AuthenticatedWithin(Duration),
    Details(DetailsDemand),
    Has(GrantKind, String),
    IssuedWithin(Duration),
    MaxActors(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GrantKind {
    Permission,
    Role,
    Scope,
}

/// Requires all of these scopes: a space-delimited string (RFC 6749 §3.3). Without any scope, it allows no caller.
pub fn scopes(scopes: &str) -> Policy {
    Policy::all(GrantKind::Scope, scopes.split_whitespace())
}

/// Requires at least one of these scopes: a space-delimited string. Without any scope, it allows no caller.
pub fn any_scope(scopes: &str) -> Policy {
    Policy::any(GrantKind::Scope, scopes.split_whitespace())
}

/// Requires all of these permissions. Without any permission, it allows no caller.
pub fn permissions<S: Into<String>>(permissions: impl IntoIterator<Item = S>) -> Policy {
    Policy::all(GrantKind::Permission, permissions)
}

/// Requires at least one of these permissions. Without any permission, it allows no caller.
pub fn any_permission<S: Into<String>>(permissions: impl IntoIterator<Item = S>) -> Policy {
    Policy::any(GrantKind::Permission, permissions)
}

/// Requires all of these roles. Without any role, it allows no caller.
pub fn roles<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Policy {
    Policy::all(GrantKind::Role, roles)
}

/// Requires at least one of these roles. Without any role, it allows no caller.
pub fn any_role<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Policy {
    Policy::any(GrantKind::Role, roles)
}

impl Policy {
    /// Requires a verified caller, and nothing more.
    pub const fn authenticated() -> Self {
        Self(PolicyRule::All(Vec::new()))
    }

    /// Requires that the user authenticated at most `max_age` ago, by the claim `auth_time` (RFC 9470 §6.1). A token
    /// without that claim does not pass.
    ///
    /// The time is that of the verifier's clock. There is no leeway, except that an `auth_time` of up to ten minutes in the
    /// future counts as now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{Policy, scopes};
    ///
    /// let policy = scopes("payments").and(Policy::authenticated_within(Duration::from_secs(300)));
    /// ```
    pub const fn authenticated_within(max_age: Duration) -> Self {
        Self(PolicyRule::AuthenticatedWithin(max_age))
    }

    /// Requires that the user authenticated with one of these authentication context classes, by the claim `acr` (RFC
    /// 9470 §6.1), the preferred one first. A token without that claim does not pass. Without any class, it allows no caller.
    pub fn acr<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).filter(|value| !is_blank(value)).collect();
        if values.is_empty() { Self::nobody() } else { Self(PolicyRule::Acr(values)) }
    }

    /// Requires that the token was issued at most `max_age` ago, by the claim `iat` (RFC 7519 §4.1.6). A token without that claim
    /// does not pass.
    ///
    /// The answer is 401 `invalid_token` with the reason `expired`: the client gets a new token, for example with its refresh
    /// token, and tries again. `max_age` of RFC 9470 is not in it, because it would demand that the user logs in, and a fresh
    /// login is the demand of [`Self::authenticated_within`]. Without `iat`, the reason is `missing_claim`.
    ///
    /// The time is that of the verifier's clock, as for `auth_time`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{Policy, scopes};
    ///
    /// let policy = scopes("payments").and(Policy::max_token_age(Duration::from_secs(300)));
    /// ```
    pub const fn max_token_age(max_age: Duration) -> Self {
        Self(PolicyRule::IssuedWithin(max_age))
    }

    /// Requires an entry of `authorization_details` with the type `kind` that `allows` accepts (RFC 9396 §2), of a JWT or of an
    /// introspection answer. A blank type allows no caller.
    ///
    /// An entry of another type grants nothing. Neither does the whole claim if an entry has no `type` or a member twice, or if
    /// an entry of this type does not fit `T`. A member that `T` does not know may limit what the entry allows, so write
    /// `deny_unknown_fields`.
    ///
    /// Two such policies are equal only if one is a clone of the other, because functions cannot be compared. The answer to a
    /// caller without the entry is 403 `insufficient_scope`: there is no standard challenge that could name the entry.
    ///
    /// ```
    /// use portcullis::Policy;
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Payment {
    ///     #[serde(rename = "type")]
    ///     _kind: String,
    ///     creditor: String,
    ///     amount: u64,
    /// }
    ///
    /// fn may_pay(creditor: String, amount: u64) -> Policy {
    ///     let is_allowed = move |payment: &Payment| payment.creditor == creditor && payment.amount >= amount;
    ///     Policy::authorization_details("payment", is_allowed)
    /// }
    /// # let claims = serde_json::json!(
    /// #     {"authorization_details": [{"type": "payment", "creditor": "shop", "amount": 100}]});
    /// # let caller = portcullis::dangerous::assume_verified(&claims)?;
    /// assert!(may_pay("shop".to_owned(), 99).check(&caller).is_ok());
    /// assert!(may_pay("shop".to_owned(), 101).check(&caller).is_err());
    /// # Ok::<(), portcullis::error::InvalidToken>(())
    /// ```
    pub fn authorization_details<T: DeserializeOwned>(
        kind: impl Into<String>,
        allows: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        let kind = kind.into();
        if is_blank(&kind) { Self::nobody() } else { Self(PolicyRule::Details(DetailsDemand::new(kind, allows))) }
    }

    /// Requires that the subject calls itself: a token with an actor (`act`, RFC 8693 §4.1) does not pass.
    ///
    /// Without this or another demand about actors, a policy allows every actor, because the issuer let it act.
    ///
    /// ```
    /// use portcullis::{Policy, scopes};
    ///
    /// // Agents may read. Only the user may delete.
    /// let read = scopes("messages:read");
    /// let delete = scopes("messages:delete").and(Policy::no_actor());
    /// ```
    pub const fn no_actor() -> Self {
        Self::max_actors(0)
    }

    /// Requires that one of `actors` acts on behalf of the subject (`act`, RFC 8693 §4.1). A text means the `sub` of an actor at
    /// the issuer of the token. A token without an actor does not pass, unless [`Self::no_actor`] is another option. Without
    /// any actor, it allows no caller.
    ///
    /// Only the current actor counts, never one before it.
    ///
    /// ```
    /// use portcullis::{Policy, scopes};
    ///
    /// let policy = scopes("messages:read").and(Policy::no_actor().or(Policy::actors(["agent-7"])));
    /// ```
    pub fn actors<A: Into<AllowedActor>>(actors: impl IntoIterator<Item = A>) -> Self {
        let actors: Vec<AllowedActor> = actors.into_iter().map(Into::into).filter(AllowedActor::is_named).collect();
        if actors.is_empty() { Self::nobody() } else { Self(PolicyRule::Actors(actors)) }
    }

    /// Requires that the token has at most `max` actors: the current one, and those before it. It limits how often a token may be
    /// exchanged and passed on. Actors that cannot be read, and more than 16, do not pass.
    pub const fn max_actors(max: usize) -> Self {
        Self(PolicyRule::MaxActors(max))
    }

    /// Requires this policy and `other`.
    pub fn and(self, other: Self) -> Self {
        // Not nested deeper with each call, so that a policy made in a long loop can be checked and dropped.
        let parts = |rule| if let PolicyRule::All(rules) = rule { rules } else { vec![rule] };
        let mut rules = parts(self.0);
        rules.extend(parts(other.0));
        Self(PolicyRule::All(rules))
    }

    /// Requires this policy or `other`.
    pub fn or(self, other: Self) -> Self {
        let options = |rule| if let PolicyRule::Any(rules) = rule { rules } else { vec![rule] };
        let mut rules = options(self.0);
        rules.extend(options(other.0));
        Self(PolicyRule::Any(rules))
    }

    /// Checks whether the policy allows `caller`.
    ///
    /// # Errors
    /// [`AuthError::InsufficientScope`] with the scopes that the policy names,
    /// [`AuthError::InsufficientUserAuthentication`], or [`AuthError::InvalidToken`]. [`Policy`] describes them.
    pub fn check(&self, caller: &Verified) -> Result<(), AuthError> {
        if self.0.holds(caller) { Ok(()) } else { Err(alternatives::unmet(&self.0, caller)) }
    }

    /// Returns the policy as a list of alternatives. A caller has to meet one of them. Use it to document an API, or to show
    /// callers what they need.
    ///
    /// There are at most [`Alternatives::MAX`] of them.
    ///
    /// ```
    /// use portcullis::{ResourceMetadata, permissions, scopes};
    ///
    /// let policy = scopes("read write").or(permissions(["messages:all"]));
    /// let alternatives = policy.alternatives();
    /// let [first, second] = alternatives.as_slice() else { panic!("two alternatives") };
    /// assert_eq!(first.scopes(), ["read", "write"]);
    /// assert_eq!(second.permissions(), ["messages:all"]);
    ///
    /// // The scopes that the service's metadata announces are those of its policies.
    /// let metadata = ResourceMetadata::new("https://api.example.com")?;
    /// let metadata = metadata.with_scopes(alternatives.named_scopes().iter().copied());
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    #[must_use]
    pub fn alternatives(&self) -> Alternatives<'_> {
        Alternatives::of(&self.0)
    }

    /// The scopes that can help a caller to pass, space-delimited, each once; `None` without any.
    pub(crate) fn named_scopes(&self) -> Option<String> {
        alternatives::joined_scopes(&self.0)
    }

    /// A choice without options.
    fn nobody() -> Self {
        Self(PolicyRule::Any(Vec::new()))
    }

    /// Requires all of these names. Without any, or with a blank one, it is a choice without options.
    fn all<S: Into<String>>(kind: GrantKind, names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() || names.iter().any(|name| is_blank(name)) {
            return Self::nobody();
        }
        Self(PolicyRule::All(names.into_iter().map(|name| PolicyRule::Has(kind, name)).collect()))
    }

    /// Requires one of these names. A blank one does not count.
    fn any<S: Into<String>>(kind: GrantKind, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).filter(|name| !is_blank(name));
        Self(PolicyRule::Any(names.map(|name| PolicyRule::Has(kind, name)).collect()))
    }
}

fn is_blank(name: &str) -> bool {
    name.trim().is_empty()
}

/// A policy as a type: the parameter of the adapters' extractors `Authorized`.
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
    /// Returns what a caller must be allowed to do.
    fn policy() -> Policy;
}

impl PolicyRule {
    fn holds(&self, caller: &Verified) -> bool {
        match self {
            Self::Acr(values) => has_acr(caller, values),
            Self::Actors(allowed) => actors::is_allowed(allowed, caller),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(caller)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(caller)),
            Self::AuthenticatedWithin(max_age) => is_authenticated_within(caller, *max_age),
            Self::Details(demand) => demand.is_met(caller),
            Self::Has(kind, name) => holds_grant(caller, *kind, name),
            Self::IssuedWithin(max_age) => check_token_age(caller, *max_age).is_ok(),
            Self::MaxActors(max) => actors::are_at_most(*max, caller),
        }
    }
}

fn has_acr<S: PartialEq<String>>(caller: &Verified, values: &[S]) -> bool {
    let acr = caller.claim::<String>("acr").ok().flatten();
    acr.is_some_and(|acr| values.iter().any(|value| *value == acr))
}

fn is_authenticated_within(caller: &Verified, max_age: Duration) -> bool {
    let auth_time = caller.claim::<&RawValue>("auth_time").ok().flatten();
    auth_time.and_then(|time| NumericDate::parse(time.get())).is_some_and(|time| {
        let now = caller.now();
        time <= now.saturating_add(MAX_CLOCK_DIFFERENCE) && now <= time.saturating_add(max_age)
    })
}

fn check_token_age(caller: &Verified, max_age: Duration) -> Result<(), InvalidToken> {
    let issued_at = caller.all_claims().issued_at().ok_or_else(|| InvalidToken::missing("iat"))?;
    let now = caller.now();
    if issued_at > now.saturating_add(MAX_CLOCK_DIFFERENCE) {
        return Err(InvalidToken::IssuedInFuture);
    }
    if now > issued_at.saturating_add(max_age) { Err(InvalidToken::Expired) } else { Ok(()) }
}

fn holds_grant(caller: &Verified, kind: GrantKind, name: &str) -> bool {
    let granted: Grants<'_> = match kind {
        GrantKind::Permission => caller.permissions(),
        GrantKind::Role => caller.roles(),
        GrantKind::Scope => return caller.holds_scope(name),
    };
    granted.iter().any(|granted| granted == name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
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
        assert_eq!(missing(&both, r#"{"scope":"ab bb a:b b:a A B"}"#), Some(Some("a b".into())));
        let either = any_scope("a b");
        assert_eq!(missing(&either, r#"{"scp":["b"]}"#), None);
        assert_eq!(missing(&either, "{}"), Some(Some("a b".into())));
        assert_eq!(missing(&permissions(["p"]), r#"{"scope":"p","roles":["p"]}"#), Some(None));
        assert_eq!(missing(&permissions(["p"]), r#"{"permissions":["p"]}"#), None);
        assert_eq!(missing(&any_role(["r", "s"]), r#"{"roles":["s"]}"#), None);
    }

    #[test]
    fn and_needs_both_parts() {
        let policy = scopes("a").and(roles(["r"]));
        assert_eq!(missing(&policy, r#"{"scope":"a","roles":["r"]}"#), None);
        assert_eq!(missing(&policy, r#"{"scope":"a"}"#), Some(Some("a".into())));
        assert_eq!(missing(&policy, r#"{"roles":["r"]}"#), Some(Some("a".into())));
        let policy = scopes("a").or(scopes("a b"));
        assert_eq!(missing(&policy, "{}"), Some(Some("a b".into())));
    }

    /// Policies that demand nothing by name.
    pub(super) fn empty_demands() -> Vec<Policy> {
        let none = || [""; 0];
        let mut policies = vec![scopes(""), scopes(" \t "), any_scope(""), any_scope("  ")];
        policies.extend([
            permissions(none()),
            any_permission(none()),
            roles(none()),
            any_role(none()),
            Policy::acr(none()),
        ]);
        // A name that is blank, for example from a list that was split.
        policies.extend([
            permissions([""]),
            any_permission([" "]),
            roles([""]),
            any_role(["", "\t"]),
            Policy::acr([""]),
        ]);
        policies.extend([permissions(["p", ""]), roles([" ", "r"])]);
        policies
    }

    #[test]
    fn empty_demand_allows_no_caller() {
        let all = r#"{"scope":"a p","permissions":["p",""," "],"roles":["r",""," ","\t"],"acr":"","auth_time":0}"#;
        for empty in empty_demands() {
            assert_eq!(missing(&empty, all), Some(None), "{empty:?}");
            assert_eq!(missing(&empty, "{}"), Some(None), "{empty:?}");
            // With another demand it allows no caller either, and names no scope, because none would help.
            for policy in [
                empty.clone().and(scopes("a")),
                scopes("a").and(empty.clone()),
                Policy::authenticated().and(empty.clone()),
                scopes("a").or(permissions(["p"])).and(empty.clone()),
                empty.clone().and(Policy::authenticated_within(Duration::MAX)),
                empty.clone().or(empty.clone()),
            ] {
                assert_eq!(missing(&policy, all), Some(None), "{policy:?}");
            }
            // As one of several options it is ignored.
            for policy in [empty.clone().or(scopes("a")), scopes("a").or(empty.clone())] {
                assert_eq!(missing(&policy, all), None, "{policy:?}");
                assert_eq!(missing(&policy, "{}"), Some(Some("a".into())), "{policy:?}");
            }
            let policy = empty.clone().and(scopes("b")).or(scopes("a"));
            assert_eq!(missing(&policy, "{}"), Some(Some("a".into())), "{policy:?}");
            assert_eq!(missing(&empty.or(Policy::authenticated()), "{}"), None);
        }
        assert_eq!(missing(&Policy::authenticated(), "{}"), None);
        assert_eq!(missing(&any_permission(["", "p"]), all), None);
        assert_eq!(missing(&any_role(["", "s"]), all), Some(None));
    }

    #[test]
    fn long_policies_are_not_deep() {
        let role = |number: u32| roles([number.to_string()]);
        let any = (1..100_000).fold(role(0), |policy, number| policy.or(role(number)));
        assert_eq!(missing(&any, r#"{"roles":["99999"]}"#), None);
        assert_eq!(missing(&any, r#"{"roles":["100000"]}"#), Some(None));
        let all = (0..100_000).fold(role(0), |policy, _| policy.and(role(0)));
        assert_eq!(missing(&all, r#"{"roles":["0"]}"#), None);
    }

    /// What the policy demands of the user's authentication; `None` when it allows the caller.
    fn step_up(policy: &Policy, claims: &str, now: i64) -> Option<(Option<String>, Option<u64>)> {
        let caller = assume_verified(&serde_json::from_str::<serde_json::Value>(claims).unwrap()).unwrap();
        let caller = caller.with_clock(Arc::new(ManualClock::at_unix(now)));
        match policy.check(&caller) {
            Ok(()) => None,
            Err(AuthError::InsufficientUserAuthentication { acr_values, max_age }) => {
                Some((acr_values, max_age.map(|max_age| max_age.as_secs())))
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn old_authentication_is_insufficient() {
        let policy = Policy::authenticated_within(Duration::from_secs(300));
        let demand = Some((None, Some(300)));
        for (auth_time, expected) in [
            ("1000", None),
            ("700", None),
            ("700.5", None),
            ("699", demand.clone()),
            ("699.9", demand.clone()),
            ("-5", demand.clone()),
            // The issuer's clock may be ahead. A date in milliseconds lies too far ahead.
            ("1600", None),
            ("1601", demand.clone()),
            ("1000000", demand.clone()),
            ("9223372036854775807", demand.clone()),
            ("\"1000\"", demand.clone()),
            ("null", demand.clone()),
            ("true", demand.clone()),
            ("[1000]", demand.clone()),
        ] {
            let claims = format!(r#"{{"auth_time":{auth_time}}}"#);
            assert_eq!(step_up(&policy, &claims, 1_000), expected, "{auth_time}");
        }
        assert_eq!(step_up(&policy, "{}", 1_000), demand);
        let any_age = Policy::authenticated_within(Duration::MAX);
        assert_eq!(step_up(&any_age, r#"{"auth_time":0}"#, 1_000), None);
        assert_eq!(step_up(&any_age, r#"{"auth_time":-9000000000}"#, 9_000_000_000), None);
        assert_eq!(step_up(&any_age, "{}", 1_000), Some((None, Some(u64::MAX))));
    }

    #[test]
    fn time_passes_for_a_verified_caller() {
        let clock = Arc::new(ManualClock::at_unix(1_000));
        let caller = assume_verified(&serde_json::json!({"auth_time": 1_000})).unwrap();
        let caller = caller.with_clock(Arc::<ManualClock>::clone(&clock));
        let policy = Policy::authenticated_within(Duration::from_secs(60));
        assert!(policy.check(&caller).is_ok());
        clock.advance(Duration::from_secs(60));
        assert!(policy.check(&caller).is_ok());
        clock.advance(Duration::from_millis(1));
        assert_eq!(policy.check(&caller).unwrap_err().status(), 401);
    }

    #[test]
    fn weak_authentication_is_insufficient() {
        let policy = Policy::acr(["gold", "silver"]);
        let demand = Some((Some("gold silver".to_owned()), None));
        for (claims, expected) in [
            (r#"{"acr":"gold"}"#, None),
            (r#"{"acr":"s\u0069lver"}"#, None),
            (r#"{"acr":"bronze"}"#, demand.clone()),
            (r#"{"acr":"gold silver"}"#, demand.clone()),
            (r#"{"acr":["gold"]}"#, demand.clone()),
            (r#"{"acr":null}"#, demand.clone()),
            ("{}", demand.clone()),
        ] {
            assert_eq!(step_up(&policy, claims, 0), expected, "{claims}");
        }
    }

    #[test]
    fn missing_grants_come_before_insufficient_authentication() {
        let within = |seconds| Policy::authenticated_within(Duration::from_secs(seconds));
        let policy = scopes("pay").and(within(300)).and(Policy::acr(["gold"]));
        assert_eq!(missing(&policy, r#"{"acr":"gold"}"#), Some(Some("pay".into())));
        assert_eq!(step_up(&policy, r#"{"scope":"pay"}"#, 0), Some((Some("gold".into()), Some(300))));
        // All demands of the alternative, also those that are met.
        assert_eq!(step_up(&policy, r#"{"scope":"pay","acr":"gold"}"#, 0), Some((Some("gold".into()), Some(300))));
        assert_eq!(step_up(&policy, r#"{"scope":"pay","acr":"gold","auth_time":0}"#, 0), None);
        // The first alternative whose grants are held.
        let policy =
            scopes("admin").and(within(60)).or(scopes("pay").and(within(300))).or(scopes("pay").and(within(7)));
        assert_eq!(step_up(&policy, r#"{"scope":"pay"}"#, 0), Some((None, Some(300))));
        assert_eq!(step_up(&policy, r#"{"scope":"pay admin"}"#, 0), Some((None, Some(60))));
        assert_eq!(missing(&policy, "{}"), Some(Some("admin pay".into())));
    }
}
