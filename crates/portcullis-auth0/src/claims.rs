//! The claims of an Auth0 access token.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The claims of an Auth0 access token. Tokens of both access-token profiles fit.
///
/// ```
/// use portcullis_auth0::Auth0Claims;
///
/// let claims: Auth0Claims = serde_json::from_str(
///     r#"{"sub": "abc@clients", "azp": "abc", "scope": "read:messages", "gty": "client-credentials",
///         "https://example.com/roles": ["admin"]}"#,
/// )?;
/// assert!(claims.is_machine());
/// assert_eq!(claims.client_id(), Some("abc"));
/// assert_eq!(claims.custom["https://example.com/roles"][0], "admin");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct Auth0Claims {
    /// The caller: `auth0|…` or `google-oauth2|…` for a user, `{client id}@clients` for a machine.
    pub sub: String,
    /// The granted scopes.
    #[serde(default, deserialize_with = "space_delimited")]
    pub scope: Vec<String>,
    /// The permissions of the user or machine. The token contains them if RBAC and *Add Permissions in the Access Token*
    /// are on for the API.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The organization's identifier, `org_…`.
    pub org_id: Option<String>,
    /// The organization's name, if the tenant allows names in tokens.
    pub org_name: Option<String>,
    /// The grant type, for example `client-credentials` or `password`. Only tokens of the profile `auth0` have it.
    pub gty: Option<String>,
    /// The token's identifier. Only tokens of the profile `rfc9068_profile` have it.
    pub jti: Option<String>,
    /// The rich authorization details (RFC 9396).
    pub authorization_details: Option<Value>,
    azp: Option<String>,
    client_id: Option<String>,
    /// All other claims, including namespaced ones.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl Auth0Claims {
    /// Returns the client that the token was issued to: `client_id`, or else `azp`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref().or(self.azp.as_deref())
    }

    /// Tells whether the caller is a machine that acts for itself (client credentials grant).
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.sub.ends_with("@clients")
    }

    /// Tells whether `scope` was granted.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.iter().any(|granted| granted == scope)
    }

    /// Tells whether the caller has `permission`.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held == permission)
    }
}

impl std::fmt::Debug for Auth0Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth0Claims { .. }")
    }
}

fn space_delimited<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    Ok(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth0_profile_is_read() {
        let claims: Auth0Claims = serde_json::from_str(
            r#"{"iss":"https://tenant.eu.auth0.com/","sub":"auth0|1","aud":["https://api.example.com","https://tenant.eu.auth0.com/userinfo"],
                "iat":1,"exp":2,"scope":"openid read:messages","azp":"client-1","gty":"password","permissions":["read:messages"],
                "org_id":"org_1","org_name":"one","https://example.com/roles":["admin"]}"#,
        )
        .unwrap();
        assert_eq!(claims.client_id(), Some("client-1"));
        assert!(claims.has_scope("read:messages") && !claims.has_scope("read"));
        assert!(claims.has_permission("read:messages") && !claims.is_machine());
        assert_eq!((claims.org_id.as_deref(), claims.org_name.as_deref()), (Some("org_1"), Some("one")));
        assert_eq!(claims.gty.as_deref(), Some("password"));
        assert_eq!(claims.custom["https://example.com/roles"], serde_json::json!(["admin"]));
    }

    #[test]
    fn rfc_9068_profile_is_read() {
        let claims: Auth0Claims =
            serde_json::from_str(r#"{"sub":"client-1@clients","client_id":"client-1","jti":"j","cnf":{"jkt":"x"}}"#)
                .unwrap();
        assert_eq!(claims.client_id(), Some("client-1"));
        assert_eq!(claims.jti.as_deref(), Some("j"));
        assert!(claims.is_machine() && claims.scope.is_empty() && claims.permissions.is_empty());
    }

    #[test]
    fn debug_shows_no_claim() {
        let claims: Auth0Claims = serde_json::from_str(r#"{"sub":"secret"}"#).unwrap();
        assert_eq!(format!("{claims:?}"), "Auth0Claims { .. }");
    }
}
