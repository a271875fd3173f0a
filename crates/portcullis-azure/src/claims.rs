//! The claims of an Entra ID access token.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::caller::{Caller, CallerClaims};
use crate::grants;
use crate::groups::{self, Groups};

/// The claims of an access token, version 1.0 or 2.0. Identify users by [`Self::tid`] and [`Self::oid`] together.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>
///
/// ```
/// use portcullis_azure::{AzureClaims, Groups};
///
/// let claims: AzureClaims = serde_json::from_str(
///     r#"{"sub": "pairwise", "oid": "object", "tid": "tenant", "azp": "client", "scp": "Files.Read",
///         "_claim_names": {"groups": "src1"}}"#,
/// )?;
/// assert!(claims.has_scope("Files.Read") && claims.is_delegated() && !claims.is_app_only());
/// assert_eq!(claims.client_id(), Some("client"));
/// // The user has more groups than fit into the token.
/// assert_eq!(claims.groups, Groups::Overage);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct AzureClaims {
    /// The caller's identifier for this API. It is different for each API.
    pub sub: String,
    /// The identifier of the user or application in the tenant. It is the same for all APIs.
    pub oid: Option<String>,
    /// The tenant.
    pub tid: Option<String>,
    /// The scopes that the user granted to the client.
    #[serde(default, deserialize_with = "space_delimited")]
    pub scp: Vec<String>,
    /// The roles of the application or of the user. [`Self::caller`] tells which of them.
    #[serde(default, deserialize_with = "list")]
    pub roles: Vec<String>,
    /// The groups, or the reason why the token does not list them.
    #[serde(flatten, deserialize_with = "groups::read")]
    pub groups: Groups,
    /// The user's roles in the whole tenant, by their template identifiers.
    #[serde(default, deserialize_with = "list")]
    pub wids: Vec<String>,
    /// The kind of caller, `app` or `user`. Tokens have it if the API's registration asks for it.
    pub idtyp: Option<String>,
    /// The token's version, `1.0` or `2.0`.
    pub ver: Option<String>,
    /// The token's identifier, like `jti`.
    pub uti: Option<String>,
    /// The satisfied authentication contexts, for step-up authentication.
    #[serde(default, deserialize_with = "list")]
    pub acrs: Vec<String>,
    /// The client's capabilities. `cp1` means that it understands claims challenges.
    #[serde(default, deserialize_with = "list")]
    pub xms_cc: Vec<String>,
    appid: Option<String>,
    azp: Option<String>,
    tfp: Option<String>,
    acr: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    unique_name: Option<String>,
    upn: Option<String>,
    email: Option<String>,
    /// All other claims.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl AzureClaims {
    /// Returns the client to which the token was issued: `azp` in version 2.0, `appid` in version 1.0.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.azp.as_deref().or(self.appid.as_deref())
    }

    /// Returns the kind of caller.
    ///
    /// `idtyp` decides if the token has it: `user` is a user, `app` is an application (undecided if the token also has
    /// scopes), and any other value is undecided. Without `idtyp`, scopes mean a user. Without scopes, an `oid` that
    /// equals `sub` means an application, and everything else is undecided.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::of(CallerClaims {
            idtyp: self.idtyp.as_deref(),
            has_scope: !self.scp.is_empty(),
            object: self.oid.as_deref(),
            subject: Some(&self.sub),
        })
    }

    /// Tells whether the caller is certainly an application that acts for itself. `false` does not mean a user: see
    /// [`Caller::Undecided`].
    #[must_use]
    pub fn is_app_only(&self) -> bool {
        self.caller() == Caller::Application
    }

    /// Tells whether the caller is certainly a user. `false` does not mean an application: see [`Caller::Undecided`].
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        self.caller() == Caller::User
    }

    /// Tells whether `scope` was granted.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scp.iter().any(|granted| granted == scope)
    }

    /// Tells whether the caller has `role`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Returns the user flow or custom policy of a B2C token. It has no meaning for an Entra ID token.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.tfp.as_deref().or(self.acr.as_deref())
    }

    /// Returns the user's name, to display.
    ///
    /// **Never authorize by it, and never look up an account by it.** Names, user names and e-mail addresses change and
    /// can pass to other people. In another tenant, its administrator can set them to any value. Use [`Self::tid`] and
    /// [`Self::oid`].
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        [&self.name, &self.preferred_username, &self.unique_name, &self.upn, &self.email]
            .into_iter()
            .find_map(|name| name.as_deref())
    }
}

impl std::fmt::Debug for AzureClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AzureClaims { .. }")
    }
}

fn space_delimited<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    Ok(grants::names(&text).map(str::to_owned).collect())
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> AzureClaims {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn groups_are_listed_overage_or_not_issued() {
        let groups = |more: &str| claims(&format!(r#"{{"sub":"s"{more}}}"#)).groups;
        assert_eq!(groups(r#","groups":["g1","g2"]"#), Groups::Listed(vec!["g1".to_owned(), "g2".to_owned()]));
        assert_eq!(groups(r#","groups":[]"#), Groups::Listed(Vec::new()));
        assert_eq!(groups(""), Groups::NotIssued);
        assert_eq!(groups(r#","hasgroups":false"#), Groups::NotIssued);
        assert_eq!(groups(r#","_claim_names":{"other":"src1"}"#), Groups::NotIssued);
        for overage in [
            r#","_claim_names":{"groups":"src1"},"_claim_sources":{"src1":{"endpoint":"https://graph.windows.net/"}}"#,
            r#","hasgroups":true"#,
            r#","hasgroups":"true""#,
            r#","groups":["g1"],"hasgroups":true"#,
        ] {
            assert_eq!(groups(overage), Groups::Overage, "{overage}");
        }
        let listed = Groups::Listed(vec!["g1".to_owned()]);
        assert_eq!((listed.contains("g1"), listed.contains("g2")), (Some(true), Some(false)));
        assert_eq!((Groups::Overage.contains("g1"), Groups::NotIssued.contains("g1")), (None, None));
    }

    #[test]
    fn claims_of_a_wrong_type_are_an_error() {
        for more in [
            r#","scp":["a"]"#,
            r#","roles":"Admin""#,
            r#","roles":["a",1]"#,
            r#","groups":"g1""#,
            r#","groups":[1]"#,
            r#","oid":1"#,
            r#","uti":1"#,
            r#","idtyp":true"#,
            r#","name":{}"#,
        ] {
            assert!(serde_json::from_str::<AzureClaims>(&format!(r#"{{"sub":"s"{more}}}"#)).is_err(), "{more}");
        }
        assert!(serde_json::from_str::<AzureClaims>("{}").is_err());
    }

    #[test]
    fn custom_lacks_the_display_names() {
        let claims = claims(
            r#"{"sub":"s","name":"N","preferred_username":"p@x","unique_name":"u@x","upn":"v@x","email":"e@x","family_name":"F"}"#,
        );
        assert_eq!(claims.display_name(), Some("N"));
        assert_eq!(claims.custom.keys().collect::<Vec<_>>(), ["family_name"]);
    }

    #[test]
    fn custom_lacks_the_typed_claims() {
        let claims = claims(
            r#"{"sub":"s","groups":["g1"],"hasgroups":false,"_claim_names":{},"_claim_sources":{},"scp":"a","roles":null,
                "wids":["w"],"azp":"c","deviceid":"d"}"#,
        );
        assert_eq!(claims.custom.keys().collect::<Vec<_>>(), ["_claim_sources", "deviceid"]);
        assert_eq!((claims.groups.contains("g1"), claims.wids.as_slice()), (Some(true), &["w".to_owned()][..]));
        assert!(claims.has_scope("a") && claims.roles.is_empty() && claims.client_id() == Some("c"));
    }

    #[test]
    fn debug_shows_no_claim() {
        assert_eq!(format!("{:?}", claims(r#"{"sub":"s","groups":["secret"]}"#).groups), "Listed(..)");
        assert_eq!(format!("{:?}", claims(r#"{"sub":"secret"}"#)), "AzureClaims { .. }");
    }
}
