//! The preset for outbound identity federation of AWS.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::checks::{OneOf, Otherwise, none_empty};
use crate::environment;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the tokens of outbound identity federation of AWS (`GetWebIdentityToken`): of Lambda functions, tasks and
/// instances.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::AwsRole;
///
/// # const ISSUER: &str = "https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws";
/// let role = AwsRole::new(ISSUER, "https://api.example.com").role("arn:aws:iam::123456789012:role/DataProcessingRole");
/// let report = post(async |role: Auth| format!("report of {}", role.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/report", report).with_state(Gate::new(role.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In AWS**: `aws iam enable-outbound-web-identity-federation` shows the issuer of the account. Give the role the permission
/// `sts:GetWebIdentityToken`. The workload calls `aws sts get-web-identity-token --audience https://api.example.com
/// --signing-algorithm RS256`.
///
/// **The trap**: the issuer is that of one account, and every role of it that has the permission gets a token for any audience,
/// so the preset needs roles. The caller chooses `request_tags`, so they prove nothing; `principal_tags` are set by
/// anyone who may tag the role. Both are in the object `https://sts.amazonaws.com/`. A role that was deleted and made again has
/// the same ARN.
///
/// **What gets in, and what is refused**: each kind of token that AWS issues, or that clients send by mistake. "The log adds" is
/// the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/aws.md")]
///
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html>.
pub type AwsRole = Preset<AwsAccount>;

/// The settings for roles of an AWS account.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    issuer: String,
    audience: String,
    roles: Vec<String>,
    any_role: bool,
}

const DETAILS: &str = "https://sts.amazonaws.com/";
const ISSUER: &str = "PORTCULLIS_AWS_ISSUER";
const ROLES: &str = "PORTCULLIS_AWS_ROLES";

impl Preset<AwsAccount> {
    /// Accepts the tokens of the account with this issuer, for this audience. Choose one that only this service has, for
    /// example its URL.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        let (issuer, audience) = (issuer.into(), audience.into());
        Self::of(AwsAccount { issuer, audience, roles: Vec::new(), any_role: false })
    }

    /// Accepts the role with this ARN. Each call adds one.
    pub fn role(mut self, arn: impl Into<String>) -> Self {
        self.source.roles.push(arn.into());
        self
    }

    /// Accepts every role of the account.
    pub fn any_role(mut self) -> Self {
        self.source.any_role = true;
        self
    }

    /// Reads `PORTCULLIS_AWS_ISSUER`, `PORTCULLIS_AWS_AUDIENCE` and `PORTCULLIS_AWS_ROLES`, a list of ARNs, separated by
    /// commas.
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
        let issuer = environment::required(&lookup, ISSUER, "write the issuer of the account");
        let issuer = issuer.and_then(|issuer| origin(ISSUER, &issuer).map(|_| issuer));
        let audience = environment::required(
            &lookup,
            "PORTCULLIS_AWS_AUDIENCE",
            "write the audience that callers ask for, such as https://api.example.com",
        );
        let roles = variables::listed(&lookup, ROLES, "write ARNs of roles");
        let roles = roles.and_then(|roles| check_arns(ROLES, &roles).map(|()| roles));
        let ((issuer, audience), roles) = ConfigError::both(ConfigError::both(issuer, audience), roles)?;
        Ok(Self::of(AwsAccount { issuer, audience, roles, any_role: false }))
    }
}

fn origin(field: &'static str, text: &str) -> Result<String, ConfigError> {
    values::origin(field, text, "https://abc123.tokens.sts.global.api.aws")
}

fn check_arns(field: &'static str, arns: &[String]) -> Result<(), ConfigError> {
    none_empty(field, arns, "write ARNs of roles")?;
    if arns.iter().all(|arn| arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":role/")) {
        return Ok(());
    }
    Err(ConfigError::new(field, "not the ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME"))
}

impl TokenIssuer for AwsAccount {
    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.roles.is_empty() && !self.any_role {
            return Err(ConfigError::new(
                "role",
                "not set, and every role of the account can get a token for this audience",
                "call role() or any_role()",
            ));
        }
        check_arns("role", &self.roles)?;
        let issuer = origin("issuer", &self.issuer)?;
        Ok(Settings {
            keys: Place::Url(format!("{issuer}/.well-known/jwks.json")).into(),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: [Algorithm::Rs256, Algorithm::Es384].into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.check(OfOneAccount);
        if self.any_role {
            return builder;
        }
        let accepted = self.roles.clone();
        builder.check(OneOf { claim: "sub", accepted, otherwise: Otherwise::WrongParty })
    }
}

/// Checks that `sub` is of the account that the token names.
struct OfOneAccount;

impl ClaimCheck for OfOneAccount {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let details = token.claims().required::<Map<String, Value>>(DETAILS)?;
        let account =
            details.get("aws_account").and_then(Value::as_str).ok_or_else(|| InvalidToken::invalid(DETAILS))?;
        let named = token.claims().subject().and_then(|arn| arn.split(':').nth(4));
        if named == Some(account) { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    }
}

/// The claims of a role's token.
///
/// ```
/// use portcullis_workload::AwsClaims;
///
/// let claims: AwsClaims = serde_json::from_str(
///     r#"{"sub": "arn:aws:iam::123456789012:role/DataProcessingRole", "https://sts.amazonaws.com/": {
///         "aws_account": "123456789012", "principal_tags": {"team": "data-engineering"}, "request_tags": {"team": "root"}}}"#,
/// )?;
/// assert_eq!(claims.details.aws_account, "123456789012");
/// assert_eq!(claims.details.principal_tags["team"], "data-engineering");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct AwsClaims {
    /// The ARN of the role.
    pub sub: String,
    /// What AWS says about the role and the session.
    #[serde(rename = "https://sts.amazonaws.com/")]
    pub details: AwsDetails,
}

/// What AWS says about a role and its session.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct AwsDetails {
    /// The number of the account.
    pub aws_account: String,
    /// The region that issued the token.
    pub source_region: Option<String>,
    /// The organization of the account.
    pub org_id: Option<String>,
    /// The tags of the role.
    #[serde(default)]
    pub principal_tags: Map<String, Value>,
    /// The tags that the caller chose for this token. They prove nothing.
    #[serde(default)]
    pub request_tags: Map<String, Value>,
    /// The Lambda function that asked for the token.
    pub lambda_source_function_arn: Option<String>,
    /// All other members.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl std::fmt::Debug for AwsClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsClaims { .. }")
    }
}

impl std::fmt::Debug for AwsDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsDetails { .. }")
    }
}
