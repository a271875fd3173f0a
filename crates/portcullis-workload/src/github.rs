//! The preset for GitHub Actions.

use std::borrow::Cow;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;

use crate::checks::{OneOf, Otherwise, decimal, failed, none_empty};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the ID tokens of jobs in GitHub Actions.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::GitHubActions;
///
/// let github = GitHubActions::new("https://api.example.com").repository(456789).git_ref("refs/heads/main");
/// let deploy = post(async |job: Auth| format!("deployed by {}", job.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/deploy", deploy).with_state(Gate::new(github.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In GitHub**: give the job `permissions: id-token: write`. It asks for a token with
/// `core.getIDToken("https://api.example.com")`, or with a request to `$ACTIONS_ID_TOKEN_REQUEST_URL&audience=…`. The numbers
/// are shown by `gh api repos/OWNER/NAME --jq '.id, .owner.id'`.
///
/// **The trap**: every job of every repository on GitHub gets a token for any audience that it asks for. Issuer and audience
/// keep no job out, so the preset needs a repository or an owner. It compares their numbers, because the name of a deleted or
/// renamed repository can be registered again by others. Since 2026-07-15, `sub` of new and renamed repositories contains the
/// numbers as well (`repo:octocat@123456/my-repo@456789:ref:refs/heads/main`), so do not compare `sub` with a text.
///
/// **Pull requests** are refused by default. The token does not say whether the changes come from a fork, and
/// `pull_request_target` runs with the name of the base branch. Workflows for `issue_comment` and `workflow_run` can be
/// started by strangers as well: choose the workflow with [`Self::job_workflow`] where the repository has such workflows.
/// An environment can be named by any workflow of the repository, so it counts only with protection rules.
///
/// **What gets in, and what is refused**: each kind of token that GitHub issues, or that jobs send by mistake. "The log adds" is
/// the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/github.md")]
///
/// See <https://docs.github.com/en/actions/reference/security/oidc> and
/// <https://learn.microsoft.com/en-us/entra/workload-id/workload-identities-github-immutable-subjects>.
pub type GitHubActions = Preset<GitHubJobs>;

/// The settings for jobs in GitHub Actions.
#[derive(Clone, Debug, Default)]
pub struct GitHubJobs {
    audience: String,
    host: Option<String>,
    owners: Vec<u64>,
    repositories: Vec<u64>,
    any_repository: bool,
    refs: Vec<String>,
    environments: Vec<String>,
    workflows: Vec<String>,
    pull_requests: bool,
}

const PULL_REQUEST: &str = "not a pull request";
const OWNERS: &str = "PORTCULLIS_GITHUB_OWNER_IDS";
const REPOSITORIES: &str = "PORTCULLIS_GITHUB_REPOSITORY_IDS";

impl Preset<GitHubJobs> {
    /// Accepts the tokens that jobs got for this audience. Choose one that only this service has, for example its URL.
    pub fn new(audience: impl Into<String>) -> Self {
        Self::of(GitHubJobs { audience: audience.into(), ..GitHubJobs::default() })
    }

    /// Accepts the jobs of this repository, by its number (`repository_id`). Each call adds one.
    pub fn repository(mut self, id: u64) -> Self {
        self.source.repositories.push(id);
        self
    }

    /// Accepts the jobs of all repositories of this organization or user, by its number (`repository_owner_id`). Each call
    /// adds one.
    pub fn owner(mut self, id: u64) -> Self {
        self.source.owners.push(id);
        self
    }

    /// Accepts the jobs of every repository on GitHub: for a service that looks up the caller's rights by
    /// [`GitHubClaims::repository_id`], for example in a table of its customers.
    pub fn any_repository(mut self) -> Self {
        self.source.any_repository = true;
        self
    }

    /// Accepts only jobs for this Git reference in its full form, for example `refs/heads/main`. Each call adds one. Others
    /// are refused as `check_failed`.
    pub fn git_ref(mut self, name: impl Into<String>) -> Self {
        self.source.refs.push(name.into());
        self
    }

    /// Accepts only jobs of this deployment environment. Each call adds one. Others are refused as `check_failed`, and jobs
    /// without an environment as `missing_claim`.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.source.environments.push(name.into());
        self
    }

    /// Accepts only jobs that this workflow defines (`job_workflow_ref`), for example
    /// `octo-org/workflows/.github/workflows/deploy.yml@refs/heads/main`. Each call adds one. Others are refused as
    /// `check_failed`.
    pub fn job_workflow(mut self, reference: impl Into<String>) -> Self {
        self.source.workflows.push(reference.into());
        self
    }

    /// Also accepts jobs for pull requests. The changes may come from a fork, so anyone who can open a pull request calls this
    /// service.
    pub fn pull_requests(mut self) -> Self {
        self.source.pull_requests = true;
        self
    }

    /// Accepts the jobs of a GitHub Enterprise Server, whose issuer is `https://HOST/_services/token`.
    pub fn enterprise_server(mut self, host: impl Into<String>) -> Self {
        self.source.host = Some(host.into());
        self
    }

    /// Reads the settings from environment variables.
    ///
    /// - `PORTCULLIS_GITHUB_AUDIENCE`: see [`Self::new`].
    /// - `PORTCULLIS_GITHUB_REPOSITORY_IDS`, `PORTCULLIS_GITHUB_OWNER_IDS`: numbers, separated by commas; at least one of them.
    /// - `PORTCULLIS_GITHUB_REFS`, `PORTCULLIS_GITHUB_ENVIRONMENTS`, `PORTCULLIS_GITHUB_JOB_WORKFLOWS` (optional): lists.
    /// - `PORTCULLIS_GITHUB_HOST` (optional): the host of a GitHub Enterprise Server.
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
        let audience = environment::required(
            &lookup,
            "PORTCULLIS_GITHUB_AUDIENCE",
            "write what jobs pass to getIDToken, such as https://api.example.com",
        );
        let repositories = environment::ids(&lookup, REPOSITORIES, "write the numbers of repositories, such as 456789");
        let owners = environment::ids(&lookup, OWNERS, "write the numbers of organizations or users, such as 123456");
        let missing = nobody(REPOSITORIES, "set it, or PORTCULLIS_GITHUB_OWNER_IDS");
        let callers = environment::at_least_one(repositories, owners, missing);
        let list = |name| environment::list(&lookup, name, "write names, separated by commas");
        let names = ConfigError::both(
            ConfigError::both(list("PORTCULLIS_GITHUB_REFS"), list("PORTCULLIS_GITHUB_ENVIRONMENTS")),
            ConfigError::both(
                list("PORTCULLIS_GITHUB_JOB_WORKFLOWS"),
                environment::optional(&lookup, "PORTCULLIS_GITHUB_HOST"),
            ),
        );
        let ((audience, (repositories, owners)), ((refs, environments), (workflows, host))) =
            ConfigError::both(ConfigError::both(audience, callers), names)?;
        Ok(Self::of(GitHubJobs {
            audience,
            host,
            owners,
            repositories,
            refs,
            environments,
            workflows,
            ..GitHubJobs::default()
        }))
    }
}

fn nobody(field: &'static str, instead: &'static str) -> ConfigError {
    ConfigError::new(field, "not set, and every repository on GitHub can get a token for this audience", instead)
}

impl TokenIssuer for GitHubJobs {
    const URL_FIELD: &'static str = "host";

    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.owners.is_empty() && self.repositories.is_empty() && !self.any_repository {
            return Err(nobody("repository", "call repository() or owner(), or any_repository()"));
        }
        none_empty("git_ref", &self.refs, "write a full reference, for example refs/heads/main")?;
        if self.refs.iter().any(|name| !name.starts_with("refs/")) {
            let instead = "write the full form, for example refs/heads/main or refs/tags/v1";
            return Err(ConfigError::new("git_ref", "it does not begin with refs/", instead));
        }
        none_empty("environment", &self.environments, "write the environment's name, for example production")?;
        none_empty("job_workflow", &self.workflows, "write OWNER/NAME/.github/workflows/FILE@REF")?;
        let issuer = match &self.host {
            None => "https://token.actions.githubusercontent.com".to_owned(),
            Some(host) => format!("{}/_services/token", values::origin("host", host, "github.example.com")?),
        };
        Ok(Settings {
            keys: Place::Url(format!("{issuer}/.well-known/jwks")).into(),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, mut builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        // The tokens for GitHub's own API.
        builder = builder.opaque_prefixes(["ghs_", "ghp_", "gho_", "ghu_", "github_pat_"]);
        if !self.any_repository {
            builder = builder
                .check(AcceptedRepository { owners: decimal(&self.owners), repositories: decimal(&self.repositories) });
        }
        if !self.pull_requests {
            builder = builder.check(NotPullRequest);
        }
        for (claim, accepted) in
            [("ref", &self.refs), ("environment", &self.environments), ("job_workflow_ref", &self.workflows)]
        {
            if !accepted.is_empty() {
                builder = builder.check(OneOf {
                    claim,
                    accepted: accepted.clone(),
                    otherwise: Otherwise::CheckFailed(claim),
                });
            }
        }
        builder
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::OpaqueToken) {
            return Some("a token for GitHub's API: have the job send its ID token");
        }
        if refused.failed(PULL_REQUEST) {
            return Some("a job for a pull request, whose changes may come from a fork");
        }
        let has_default = refused.has_audience(|audience| audience.starts_with("https://github.com/"));
        if refused.is_for_others() && has_default {
            return Some("the default audience: have the job ask for the audience of this service");
        }
        None
    }
}

struct AcceptedRepository {
    owners: Vec<String>,
    repositories: Vec<String>,
}

impl ClaimCheck for AcceptedRepository {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let repository = token.claims().required::<Cow<'_, str>>("repository_id")?;
        let owner = token.claims().required::<Cow<'_, str>>("repository_owner_id")?;
        let is_accepted =
            self.repositories.iter().any(|id| *id == repository) || self.owners.iter().any(|id| *id == owner);
        if is_accepted { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }
}

struct NotPullRequest;

impl ClaimCheck for NotPullRequest {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let event = token.claims().required::<Cow<'_, str>>("event_name")?;
        let reference = token.claims().required::<Cow<'_, str>>("ref")?;
        if event.trim().is_empty() {
            return Err(InvalidToken::invalid("event_name"));
        }
        let is_one = event.starts_with("pull_request") || reference.starts_with("refs/pull/");
        if is_one { Err(failed(PULL_REQUEST)) } else { Ok(()) }
    }
}

/// The claims of a job's token.
///
/// ```
/// use portcullis_workload::GitHubClaims;
///
/// let claims: GitHubClaims = serde_json::from_str(
///     r#"{"repository": "octocat/my-repo", "repository_id": "456789", "repository_owner_id": "123456",
///         "ref": "refs/heads/main", "event_name": "push", "actor": "octocat", "actor_id": "583231"}"#,
/// )?;
/// assert_eq!(claims.repository_id, "456789");
/// assert!(claims.environment.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct GitHubClaims {
    /// The number of the repository. It never changes, and is never used again.
    pub repository_id: String,
    /// The number of the organization or user that owns the repository.
    pub repository_owner_id: String,
    /// The repository as `owner/name`, to display. The name can pass to others.
    pub repository: Option<String>,
    /// The Git reference that the job runs for, for example `refs/heads/main`.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// The commit.
    pub sha: Option<String>,
    /// The event that started the workflow, for example `push`.
    pub event_name: Option<String>,
    /// The deployment environment of the job.
    pub environment: Option<String>,
    /// The workflow that defines the job, with its reference. It differs from `workflow_ref` for a reusable workflow.
    pub job_workflow_ref: Option<String>,
    /// The number of the user who started the workflow.
    pub actor_id: Option<String>,
    /// The name of the user who started the workflow, to display.
    pub actor: Option<String>,
    /// The number of the workflow run.
    pub run_id: Option<String>,
    /// `github-hosted` or `self-hosted`.
    pub runner_environment: Option<String>,
}

impl std::fmt::Debug for GitHubClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GitHubClaims { .. }")
    }
}
