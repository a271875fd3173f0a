//! Zitadel.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::claims::{Claims, GrantReader, Grants};
use portcullis::error::InvalidToken;
use portcullis::jose::AlgorithmSet;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde_json::{Map, Value};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};
use crate::url;

/// Access tokens of a Zitadel instance for one project.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Zitadel;
///
/// let verifier = Zitadel::new("https://instance-1.zitadel.cloud", "69234237810729019").verifier()?;
/// # Ok(()) }
/// ```
///
/// *In Zitadel*: the project's page has its *resource ID*, which is the audience. Set *Auth Token Type* of the calling
/// application to *JWT*, and switch on *Assert Roles on Authentication* in the project. A client of another project
/// asks for the scope `urn:zitadel:iam:org:project:id:{project}:aud`. *A token* has the roles of each project as the
/// members of `urn:zitadel:iam:org:project:{project}:roles`, with the organizations in which the user holds them.
///
/// *What goes wrong*: with the type *Bearer* tokens are opaque, and refused as `not_compact_jws`. The claim
/// `urn:zitadel:iam:org:project:roles` is about the project of the *client*, which may be another one, so it counts
/// only after [`Self::roles_of_clients_project`]. ID tokens have the same audiences and roles, but no `jti`, and are
/// refused as `wrong_token_class`. A role counts whichever organization gave it: where that matters,
/// read the claim itself. See <https://zitadel.com/docs/apis/openidoauth/claims>.
pub type Zitadel = Preset<ZitadelProject>;

/// A project of a Zitadel instance.
#[derive(Clone, Debug)]
pub struct ZitadelProject {
    instance: String,
    project: String,
    roles_of_client: bool,
}

impl Preset<ZitadelProject> {
    /// `instance` is the instance's URL, or a custom domain of it; `project` is the project's resource ID.
    pub fn new(instance: impl Into<String>, project: impl Into<String>) -> Self {
        Self::of(ZitadelProject { instance: instance.into(), project: project.into(), roles_of_client: false })
    }

    /// Takes the roles of the calling client's project, `urn:zitadel:iam:org:project:roles`, for those of ours: right
    /// where all clients belong to this project.
    pub fn roles_of_clients_project(mut self) -> Self {
        self.provider.roles_of_client = true;
        self
    }
}

impl IdentityProvider for ZitadelProject {
    const URL_FIELD: &'static str = "instance";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let issuer = url::origin("instance", &self.instance, "https://instance-1.zitadel.cloud")?;
        Ok(ProviderSettings {
            keys: KeyLocation::MetadataOf(issuer.clone()),
            issuers: vec![issuer],
            audience: Audience::any_of([self.project.as_str()]),
            // An instance can be given keys for several.
            algorithms: AlgorithmSet::ASYMMETRIC,
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let claim = if self.roles_of_client {
            "urn:zitadel:iam:org:project:roles".to_owned()
        } else {
            format!("urn:zitadel:iam:org:project:{}:roles", self.project)
        };
        builder.check(HasTokenId).grants(ZitadelGrants { claim })
    }
}

/// Access tokens have `jti`, and ID tokens, which are for the same audiences, never have it:
/// <https://zitadel.com/docs/apis/openidoauth/claims>.
struct HasTokenId;

impl ClaimCheck for HasTokenId {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let has_id = token.claims().get::<String>("jti")?.is_some_and(|id| !id.is_empty());
        if has_id { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }
}

/// Roles are the members of an object; each has the organizations in which the user holds it.
#[derive(Debug)]
struct ZitadelGrants {
    claim: String,
}

impl GrantReader for ZitadelGrants {
    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        let roles: Map<String, Value> = claims.get(self.claim.clone()).ok().flatten().unwrap_or_default();
        // Held in at least one organization, by its identifier and its domain.
        let is_held =
            |organizations: &Value| organizations.as_object().is_some_and(|all| all.values().any(Value::is_string));
        roles.into_iter().filter(|(_, organizations)| is_held(organizations)).map(|(role, _)| role.into()).collect()
    }
}
