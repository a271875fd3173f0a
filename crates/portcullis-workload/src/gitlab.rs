//! The preset for GitLab CI/CD.

use std::borrow::Cow;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::claims::Claims;
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::checks::{OneOf, Otherwise, decimal, failed, none_empty};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the ID tokens of jobs in GitLab CI/CD, on gitlab.com or on your own instance.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::GitLab;
///
/// let gitlab = GitLab::new("https://gitlab.com", "https://api.example.com").project(22).branch("main").protected_refs();
/// let deploy = post(async |job: Auth| format!("deployed by {}", job.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/deploy", deploy).with_state(Gate::new(gitlab.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In GitLab**: add `id_tokens: { API_TOKEN: { aud: https://api.example.com } }` to the job in `.gitlab-ci.yml`. The job has
/// the token in the variable `API_TOKEN`. *Settings → General* of the project shows its number, and that of a group its page.
///
/// **The trap**: every job of every project of the instance gets a token for any audience, so the preset needs a project or a
/// namespace, by number. `ref_protected` is the text `"true"` or `"false"`, and in many languages both count as true. `ref`
/// has no `refs/heads/`, so a tag can have the name of a branch: [`Self::branch`] also compares `ref_type`. The form of `sub`
/// can be configured, so do not compare it.
///
/// **Merge requests** are refused by default, because their changes may come from a fork. Until GitLab 18.2.1, a pipeline for
/// a merge request of a fork had the `project_id` of the target project, so on older instances it looks like your own.
///
/// **What gets in, and what is refused**: each kind of token that GitLab issues, or that jobs send by mistake. "The log adds" is
/// the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/gitlab.md")]
///
/// See <https://docs.gitlab.com/ci/secrets/id_token_authentication/> and
/// <https://gitlab.com/gitlab-org/gitlab/-/issues/561735>.
pub type GitLab = Preset<GitLabJobs>;

/// The settings for jobs of a GitLab instance.
#[derive(Clone, Debug, Default)]
pub struct GitLabJobs {
    instance: String,
    audience: String,
    projects: Vec<u64>,
    namespaces: Vec<u64>,
    any_project: bool,
    branches: Vec<String>,
    tags: Vec<String>,
    environments: Vec<String>,
    protected_refs: bool,
    merge_requests: bool,
}

const MERGE_REQUEST: &str = "not a merge request";
const PROTECTED: &str = "protected ref";
const PROJECTS: &str = "PORTCULLIS_GITLAB_PROJECT_IDS";
const NAMESPACES: &str = "PORTCULLIS_GITLAB_NAMESPACE_IDS";
const INSTANCE: &str = "PORTCULLIS_GITLAB_INSTANCE";

impl Preset<GitLabJobs> {
    /// Accepts the tokens that jobs of `instance`, for example `https://gitlab.com`, got for this audience. Choose one that
    /// only this service has, for example its URL.
    pub fn new(instance: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(GitLabJobs { instance: instance.into(), audience: audience.into(), ..GitLabJobs::default() })
    }

    /// Accepts the jobs of this project, by its number (`project_id`). Each call adds one.
    pub fn project(mut self, id: u64) -> Self {
        self.source.projects.push(id);
        self
    }

    /// Accepts the jobs of all projects directly in this group, or of this user, by its number (`namespace_id`). Each call
    /// adds one. A subgroup has its own number.
    pub fn namespace(mut self, id: u64) -> Self {
        self.source.namespaces.push(id);
        self
    }

    /// Accepts the jobs of every project of the instance: for your own instance, or for a service that looks up the caller's
    /// rights by [`GitLabClaims::project_id`].
    pub fn any_project(mut self) -> Self {
        self.source.any_project = true;
        self
    }

    /// Accepts only jobs for this branch. Each call adds one. Others are refused as `check_failed`.
    pub fn branch(mut self, name: impl Into<String>) -> Self {
        self.source.branches.push(name.into());
        self
    }

    /// Accepts only jobs for this tag, in addition to the branches. Each call adds one. Others are refused as `check_failed`.
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.source.tags.push(name.into());
        self
    }

    /// Accepts only jobs for protected branches and tags. Others are refused as `check_failed`.
    pub fn protected_refs(mut self) -> Self {
        self.source.protected_refs = true;
        self
    }

    /// Accepts only jobs of this environment. Each call adds one. Others are refused as `check_failed`, and jobs without an
    /// environment as `missing_claim`. Any job of the project can name an environment, unless it is protected.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.source.environments.push(name.into());
        self
    }

    /// Also accepts jobs for merge requests. The changes may come from a fork.
    pub fn merge_requests(mut self) -> Self {
        self.source.merge_requests = true;
        self
    }

    /// Reads the settings from environment variables.
    ///
    /// - `PORTCULLIS_GITLAB_AUDIENCE`: see [`Self::new`].
    /// - `PORTCULLIS_GITLAB_INSTANCE` (optional): the instance. Default: `https://gitlab.com`.
    /// - `PORTCULLIS_GITLAB_PROJECT_IDS`, `PORTCULLIS_GITLAB_NAMESPACE_IDS`: numbers, separated by commas; at least one of them.
    /// - `PORTCULLIS_GITLAB_BRANCHES`, `PORTCULLIS_GITLAB_ENVIRONMENTS` (optional): lists.
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
            "PORTCULLIS_GITLAB_AUDIENCE",
            "write the aud of id_tokens, such as https://api.example.com",
        );
        let instance = environment::optional(&lookup, INSTANCE).and_then(|instance| {
            let instance = instance.unwrap_or_else(|| "https://gitlab.com".to_owned());
            values::base_url(INSTANCE, &instance, "https://gitlab.example.com").map(|_| instance)
        });
        let projects = environment::ids(&lookup, PROJECTS, "write the numbers of projects, such as 22");
        let namespaces = environment::ids(&lookup, NAMESPACES, "write the numbers of groups or users, such as 72");
        let missing = nobody(PROJECTS, "set it, or PORTCULLIS_GITLAB_NAMESPACE_IDS");
        let callers = environment::at_least_one(projects, namespaces, missing);
        let list = |name| environment::list(&lookup, name, "write names, separated by commas");
        let names = ConfigError::both(list("PORTCULLIS_GITLAB_BRANCHES"), list("PORTCULLIS_GITLAB_ENVIRONMENTS"));
        let (((audience, instance), (projects, namespaces)), (branches, environments)) =
            ConfigError::both(ConfigError::both(ConfigError::both(audience, instance), callers), names)?;
        Ok(Self::of(GitLabJobs {
            instance,
            audience,
            projects,
            namespaces,
            branches,
            environments,
            ..GitLabJobs::default()
        }))
    }
}

fn nobody(field: &'static str, instead: &'static str) -> ConfigError {
    ConfigError::new(field, "not set, and every project of the instance can get a token for this audience", instead)
}

impl TokenIssuer for GitLabJobs {
    const URL_FIELD: &'static str = "instance";

    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.projects.is_empty() && self.namespaces.is_empty() && !self.any_project {
            return Err(nobody("project", "call project() or namespace(), or any_project()"));
        }
        for (field, names) in [("branch", &self.branches), ("tag", &self.tags)] {
            none_empty(field, names, "write its name, for example main")?;
            if names.iter().any(|name| name.starts_with("refs/")) {
                return Err(ConfigError::new(field, "it begins with refs/", "write the short name, for example main"));
            }
        }
        none_empty("environment", &self.environments, "write the environment's name, for example production")?;
        let issuer = values::base_url("instance", &self.instance, "https://gitlab.example.com")?;
        Ok(Settings {
            keys: Place::MetadataOf(issuer.clone()).into(),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, mut builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder = builder.opaque_prefixes(["glcbt-", "glpat-"]);
        if !self.any_project {
            builder = builder
                .check(AcceptedProject { projects: decimal(&self.projects), namespaces: decimal(&self.namespaces) });
        }
        if !self.merge_requests {
            builder = builder.check(NotMergeRequest);
        }
        if !self.branches.is_empty() || !self.tags.is_empty() {
            builder = builder.check(AcceptedRef { branches: self.branches.clone(), tags: self.tags.clone() });
        }
        if self.protected_refs {
            builder = builder.check(ProtectedRef);
        }
        if !self.environments.is_empty() {
            builder = builder.check(OneOf {
                claim: "environment",
                accepted: self.environments.clone(),
                otherwise: Otherwise::CheckFailed("environment"),
            });
        }
        builder
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::OpaqueToken) {
            return Some("a token for GitLab's API: have the job send its ID token");
        }
        if refused.failed(MERGE_REQUEST) {
            return Some("a job for a merge request, whose changes may come from a fork");
        }
        if refused.failed(PROTECTED) {
            return Some("the branch or tag is not protected");
        }
        None
    }
}

struct AcceptedProject {
    projects: Vec<String>,
    namespaces: Vec<String>,
}

impl ClaimCheck for AcceptedProject {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let project = token.claims().required::<Cow<'_, str>>("project_id")?;
        let namespace = token.claims().required::<Cow<'_, str>>("namespace_id")?;
        let is_accepted =
            self.projects.iter().any(|id| *id == project) || self.namespaces.iter().any(|id| *id == namespace);
        if is_accepted { Ok(()) } else { Err(InvalidToken::WrongParty) }
    }
}

struct NotMergeRequest;

impl ClaimCheck for NotMergeRequest {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let source = token.claims().required::<Cow<'_, str>>("pipeline_source")?;
        if source.trim().is_empty() {
            return Err(InvalidToken::invalid("pipeline_source"));
        }
        let path = token.claims().get::<Cow<'_, str>>("ref_path")?.unwrap_or_default();
        let is_one = matches!(&*source, "merge_request_event" | "external_pull_request_event")
            || path.starts_with("refs/merge-requests/");
        if is_one { Err(failed(MERGE_REQUEST)) } else { Ok(()) }
    }
}

struct AcceptedRef {
    branches: Vec<String>,
    tags: Vec<String>,
}

impl ClaimCheck for AcceptedRef {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let name = token.claims().required::<Cow<'_, str>>("ref")?;
        let accepted = match &*token.claims().required::<Cow<'_, str>>("ref_type")? {
            "branch" => &self.branches,
            "tag" => &self.tags,
            _ => return Err(failed("ref")),
        };
        if accepted.iter().any(|accepted| *accepted == name) { Ok(()) } else { Err(failed("ref")) }
    }
}

struct ProtectedRef;

impl ClaimCheck for ProtectedRef {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        if is_true(token.claims(), "ref_protected")? { Ok(()) } else { Err(failed(PROTECTED)) }
    }
}

/// Reads a claim that is `"true"` or `"false"`, as a text.
fn is_true(claims: &Claims, name: &'static str) -> Result<bool, InvalidToken> {
    read_bool(&claims.required::<Value>(name)?).ok_or_else(|| InvalidToken::invalid(name))
}

fn read_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is_true) => Some(*is_true),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// The claims of a job's token.
///
/// ```
/// use portcullis_workload::GitLabClaims;
///
/// let claims: GitLabClaims = serde_json::from_str(
///     r#"{"project_id": "22", "namespace_id": "72", "ref": "main", "ref_type": "branch", "ref_protected": "false"}"#,
/// )?;
/// assert_eq!(claims.project_id, "22");
/// assert!(!claims.ref_protected);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct GitLabClaims {
    /// The number of the project. From GitLab 18.2.2 on, it is the fork in a pipeline for a fork's merge request.
    pub project_id: String,
    /// The number of the project's group or user.
    pub namespace_id: String,
    /// The path of the project, to display. It can change.
    pub project_path: Option<String>,
    /// The short name of the branch or tag.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// `branch` or `tag`.
    pub ref_type: Option<String>,
    /// Whether the branch or tag is protected. The claim is a text.
    #[serde(default, deserialize_with = "bool_in_text")]
    pub ref_protected: bool,
    /// What started the pipeline, for example `push` or `merge_request_event`.
    pub pipeline_source: Option<String>,
    /// The environment of the job.
    pub environment: Option<String>,
    /// The number of the user who started the job.
    pub user_id: Option<String>,
    /// The name of the user who started the job, to display.
    pub user_login: Option<String>,
    /// The number of the job.
    pub job_id: Option<String>,
    /// The commit.
    pub sha: Option<String>,
}

fn bool_in_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    read_bool(&value).ok_or_else(|| serde::de::Error::custom("neither true nor false"))
}

impl std::fmt::Debug for GitLabClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GitLabClaims { .. }")
    }
}
