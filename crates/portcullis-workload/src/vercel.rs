//! The preset for deployments on Vercel.

use portcullis::config::{values, variables};
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;

use crate::checks::{OneOf, Otherwise, none_empty};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the OIDC tokens of deployments on Vercel.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::get};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::Vercel;
///
/// let vercel = Vercel::new("acme", "team_7Gw5ZMBpQA8h9GF832KGp7nwbuh3").project("prj_9p1k2m3n4o5p6q7r8s9t");
/// let orders = get(async |site: Auth| format!("orders for {}", site.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/orders", orders).with_state(Gate::new(vercel.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In Vercel**: *Project → Settings → Security → Secure backend access with OIDC federation*, issuer mode *Team*. *Team
/// Settings → General* shows the team's slug and ID, and the project's settings its ID. The deployment sends the result of
/// `getVercelOidcToken()`.
///
/// **The trap**: production, preview and development have the same issuer and audience, and a preview runs the code of any pull
/// request. So only `production` is accepted by default. The default audience is that of the team, so another service that
/// gets such a token can present it here: ask for an audience of your own, and set [`Self::audience`]. Slugs and names can
/// pass to others, so the preset compares IDs.
///
/// **What gets in, and what is refused**: each kind of token that Vercel issues, or that clients send by mistake. "The log adds" is
/// the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/vercel.md")]
///
/// See <https://vercel.com/docs/oidc/reference> and <https://vercel.com/docs/oidc/api>.
pub type Vercel = Preset<VercelTeam>;

/// The settings for deployments of a team on Vercel.
#[derive(Clone, Debug)]
pub struct VercelTeam {
    slug: String,
    id: String,
    audience: Option<String>,
    projects: Vec<String>,
    environments: Vec<String>,
}

const ENVIRONMENT: &str = "environment";
const SLUG: &str = "PORTCULLIS_VERCEL_TEAM";
const ID: &str = "PORTCULLIS_VERCEL_TEAM_ID";

impl Preset<VercelTeam> {
    /// Accepts the production deployments of one team, by its slug, which is in the issuer, and its ID.
    pub fn new(slug: impl Into<String>, team_id: impl Into<String>) -> Self {
        Self::of(VercelTeam {
            slug: slug.into(),
            id: team_id.into(),
            audience: None,
            projects: Vec::new(),
            environments: Vec::new(),
        })
    }

    /// Accepts only the project with this ID. Each call adds one. Others are refused as `wrong_party`. Default: every project
    /// of the team.
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.source.projects.push(id.into());
        self
    }

    /// Accepts deployments of this environment instead of `production`. Each call adds one. A `preview` runs the code of any
    /// pull request.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.source.environments.push(name.into());
        self
    }

    /// Accepts only tokens for this audience. Default: `https://vercel.com/` and the slug.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.source.audience = Some(audience.into());
        self
    }

    /// Reads `PORTCULLIS_VERCEL_TEAM` (the slug), `PORTCULLIS_VERCEL_TEAM_ID`, and the optional `PORTCULLIS_VERCEL_AUDIENCE`,
    /// `PORTCULLIS_VERCEL_PROJECT_IDS` and `PORTCULLIS_VERCEL_ENVIRONMENTS`. The last two are lists, separated by commas.
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
        let slug = environment::required(&lookup, SLUG, "write the team's slug, such as acme");
        let slug = slug.and_then(|slug| check_slug(SLUG, &slug).map(|()| slug));
        let id = environment::required(&lookup, ID, "write the team's ID, which begins with team_");
        let id = id.and_then(|id| check_id(ID, &id).map(|()| id));
        let list = |name| environment::list(&lookup, name, "write a list, separated by commas");
        let lists = ConfigError::both(list("PORTCULLIS_VERCEL_PROJECT_IDS"), list("PORTCULLIS_VERCEL_ENVIRONMENTS"));
        let more = ConfigError::both(lists, environment::optional(&lookup, "PORTCULLIS_VERCEL_AUDIENCE"));
        let ((slug, id), ((projects, environments), audience)) = ConfigError::both(ConfigError::both(slug, id), more)?;
        Ok(Self::of(VercelTeam { slug, id, audience, projects, environments }))
    }
}

fn check_slug(field: &'static str, slug: &str) -> Result<(), ConfigError> {
    values::path_segment(field, slug, "write the team's slug as it stands in vercel.com/SLUG").map(|_| ())
}

fn check_id(field: &'static str, id: &str) -> Result<(), ConfigError> {
    if id.starts_with("team_") {
        return Ok(());
    }
    Err(ConfigError::new(field, "not the ID of a team", "write the team's ID, which begins with team_"))
}

impl TokenIssuer for VercelTeam {
    fn settings(&self) -> Result<Settings, ConfigError> {
        check_slug("team", &self.slug)?;
        check_id("team_id", &self.id)?;
        none_empty("project", &self.projects, "write the project's ID, which begins with prj_")?;
        if self.projects.iter().any(|id| !id.starts_with("prj_")) {
            let instead = "write the project's ID, which begins with prj_, and not its name";
            return Err(ConfigError::new("project", "not the ID of a project", instead));
        }
        none_empty(ENVIRONMENT, &self.environments, "write production, preview, or the name of another environment")?;
        let issuer = format!("https://oidc.vercel.com/{}", self.slug);
        let audience = self.audience.clone().unwrap_or_else(|| format!("https://vercel.com/{}", self.slug));
        Ok(Settings {
            keys: Place::Url(format!("{issuer}/.well-known/jwks")).into(),
            issuers: vec![issuer],
            audience: Audience::any_of([audience]),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let is_default = self.environments.is_empty();
        let environments = if is_default { vec!["production".to_owned()] } else { self.environments.clone() };
        let team = OneOf { claim: "owner_id", accepted: vec![self.id.clone()], otherwise: Otherwise::WrongTenant };
        let otherwise = Otherwise::CheckFailed(ENVIRONMENT);
        let builder = builder.check(team).check(OneOf { claim: ENVIRONMENT, accepted: environments, otherwise });
        if self.projects.is_empty() {
            return builder;
        }
        let accepted = self.projects.clone();
        builder.check(OneOf { claim: "project_id", accepted, otherwise: Otherwise::WrongParty })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.failed(ENVIRONMENT) {
            return Some("a deployment of another environment: previews run the code of pull requests");
        }
        let is_global = refused.issuer() == "https://oidc.vercel.com";
        is_global.then_some("the project has the issuer mode Global: choose Team in its settings")
    }
}

/// The claims of a deployment's token.
///
/// ```
/// use portcullis_workload::VercelClaims;
///
/// let claims: VercelClaims = serde_json::from_str(
///     r#"{"owner_id": "team_7Gw5", "project_id": "prj_9p1k", "project": "shop", "environment": "production"}"#,
/// )?;
/// assert_eq!((claims.project_id.as_str(), claims.environment.as_str()), ("prj_9p1k", "production"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct VercelClaims {
    /// The ID of the team.
    pub owner_id: String,
    /// The ID of the project.
    pub project_id: String,
    /// The name of the project, to display. It can change.
    pub project: Option<String>,
    /// `production`, `preview`, `development` or a custom environment.
    pub environment: String,
    /// The user of a token for local development.
    pub user_id: Option<String>,
}

impl std::fmt::Debug for VercelClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VercelClaims { .. }")
    }
}
