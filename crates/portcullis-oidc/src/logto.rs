//! The preset for Logto.

use portcullis::ConfigError;
use portcullis::jose::Algorithm;

use crate::preset::{IdentityProvider, Preset, ProviderSettings};
use crate::url;

/// Accepts the access tokens of a Logto tenant for an API resource.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Logto;
///
/// let verifier = Logto::new("https://tenant.logto.app", "https://api.example.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// **In Logto**: add the API under *API resources*. Its *identifier* is the second argument above. The page of each
/// application shows the endpoint.
///
/// **A token** is signed with ES384, or with RS256 if the tenant uses an RSA key. It has scopes in `scope` and the client
/// in `client_id`.
///
/// **What goes wrong**: a client that does not ask for a `resource` gets an opaque token, which is refused as
/// `not_compact_jws`. Tokens of an organization have `urn:logto:organization:{id}` in `aud` and are refused as
/// `wrong_audience`.
///
/// See <https://docs.logto.io/authorization/validate-access-tokens>.
pub type Logto = Preset<LogtoTenant>;

/// The settings of a Logto tenant.
#[derive(Clone, Debug)]
pub struct LogtoTenant {
    endpoint: String,
    resource: String,
}

impl Preset<LogtoTenant> {
    /// Accepts the tokens of the tenant at `endpoint` for one API. `resource` is the identifier of the API resource.
    pub fn new(endpoint: impl Into<String>, resource: impl Into<String>) -> Self {
        Self::of(LogtoTenant { endpoint: endpoint.into(), resource: resource.into() })
    }
}

impl IdentityProvider for LogtoTenant {
    const URL_FIELD: &'static str = "endpoint";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let origin = url::origin("endpoint", &self.endpoint, "https://tenant.logto.app")?;
        let algorithms = [Algorithm::Es384, Algorithm::Rs256];
        Ok(ProviderSettings::discovered(format!("{origin}/oidc"), &self.resource, algorithms))
    }
}
