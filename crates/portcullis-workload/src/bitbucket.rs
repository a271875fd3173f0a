//! The preset for Bitbucket Pipelines.

use portcullis::config::{values, variables};
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;

use crate::checks::{OneOf, Otherwise, none_empty};
use crate::environment;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the OIDC tokens of steps in Bitbucket Pipelines.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::Bitbucket;
///
/// # const AUDIENCE: &str = "ari:cloud:bitbucket::workspace/7d9b6f1c-54b3-4f4c-8d36-7c9c3b0a2f11";
/// let step = Bitbucket::new("acme", AUDIENCE).repository("c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d").branch("main");
/// let deploy = post(async |step: Auth| format!("deployed by {}", step.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/deploy", deploy).with_state(Gate::new(step.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In Bitbucket**: *Repository settings → OpenID Connect* shows the identity provider URL, the audience and the UUID of the
/// repository. Set `oidc: true` on the step, which then has the token in `BITBUCKET_STEP_OIDC_TOKEN`.
///
/// **The trap**: issuer and default audience are those of the workspace, so every repository of it has them, and every service
/// that gets such a token can present it to another. `sub` has the UUID of the step, so it is different in each run: do
/// not compare it. UUIDs are in braces. Pipelines for pull requests have the name of the source branch in `branchName`.
///
/// **What gets in, and what is refused**: each kind of token that Bitbucket issues, or that steps send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/bitbucket.md")]
///
/// See <https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/>.
pub type Bitbucket = Preset<BitbucketWorkspace>;

/// The settings for steps of a Bitbucket workspace.
#[derive(Clone, Debug)]
pub struct BitbucketWorkspace {
    workspace: String,
    audience: String,
    repositories: Vec<String>,
    environments: Vec<String>,
    branches: Vec<String>,
    any_repository: bool,
}

const WORKSPACE: &str = "PORTCULLIS_BITBUCKET_WORKSPACE";
const REPOSITORIES: &str = "PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS";

impl Preset<BitbucketWorkspace> {
    /// Accepts the steps of this workspace, by its name in URLs, for this audience.
    pub fn new(workspace: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(BitbucketWorkspace {
            workspace: workspace.into(),
            audience: audience.into(),
            repositories: Vec::new(),
            environments: Vec::new(),
            branches: Vec::new(),
            any_repository: false,
        })
    }

    /// Accepts the repository with this UUID, with or without braces. Each call adds one.
    pub fn repository(mut self, uuid: impl Into<String>) -> Self {
        self.source.repositories.push(uuid.into());
        self
    }

    /// Accepts every repository of the workspace.
    pub fn any_repository(mut self) -> Self {
        self.source.any_repository = true;
        self
    }

    /// Accepts only steps of the deployment environment with this UUID, with or without braces. Each call adds one. Others are
    /// refused as `check_failed`, and steps without an environment as `missing_claim`.
    pub fn environment(mut self, uuid: impl Into<String>) -> Self {
        self.source.environments.push(uuid.into());
        self
    }

    /// Accepts only steps for this branch. Each call adds one. Others are refused as `check_failed`.
    pub fn branch(mut self, name: impl Into<String>) -> Self {
        self.source.branches.push(name.into());
        self
    }

    /// Reads `PORTCULLIS_BITBUCKET_WORKSPACE`, `PORTCULLIS_BITBUCKET_AUDIENCE`, the list `PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS`,
    /// and the optional lists `PORTCULLIS_BITBUCKET_ENVIRONMENT_UUIDS` and `PORTCULLIS_BITBUCKET_BRANCHES`.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let workspace = environment::required(&lookup, WORKSPACE, "write the workspace as it stands in URLs");
        let workspace = workspace.and_then(|name| check_workspace(WORKSPACE, &name).map(|()| name));
        let instead = "write the audience that the repository's settings show";
        let audience = environment::required(&lookup, "PORTCULLIS_BITBUCKET_AUDIENCE", instead);
        let repositories = variables::listed(&lookup, REPOSITORIES, "write UUIDs of repositories");
        let repositories = repositories.and_then(|uuids| in_braces(REPOSITORIES, &uuids).map(|_| uuids));
        let list = |name| environment::list(&lookup, name, "write a list, separated by commas");
        let lists =
            ConfigError::both(list("PORTCULLIS_BITBUCKET_ENVIRONMENT_UUIDS"), list("PORTCULLIS_BITBUCKET_BRANCHES"));
        let ((workspace, audience), (repositories, (environments, branches))) =
            ConfigError::both(ConfigError::both(workspace, audience), ConfigError::both(repositories, lists))?;
        Ok(Self::of(BitbucketWorkspace {
            workspace,
            audience,
            repositories,
            environments,
            branches,
            any_repository: false,
        }))
    }
}

fn check_workspace(field: &'static str, name: &str) -> Result<(), ConfigError> {
    values::path_segment(field, name, "write the workspace as it stands in bitbucket.org/WORKSPACE").map(|_| ())
}

/// Writes UUIDs as tokens have them: in lower case and in braces.
fn in_braces(field: &'static str, uuids: &[String]) -> Result<Vec<String>, ConfigError> {
    let each = uuids.iter().map(|uuid| {
        let bare = uuid.trim_start_matches('{').trim_end_matches('}').to_ascii_lowercase();
        let is_uuid = bare.len() == 36 && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let instead = "write a UUID, such as {c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}";
        if is_uuid { Ok(format!("{{{bare}}}")) } else { Err(ConfigError::new(field, "not a UUID", instead)) }
    });
    each.collect()
}

impl TokenIssuer for BitbucketWorkspace {
    const URL_FIELD: &'static str = "workspace";

    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.repositories.is_empty() && !self.any_repository {
            return Err(ConfigError::new(
                "repository",
                "not set, and every repository of the workspace gets a token for this audience",
                "call repository() or any_repository()",
            ));
        }
        check_workspace("workspace", &self.workspace)?;
        in_braces("repository", &self.repositories)?;
        in_braces("environment", &self.environments)?;
        none_empty("branch", &self.branches, "write its name, for example main")?;
        let issuer =
            format!("https://api.bitbucket.org/2.0/workspaces/{}/pipelines-config/identity/oidc", self.workspace);
        Ok(Settings {
            keys: Place::MetadataOf(issuer.clone()).into(),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, mut builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let uuids = |uuids: &[String]| in_braces("", uuids).unwrap_or_default();
        if !self.any_repository {
            let accepted = uuids(&self.repositories);
            builder = builder.check(OneOf { claim: "repositoryUuid", accepted, otherwise: Otherwise::WrongParty });
        }
        for (claim, accepted, name) in [
            ("deploymentEnvironmentUuid", uuids(&self.environments), "environment"),
            ("branchName", self.branches.clone(), "branch"),
        ] {
            if !accepted.is_empty() {
                builder = builder.check(OneOf { claim, accepted, otherwise: Otherwise::CheckFailed(name) });
            }
        }
        builder
    }
}

/// The claims of a step's token.
///
/// ```
/// use portcullis_workload::BitbucketClaims;
///
/// let claims: BitbucketClaims = serde_json::from_str(
///     r#"{"repositoryUuid": "{c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d}", "branchName": "main"}"#,
/// )?;
/// assert_eq!(claims.branch_name.as_deref(), Some("main"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "camelCase")]
pub struct BitbucketClaims {
    /// The repository, in braces.
    pub repository_uuid: String,
    /// The workspace, in braces.
    pub workspace_uuid: Option<String>,
    /// The branch. It is absent in pipelines for tags.
    pub branch_name: Option<String>,
    /// The deployment environment, in braces.
    pub deployment_environment_uuid: Option<String>,
    /// The pipeline, in braces.
    pub pipeline_uuid: Option<String>,
    /// The step, in braces.
    pub step_uuid: Option<String>,
}

impl std::fmt::Debug for BitbucketClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BitbucketClaims { .. }")
    }
}
