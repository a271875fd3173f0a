//! The claims of a Clerk token.

use std::fmt;
use std::time::Duration;

use portcullis::claims::Claims;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::entitlements::Entitlements;
use crate::organization::Organization;
use crate::token_class::MACHINE;

/// The claims of a session token (version 1 or 2), a machine token or an OAuth access token.
///
/// Only `sub` is required. An absent or unreadable claim is `None` or empty, and grants nothing.
///
/// ```
/// use portcullis_clerk::ClerkClaims;
///
/// let claims: ClerkClaims = serde_json::from_str(
///     r#"{"v": 2, "sub": "user_1", "sid": "sess_1", "sts": "active", "fva": [4, -1], "pla": "o:pro",
///         "fea": "o:articles,o:invoices", "o": {"id": "org_1", "rol": "admin", "per": "manage,read", "fpm": "3,2"}}"#,
/// )?;
/// assert!(claims.has_role("org:admin") && claims.has_permission("org:articles:manage"));
/// assert!(!claims.has_permission("org:invoices:manage"));
/// assert!(claims.has_plan("pro") && claims.has_feature("org:invoices") && !claims.has_feature("user:invoices"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClerkClaims {
    /// The caller: `user_…`, or `mch_…` for a machine.
    pub sub: String,
    /// The session, `sess_…`.
    pub sid: Option<String>,
    /// Whether the session is signed in (`sts`).
    pub status: SessionStatus,
    /// The token's identifier.
    pub jti: Option<String>,
    /// The origin that asked for the token, for example `https://app.example.com`.
    pub azp: Option<String>,
    /// The application to which an OAuth access token was issued.
    pub client_id: Option<String>,
    /// The scopes of a machine token (`scopes`) or an OAuth access token (`scope` or `scp`).
    pub scopes: Vec<String>,
    /// The organization that is active in the session.
    pub organization: Option<Organization>,
    /// The features of user and organization (`fea`).
    pub features: Entitlements,
    /// The plans of user and organization (`pla`).
    pub plans: Entitlements,
    /// The person or service that acts as the user (`act`).
    pub actor: Option<Actor>,
    /// All other claims, including those that you added to the token.
    pub custom: Map<String, Value>,
    factor_ages: [Option<Duration>; 2],
}

/// Whether a session is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SessionStatus {
    /// The user is signed in. A token without `sts` has this status.
    Active,
    /// The user is not signed in yet: a task is left, for example choosing an organization.
    Pending,
    /// Any other status. It counts as not signed in.
    Unknown,
}

/// The person or service that acts as the user, for example an administrator who impersonates the user.
/// See <https://clerk.com/docs/guides/users/impersonation>.
#[derive(Clone)]
#[non_exhaustive]
pub struct Actor {
    /// The actor's identifier.
    pub sub: Option<String>,
    /// The issuer of that identifier.
    pub iss: Option<String>,
    /// The actor's own session.
    pub sid: Option<String>,
}

impl ClerkClaims {
    /// Tells whether the user has `role` in the active organization. `org:admin` and `admin` mean the same role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.organization.as_ref().is_some_and(|organization| organization.has_role(role))
    }

    /// Tells whether the user has `permission` in the active organization. `org:invoices:create` and `invoices:create`
    /// mean the same permission.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.organization.as_ref().is_some_and(|organization| organization.has_permission(permission))
    }

    /// Tells whether the user or the organization has `feature`. `org:export` asks about the organization only,
    /// `user:export` about the user only.
    #[must_use]
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    /// Tells whether the user or the organization has `plan`. `org:pro` asks about the organization only, `user:pro`
    /// about the user only.
    #[must_use]
    pub fn has_plan(&self, plan: &str) -> bool {
        self.plans.contains(plan)
    }

    /// Tells whether `scope` was granted to the machine or the application.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// Returns the time between the verification of the first factor and the issue of the token (`fva`), in whole
    /// minutes. `None` means that the factor is not enabled, or that the token does not say.
    #[must_use]
    pub fn first_factor_age(&self) -> Option<Duration> {
        self.factor_ages[0]
    }

    /// Returns the time between the verification of the second factor and the issue of the token (`fva`), in whole
    /// minutes. `None` means that the factor is not enabled, or that the token does not say.
    #[must_use]
    pub fn second_factor_age(&self) -> Option<Duration> {
        self.factor_ages[1]
    }

    /// Tells whether the first factor was verified less than `limit` before the token was issued. `false` for a factor
    /// that is not enabled.
    #[must_use]
    pub fn first_factor_within(&self, limit: Duration) -> bool {
        self.first_factor_age().is_some_and(|age| age < limit)
    }

    /// Tells whether the second factor was verified less than `limit` before the token was issued. `false` for a factor
    /// that is not enabled. For users without a second factor, use [`Self::first_factor_within`].
    #[must_use]
    pub fn second_factor_within(&self, limit: Duration) -> bool {
        self.second_factor_age().is_some_and(|age| age < limit)
    }

    /// Tells whether another person or service acts as the user.
    #[must_use]
    pub fn is_impersonated(&self) -> bool {
        self.actor.is_some()
    }

    /// Tells whether the caller is a machine.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.sub.starts_with(MACHINE)
    }
}

impl<'de> Deserialize<'de> for ClerkClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut claims = Map::deserialize(deserializer)?;
        let organization = Organization::read(|name| claims.get(name).filter(|value| !value.is_null()).cloned());
        for name in ["v", "o", "org_id", "org_slug", "org_role", "org_permissions"] {
            claims.remove(name);
        }
        let scopes = scopes(|name| claims.get(name).cloned());
        for name in SCOPES {
            claims.remove(name);
        }
        let mut entitlements = |name| match claims.remove(name) {
            Some(Value::String(list)) => Entitlements::read(&list),
            _ => Entitlements::default(),
        };
        let (features, plans) = (entitlements("fea"), entitlements("pla"));
        let status = SessionStatus::read(claims.remove("sts").filter(|status| !status.is_null()).as_ref());
        let factor_ages = factor_ages(claims.remove("fva").as_ref());
        let actor = claims.remove("act").filter(|actor| !actor.is_null()).map(|actor| Actor::read(&actor));
        let mut text = |name| match claims.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Ok(Self {
            sub: text("sub").ok_or_else(|| D::Error::missing_field("sub"))?,
            sid: text("sid"),
            status,
            jti: text("jti"),
            azp: text("azp"),
            client_id: text("client_id"),
            scopes,
            organization,
            features,
            plans,
            actor,
            factor_ages,
            custom: claims,
        })
    }
}

impl fmt::Debug for ClerkClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClerkClaims { .. }")
    }
}

impl SessionStatus {
    /// Reads `sts`. `None` means a token without it.
    pub(crate) fn read(status: Option<&Value>) -> Self {
        match status.map(Value::as_str) {
            None | Some(Some("active")) => Self::Active,
            Some(Some("pending")) => Self::Pending,
            Some(_) => Self::Unknown,
        }
    }
}

impl Actor {
    fn read(actor: &Value) -> Self {
        let text = |name| actor.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { sub: text("sub"), iss: text("iss"), sid: text("sid") }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor { .. }")
    }
}

/// The claims with scopes: the first two of OAuth access tokens, the last of machine tokens.
const SCOPES: [&str; 3] = ["scope", "scp", "scopes"];

/// Returns the scopes of a token. `claim` returns a claim of the token by its name. Each claim with scopes is a
/// space-delimited string or an array of strings.
pub(crate) fn scopes(claim: impl Fn(&'static str) -> Option<Value>) -> Vec<String> {
    let each = |value| match value {
        Value::String(text) => {
            Some(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect::<Vec<_>>())
        }
        Value::Array(scopes) => scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    SCOPES.into_iter().filter_map(claim).filter_map(each).flatten().collect()
}

/// Returns the claim `name`, if the token has it.
pub(crate) fn claim_of(claims: &Claims, name: &'static str) -> Option<Value> {
    claims.get(name).ok().flatten()
}

/// Reads `fva`: the minutes for both factors, −1 for a factor that is not enabled. A value of another form means `None`
/// for both.
pub(crate) fn factor_ages(pair: Option<&Value>) -> [Option<Duration>; 2] {
    let Some([first, second]) = pair.and_then(Value::as_array).map(Vec::as_slice) else { return [None, None] };
    let is_age = |minutes: &Value| minutes.as_i64().is_some_and(|minutes| minutes >= -1);
    if !is_age(first) || !is_age(second) {
        return [None, None];
    }
    let age = |minutes: &Value| minutes.as_u64().map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    [age(first), age(second)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(claims: Value) -> ClerkClaims {
        serde_json::from_value(claims).unwrap()
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn version_1_session_tokens_are_read() {
        let claims =
            claims(json!({"azp": "https://app.example.com", "exp": 2, "iat": 1, "iss": "https://clerk.example.com",
            "nbf": 0, "sid": "sess_1", "sub": "user_1", "act": {"sub": "user_admin"}, "org_id": "org_1",
            "org_slug": "acme", "org_role": "org:admin", "org_permissions": ["org:invoices:create"], "plan": "gold"}));
        assert_eq!((claims.sub.as_str(), claims.sid.as_deref()), ("user_1", Some("sess_1")));
        assert_eq!(claims.azp.as_deref(), Some("https://app.example.com"));
        assert_eq!(claims.status, SessionStatus::Active);
        assert!(claims.has_role("org:admin") && claims.has_permission("org:invoices:create"));
        assert!(claims.is_impersonated() && !claims.is_machine());
        assert_eq!(claims.custom["plan"], "gold");
        assert!(!claims.custom.contains_key("org_id") && !claims.custom.contains_key("sid"));
    }

    #[test]
    fn version_2_session_tokens_are_read() {
        let claims =
            claims(json!({"v": 2, "sid": "sess_1", "sub": "user_1", "sts": "pending", "fva": [3, -1], "jti": "j",
            "pla": "u:free", "fea": "o:articles,u:export", "act": {"iss": "https://clerk.example.com", "sid": "sess_2",
            "sub": "user_admin"}, "o": {"id": "org_1", "slg": "acme", "rol": "member", "per": "read", "fpm": "1"}}));
        assert_eq!(claims.status, SessionStatus::Pending);
        assert_eq!(claims.jti.as_deref(), Some("j"));
        let organization = claims.organization.as_ref().unwrap();
        assert_eq!((organization.id.as_str(), organization.slug.as_deref()), ("org_1", Some("acme")));
        assert!(claims.has_role("org:member") && claims.has_permission("org:articles:read"));
        assert!(claims.has_plan("free") && claims.has_plan("user:free") && !claims.has_plan("org:free"));
        assert!(claims.has_feature("export") && !claims.has_feature("org:export"));
        let actor = claims.actor.as_ref().unwrap();
        assert_eq!(actor.sub.as_deref(), Some("user_admin"));
        assert_eq!(actor.iss.as_deref(), Some("https://clerk.example.com"));
        assert_eq!(actor.sid.as_deref(), Some("sess_2"));
        assert!(claims.custom.is_empty());
    }

    #[test]
    fn disabled_factor_has_no_age() {
        let ages = |fva: Value| {
            let claims = claims(json!({"sub": "user_1", "fva": fva}));
            (claims.first_factor_age(), claims.second_factor_age())
        };
        assert_eq!(ages(json!([0, 7])), (Some(minutes(0)), Some(minutes(7))));
        assert_eq!(ages(json!([5, -1])), (Some(minutes(5)), None));
        assert_eq!(ages(json!([-1, -1])), (None, None));
        for odd in [
            json!(null),
            json!([]),
            json!([1]),
            json!([1, 2, 3]),
            json!([1, -2]),
            json!([1.5, 2]),
            json!(["1", 2]),
            json!(1),
        ] {
            assert_eq!(ages(odd.clone()), (None, None), "{odd}");
        }
        let claims = claims(json!({"sub": "user_1", "fva": [10, -1]}));
        assert!(claims.first_factor_within(minutes(11)) && !claims.first_factor_within(minutes(10)));
        assert!(!claims.second_factor_within(Duration::MAX));
    }

    #[test]
    fn machine_and_oauth_tokens_have_scopes() {
        let machine = claims(json!({"sub": "mch_1", "jti": "mt_1", "scopes": "mch_2 mch_3"}));
        assert!(machine.is_machine() && machine.has_scope("mch_3") && !machine.has_scope("mch_2 mch_3"));
        let one = claims(json!({"sub": "user_1", "client_id": "c", "scope": "profile  email"}));
        assert_eq!(one.scopes, ["profile", "email"]);
        assert_eq!(one.client_id.as_deref(), Some("c"));
        assert_eq!(claims(json!({"sub": "user_1", "scp": ["profile", "email"]})).scopes, ["profile", "email"]);
        assert!(claims(json!({"sub": "user_1", "scp": ["profile", 7], "scope": 7})).scopes.is_empty());
    }

    #[test]
    fn unreadable_claims_grant_nothing() {
        let odd = claims(
            json!({"v": 2, "sub": "user_1", "sid": 7, "sts": 7, "fea": ["o:a"], "pla": 7, "o": [], "act": true}),
        );
        assert_eq!(odd.status, SessionStatus::Unknown);
        assert!(odd.sid.is_none() && odd.organization.is_none());
        assert!(!odd.has_feature("a") && !odd.has_plan("free") && !odd.has_role("admin"));
        // An unreadable actor still means impersonation.
        assert!(odd.is_impersonated());
        assert!(!claims(json!({"sub": "user_1", "act": null})).is_impersonated());
        for sub in [json!({}), json!({"sub": 7}), json!({"sub": null})] {
            assert!(serde_json::from_value::<ClerkClaims>(sub).is_err());
        }
    }

    #[test]
    fn debug_shows_no_claim() {
        let claims = claims(json!({"sub": "secret", "act": {"sub": "secret"}, "fea": "o:secret"}));
        let shown = format!("{claims:?} {:?} {:?}", claims.actor, claims.features);
        assert_eq!(shown, "ClerkClaims { .. } Some(Actor { .. }) Entitlements { .. }");
    }
}
