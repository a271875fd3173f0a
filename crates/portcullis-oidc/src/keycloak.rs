//! The preset for Keycloak.

use std::borrow::Cow;
use std::collections::HashMap;

use portcullis::checks::{AuthorizedParties, CheckAbout, ClaimCheck, TokenView};
use portcullis::claims::{Claims, GrantReader, Grants};
use portcullis::config::values;
use portcullis::error::InvalidToken;
use portcullis::jose::AlgorithmSet;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::explain::Refused;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the access tokens of a Keycloak realm.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis::roles;
/// use portcullis_oidc::Keycloak;
///
/// let verifier = Keycloak::new("https://keycloak.example.com", "main", "api").client("api").verifier()?;
/// let policy = roles(["editor"]);
/// # Ok(()) }
/// ```
///
/// **In Keycloak**: create a client for the API. Create a client scope with a mapper of type *Audience* that includes
/// this client. Add the scope to the clients that call the API.
///
/// **A token** has `typ: Bearer` in its payload, the calling client in `azp`, the realm's roles in
/// `realm_access.roles`, and the roles of each client in `resource_access.{client}.roles`.
///
/// **What gets in, and what is refused**: each kind of token that Keycloak issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/keycloak.md")]
///
/// Before version 17, Keycloak's address ended with `/auth`.
///
/// See <https://www.keycloak.org/docs/latest/server_admin/#audience-support>.
pub type Keycloak = Preset<Realm>;

/// The settings of a Keycloak realm.
#[derive(Clone, Debug)]
pub struct Realm {
    base: String,
    name: String,
    audience: String,
    client: Option<String>,
    parties: Option<Vec<String>>,
}

impl Preset<Realm> {
    /// Accepts the tokens of one realm for one API.
    ///
    /// `base` is Keycloak's address, for example `https://keycloak.example.com`. `audience` is the client ID of the API.
    pub fn new(base: impl Into<String>, realm: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(Realm {
            base: base.into(),
            name: realm.into(),
            audience: audience.into(),
            client: None,
            parties: None,
        })
    }

    /// Shows policies the roles of this client instead of the realm's roles. A user can be `admin` of the realm and not
    /// of the client.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.provider.client = Some(client.into());
        self
    }

    /// Accepts only tokens that were issued to these clients (`azp`).
    pub fn authorized_parties<S: Into<String>>(mut self, clients: impl IntoIterator<Item = S>) -> Self {
        self.provider.parties = Some(clients.into_iter().map(Into::into).collect());
        self
    }
}

impl IdentityProvider for Realm {
    const URL_FIELD: &'static str = "base";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let base = values::base_url("base", &self.base, "https://keycloak.example.com")?;
        if base.contains("/realms/") {
            let instead = "write the part before /realms/, for example https://keycloak.example.com";
            return Err(ConfigError::new("base", "it contains a realm", instead));
        }
        let realm = values::path_segment("realm", &self.name, "write the realm's name as it stands in its URLs")?;
        if self
            .parties
            .as_ref()
            .is_some_and(|parties| parties.is_empty() || parties.iter().any(|id| id.trim().is_empty()))
        {
            return Err(ConfigError::new("authorized_parties", "empty", "write at least one client ID"));
        }
        if self.client.as_ref().is_some_and(|client| client.trim().is_empty()) {
            return Err(ConfigError::new("client", "empty", "write the ID of the client whose roles policies see"));
        }
        let issuer = format!("{base}/realms/{realm}");
        Ok(ProviderSettings {
            keys: KeyLocation::Url(format!("{issuer}/protocol/openid-connect/certs")),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            // The administrator of a realm chooses the algorithms.
            algorithms: AlgorithmSet::ASYMMETRIC,
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.check(TypIsBearer).grants(KeycloakGrants { client: self.client.clone() });
        match &self.parties {
            Some(parties) => builder.check(AuthorizedParties::any_of(parties)),
            None => builder,
        }
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.is_foreign {
            return None;
        }
        match refused.claim("typ").as_deref() {
            Some("ID") => Some("an ID token: have the client send the access token"),
            Some("Refresh" | "Offline") => Some("a refresh token: have the client send the access token"),
            Some("Logout") => Some("a logout token, which is for the logout endpoint of a client"),
            Some("Bearer") if matches!(refused.found, InvalidToken::WrongAudience) => {
                Some("the client lacks a scope with a mapper of type Audience that includes this API")
            }
            _ => None,
        }
    }
}

/// Checks `typ` of the payload. It is `Bearer` in access tokens, and `ID`, `Refresh`, `Offline` or `Logout` in others.
struct TypIsBearer;

impl ClaimCheck for TypIsBearer {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let class = token.claims().required::<String>("typ")?;
        if class == "Bearer" { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("typ").expecting_any_of(["Bearer"])
    }
}

#[derive(Debug)]
struct KeycloakGrants {
    client: Option<String>,
}

impl GrantReader for KeycloakGrants {
    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let roles = match &self.client {
            None => claims.get::<Access>("realm_access").ok().flatten().unwrap_or_default().roles,
            Some(client) => {
                let access = claims.get::<HashMap<String, Access>>("resource_access").ok().flatten();
                access.and_then(|mut access| access.remove(client)).unwrap_or_default().roles
            }
        };
        roles.into_iter().map(Cow::Owned).collect()
    }
}

#[derive(Clone, Default, Deserialize)]
struct Access {
    #[serde(default)]
    roles: Vec<String>,
    /// All other members. Without this field, serde would read an array as this struct, item by item.
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

/// The claims of a Keycloak access token.
///
/// ```
/// use portcullis_oidc::KeycloakClaims;
///
/// let claims: KeycloakClaims = serde_json::from_str(
///     r#"{"sub": "f:1", "azp": "web", "realm_access": {"roles": ["user"]},
///         "resource_access": {"api": {"roles": ["editor"]}}}"#,
/// )?;
/// assert_eq!(claims.realm_roles(), ["user"]);
/// assert_eq!(claims.client_roles("api"), ["editor"]);
/// assert!(claims.client_roles("other").is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct KeycloakClaims {
    /// The user, or the service account of a client. It can be absent from lightweight access tokens.
    pub sub: Option<String>,
    /// The client that the token was issued to.
    pub azp: Option<String>,
    /// The session.
    pub sid: Option<String>,
    /// The user name, to display. It can change, so do not authorize by it.
    pub preferred_username: Option<String>,
    #[serde(default)]
    realm_access: Access,
    #[serde(default)]
    resource_access: HashMap<String, Access>,
}

impl KeycloakClaims {
    /// Returns the user's roles in the realm.
    #[must_use]
    pub fn realm_roles(&self) -> &[String] {
        &self.realm_access.roles
    }

    /// Returns the user's roles in `client`.
    #[must_use]
    pub fn client_roles(&self, client: &str) -> &[String] {
        self.resource_access.get(client).map_or(&[], |access| &access.roles)
    }
}

impl std::fmt::Debug for KeycloakClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeycloakClaims { .. }")
    }
}
