//! The preset for service accounts of Google Cloud.

use std::borrow::Cow;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::config::variables;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde::Deserialize;

use crate::checks::{OneOf, Otherwise};
use crate::environment;
use crate::explain::Refused;
use crate::preset::{Place, Preset, Settings, TokenIssuer};

/// Accepts the ID tokens of service accounts of Google Cloud: of virtual machines, Cloud Run, or workloads elsewhere.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::GoogleServiceAccount;
///
/// let robot = GoogleServiceAccount::new("https://api.example.com").account("107517467455664443765");
/// let report = post(async |robot: Auth| format!("report of {}", robot.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/report", report).with_state(Gate::new(robot.verifier()?));
/// # Ok(()) }
/// ```
///
/// **At Google**: *IAM & Admin → Service Accounts* shows the *Unique ID*. The workload asks the metadata server for
/// `/computeMetadata/v1/instance/service-accounts/default/identity?audience=https://api.example.com`, or the method
/// `generateIdToken`.
///
/// **The trap**: every service account of every customer gets a token for any audience, so the preset needs accounts. An
/// address can be used again after the account was deleted, so it compares the number in `sub`. Users' ID tokens have the
/// same issuer and keys; in a service account's token, `azp` is the account itself.
///
/// **What gets in, and what is refused**: each kind of token that Google issues, or that clients send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/google.md")]
///
/// See <https://docs.cloud.google.com/compute/docs/instances/verifying-instance-identity> and
/// <https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-direct#sa-credentials-oidc>.
pub type GoogleServiceAccount = Preset<ServiceAccounts>;

/// The settings for service accounts of Google Cloud.
#[derive(Clone, Debug)]
pub struct ServiceAccounts {
    audience: String,
    accounts: Vec<String>,
    any_account: bool,
}

const ACCOUNTS: &str = "PORTCULLIS_GOOGLE_ACCOUNT_IDS";

impl Preset<ServiceAccounts> {
    /// Accepts the tokens that service accounts got for this audience. Choose one that only this service has, for example its
    /// URL.
    pub fn new(audience: impl Into<String>) -> Self {
        Self::of(ServiceAccounts { audience: audience.into(), accounts: Vec::new(), any_account: false })
    }

    /// Accepts the service account with this unique ID, a number. Each call adds one.
    pub fn account(mut self, unique_id: impl Into<String>) -> Self {
        self.source.accounts.push(unique_id.into());
        self
    }

    /// Accepts every service account of Google Cloud: for a service that looks up the caller's rights by `sub`.
    pub fn any_account(mut self) -> Self {
        self.source.any_account = true;
        self
    }

    /// Reads `PORTCULLIS_GOOGLE_AUDIENCE` and `PORTCULLIS_GOOGLE_ACCOUNT_IDS`, a list of unique IDs, separated by commas.
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
            "PORTCULLIS_GOOGLE_AUDIENCE",
            "write the audience that callers ask for, such as https://api.example.com",
        );
        let accounts = variables::listed(&lookup, ACCOUNTS, "write unique IDs of service accounts");
        let accounts = accounts.and_then(|accounts| check_ids(ACCOUNTS, &accounts).map(|()| accounts));
        let (audience, accounts) = ConfigError::both(audience, accounts)?;
        Ok(Self::of(ServiceAccounts { audience, accounts, any_account: false }))
    }
}

fn check_ids(field: &'static str, ids: &[String]) -> Result<(), ConfigError> {
    let is_id = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    if ids.iter().all(is_id) {
        return Ok(());
    }
    let instead = "write the unique ID of the service account, a number, and not its address";
    Err(ConfigError::new(field, "not a number", instead))
}

impl TokenIssuer for ServiceAccounts {
    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.accounts.is_empty() && !self.any_account {
            return Err(ConfigError::new(
                "account",
                "not set, and every service account of Google Cloud can get a token for this audience",
                "call account() or any_account()",
            ));
        }
        check_ids("account", &self.accounts)?;
        Ok(Settings {
            keys: Place::Url("https://www.googleapis.com/oauth2/v3/certs".to_owned()).into(),
            issuers: ["https://accounts.google.com", "accounts.google.com"].map(str::to_owned).into(),
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: Algorithm::Rs256.into(),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.opaque_prefixes(["ya29."]).check(OfServiceAccount);
        if self.any_account {
            return builder;
        }
        let accepted = self.accounts.clone();
        builder.check(OneOf { claim: "sub", accepted, otherwise: Otherwise::WrongParty })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::OpaqueToken) {
            return Some("an access token, which only Google can read: have the client send an ID token");
        }
        if matches!(refused.found, InvalidToken::WrongTokenClass) {
            return Some("the ID token of a user");
        }
        if refused.issuer().ends_with(".gserviceaccount.com") {
            return Some("a token that the service account signed itself: have the client send an ID token");
        }
        None
    }
}

/// Checks that the token was issued to a service account: `azp` is the account.
struct OfServiceAccount;

impl ClaimCheck for OfServiceAccount {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let party = token.claims().required::<Cow<'_, str>>("azp")?;
        let subject = token.claims().required::<Cow<'_, str>>("sub")?;
        if party == subject { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }
}

/// The claims of a service account's token.
///
/// ```
/// use portcullis_workload::GoogleClaims;
///
/// let claims: GoogleClaims = serde_json::from_str(
///     r#"{"sub": "107517467455664443765", "email": "robot@project-1.iam.gserviceaccount.com", "email_verified": true,
///         "google": {"compute_engine": {"project_id": "project-1", "project_number": 739419398126, "zone": "us-west1-a",
///                    "instance_id": "152986662232938449", "instance_name": "vm-1"}}}"#,
/// )?;
/// assert_eq!(claims.compute_engine().map(|vm| vm.project_id.as_str()), Some("project-1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct GoogleClaims {
    /// The unique ID of the service account. It is never used again.
    pub sub: String,
    /// The address of the service account, if the caller asked for it. It can be used again.
    pub email: Option<String>,
    google: Option<GoogleDetails>,
}

#[derive(Clone, Deserialize)]
struct GoogleDetails {
    compute_engine: Option<ComputeEngine>,
}

/// The virtual machine that asked for the token, if it asked with `format=full`.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct ComputeEngine {
    /// The project.
    pub project_id: String,
    /// The number of the project.
    pub project_number: Option<u64>,
    /// The zone.
    pub zone: Option<String>,
    /// The number of the machine. It is never used again.
    pub instance_id: String,
    /// The name of the machine.
    pub instance_name: Option<String>,
}

impl GoogleClaims {
    /// Returns the virtual machine that asked for the token.
    #[must_use]
    pub fn compute_engine(&self) -> Option<&ComputeEngine> {
        self.google.as_ref()?.compute_engine.as_ref()
    }
}

impl std::fmt::Debug for GoogleClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GoogleClaims { .. }")
    }
}

impl std::fmt::Debug for ComputeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ComputeEngine { .. }")
    }
}
