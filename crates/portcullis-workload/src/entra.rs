//! The preset for workload identities of Microsoft Entra.

use std::sync::Arc;

use portcullis::config::variables;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, JwtVerifier, KeyProvider};
use portcullis_azure::Azure;

use crate::checks::{OneOf, Otherwise, none_empty};
use crate::environment;

/// Accepts the access tokens of managed identities and service principals of a Microsoft Entra tenant. The claims are those of
/// `portcullis_azure::AzureClaims`.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use axum::{Router, routing::post};
/// use portcullis_axum::{Auth, Gate};
/// use portcullis_workload::EntraWorkload;
///
/// # const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
/// # const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
/// let worker = EntraWorkload::new(TENANT, API).object("b4e7d2a1-5c3f-4a88-8e6d-0f9c1b2a3d44");
/// let report = post(async |worker: Auth| format!("report of {}", worker.subject().unwrap_or_default()));
/// let app: Router = Router::new().route("/report", report).with_state(Gate::new(worker.verifier()?));
/// # Ok(()) }
/// ```
///
/// **In the Entra admin center**: register the API and give it an *App role* for applications. Assign the role to the managed
/// identity. *Enterprise applications* shows its *Object ID* and *Application ID*. The workload asks for the scope
/// `api://{client id}/.default`, for example with `DefaultAzureCredential`. Another cloud's workload first exchanges its own
/// token at Entra: that token is for Entra, and this preset refuses it.
///
/// **The trap**: every application of the tenant gets a token for the API, also without a role, unless *Assignment required* is
/// set. So a token needs a role, and [`Self::object`] or [`Self::application`] choose the callers. A token of a user has the
/// same issuer and audience: it is refused. The name of an application is not unique.
///
/// **What gets in, and what is refused**: each kind of token that Entra issues, or that clients send by mistake. "The log adds"
/// is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/entra.md")]
///
/// See <https://learn.microsoft.com/en-us/entra/workload-id/workload-identities-overview> and
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>.
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct EntraWorkload {
    tenant: String,
    client_id: String,
    objects: Vec<String>,
    applications: Vec<String>,
    keys: Option<Arc<dyn KeyProvider>>,
}

const TENANT: &str = "PORTCULLIS_ENTRA_TENANT_ID";
const CLIENT: &str = "PORTCULLIS_ENTRA_CLIENT_ID";

impl EntraWorkload {
    /// Accepts applications of one tenant that have a role of the API. `client_id` is the Application (client) ID of the API.
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
            objects: Vec::new(),
            applications: Vec::new(),
            keys: None,
        }
    }

    /// Accepts only the identity with this object ID (`oid`). Each call adds one. Others are refused as `wrong_party`.
    pub fn object(mut self, id: impl Into<String>) -> Self {
        self.objects.push(id.into());
        self
    }

    /// Accepts only the application with this client ID (`azp`, version 2.0 of the tokens). Each call adds one. Others are
    /// refused as `wrong_party`.
    pub fn application(mut self, client_id: impl Into<String>) -> Self {
        self.applications.push(client_id.into());
        self
    }

    /// Takes the keys from this key provider. Default: they are fetched from the tenant.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Reads `PORTCULLIS_ENTRA_TENANT_ID`, `PORTCULLIS_ENTRA_CLIENT_ID`, and the optional lists `PORTCULLIS_ENTRA_OBJECT_IDS` and
    /// `PORTCULLIS_ENTRA_APPLICATION_IDS`.
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
        let tenant = environment::required(&lookup, TENANT, "write the Directory (tenant) ID");
        let client_id = environment::required(&lookup, CLIENT, "write the API's Application (client) ID");
        let list = |name| environment::list(&lookup, name, "write IDs, separated by commas");
        let lists = ConfigError::both(list("PORTCULLIS_ENTRA_OBJECT_IDS"), list("PORTCULLIS_ENTRA_APPLICATION_IDS"));
        let ((tenant, client_id), (objects, applications)) =
            ConfigError::both(ConfigError::both(tenant, client_id), lists)?;
        Ok(Self { tenant, client_id, objects, applications, keys: None })
    }

    /// Returns the general builder, to change further options.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        none_empty("object", &self.objects, "write the object ID of the identity")?;
        none_empty("application", &self.applications, "write the client ID of the application")?;
        let azure = Azure::single_tenant(&self.tenant, &self.client_id).app_only();
        let azure = match &self.keys {
            Some(keys) => azure.keys(Arc::clone(keys)),
            None => azure,
        };
        let mut builder = azure.builder()?;
        for (claim, accepted) in [("oid", &self.objects), ("azp", &self.applications)] {
            if !accepted.is_empty() {
                builder = builder.check(OneOf { claim, accepted: accepted.clone(), otherwise: Otherwise::WrongParty });
            }
        }
        Ok(builder)
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }
}
