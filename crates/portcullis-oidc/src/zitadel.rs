//! The preset for Zitadel.

use portcullis::ConfigError;
use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::claims::{Claims, GrantReader, Grants};
use portcullis::error::InvalidToken;
use portcullis::jose::AlgorithmSet;
use portcullis::verifier::JwtVerifierBuilder;
use serde_json::{Map, Value};

use crate::explain::Refused;
use crate::preset::{IdentityProvider, Preset, ProviderSettings};
use crate::url;

/// Accepts the access tokens of a Zitadel instance for one project.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Zitadel;
///
/// let verifier = Zitadel::new("https://instance-1.zitadel.cloud", "69234237810729019").verifier()?;
/// # Ok(()) }
/// ```
///
/// **In Zitadel**: the project's page shows its *resource ID*, which is the audience. Switch on *Assert Roles on
/// Authentication* in the project. Set *Auth Token Type* of the calling application to *JWT*. A client of another
/// project must ask for the scope `urn:zitadel:iam:org:project:id:{project}:aud`.
///
/// **A token** has the user's roles in `urn:zitadel:iam:org:project:{project}:roles`: an object with one member per
/// role, which lists the organizations that granted it.
///
/// **What gets in, and what is refused**: each kind of token that Zitadel issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/zitadel.md")]
///
/// The claim `urn:zitadel:iam:org:project:roles` has the roles in the *client's* project, which may be another project.
/// Policies see it only if you call [`Self::roles_of_clients_project`]. Policies do not tell organizations apart: a role
/// counts if any organization granted it. If the organization matters, read the claim in the handler.
///
/// See <https://zitadel.com/docs/apis/openidoauth/claims>.
pub type Zitadel = Preset<ZitadelProject>;

/// The settings of a project of a Zitadel instance.
#[derive(Clone, Debug)]
pub struct ZitadelProject {
    instance: String,
    project: String,
    roles_of_client: bool,
}

impl Preset<ZitadelProject> {
    /// Accepts the tokens of one instance for one project.
    ///
    /// `instance` is the instance's URL or custom domain. `project` is the project's resource ID.
    pub fn new(instance: impl Into<String>, project: impl Into<String>) -> Self {
        Self::of(ZitadelProject { instance: instance.into(), project: project.into(), roles_of_client: false })
    }

    /// Reads roles from `urn:zitadel:iam:org:project:roles`: the roles in the calling client's project. Use it only if
    /// all clients belong to this project.
    pub fn roles_of_clients_project(mut self) -> Self {
        self.provider.roles_of_client = true;
        self
    }
}

impl IdentityProvider for ZitadelProject {
    const URL_FIELD: &'static str = "instance";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let issuer = url::origin("instance", &self.instance, "https://instance-1.zitadel.cloud")?;
        // The administrator of an instance chooses the algorithms.
        Ok(ProviderSettings::discovered(issuer, &self.project, AlgorithmSet::ASYMMETRIC))
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let claim = if self.roles_of_client {
            "urn:zitadel:iam:org:project:roles".to_owned()
        } else {
            format!("urn:zitadel:iam:org:project:{}:roles", self.project)
        };
        builder.check(HasTokenId).grants(ZitadelGrants { claim })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: a personal access token, or of an application with the token type Bearer");
        }
        if refused.claim("sub").is_some_and(|subject| subject == refused.issuer()) {
            return Some("an assertion of a service user: have the client exchange it for an access token");
        }
        let is_id_token = !refused.is_foreign && refused.has("azp") && !refused.has("jti");
        is_id_token.then_some("an ID token: have the client send the access token")
    }
}

/// Checks for `jti`. Access tokens have it, and ID tokens for the same audiences do not:
/// <https://zitadel.com/docs/apis/openidoauth/claims>.
struct HasTokenId;

impl ClaimCheck for HasTokenId {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let has_id = token.claims().get::<String>("jti")?.is_some_and(|id| !id.is_empty());
        if has_id { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("jti").expecting("present: ID tokens lack it")
    }
}

/// Reads the roles: the members of an object, each with the organizations that granted it.
#[derive(Debug)]
struct ZitadelGrants {
    claim: String,
}

impl GrantReader for ZitadelGrants {
    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let roles: Map<String, Value> = claims.get(self.claim.clone()).ok().flatten().unwrap_or_default();
        // At least one organization granted the role: a member with its identifier and domain.
        let is_held =
            |organizations: &Value| organizations.as_object().is_some_and(|all| all.values().any(Value::is_string));
        roles.into_iter().filter(|(_, organizations)| is_held(organizations)).map(|(role, _)| role.into()).collect()
    }
}
