//! Logto.

use portcullis::jose::Algorithm;
use portcullis::{Audience, ConfigError};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};
use crate::url;

/// Access tokens of a Logto tenant for an API resource.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Logto;
///
/// let verifier = Logto::new("https://tenant.logto.app", "https://api.example.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// *In Logto*: *API resources* takes the API; its *identifier* is the audience here. The endpoint stands on every
/// application's page. *A token* is signed with ES384, or with RS256 where the tenant chose an RSA key; its scopes
/// stand in `scope`, the client in `client_id`. *What goes wrong*: a client that asks for no `resource` gets an opaque
/// token, which is refused as `not_compact_jws`; tokens of an organization have `urn:logto:organization:{id}` in `aud`.
/// See <https://docs.logto.io/authorization/validate-access-tokens>.
pub type Logto = Preset<LogtoTenant>;

/// A Logto tenant.
#[derive(Clone, Debug)]
pub struct LogtoTenant {
    endpoint: String,
    resource: String,
}

impl Preset<LogtoTenant> {
    /// `endpoint` is the tenant's, `resource` the identifier of the API resource.
    pub fn new(endpoint: impl Into<String>, resource: impl Into<String>) -> Self {
        Self::of(LogtoTenant { endpoint: endpoint.into(), resource: resource.into() })
    }
}

impl IdentityProvider for LogtoTenant {
    const URL_FIELD: &'static str = "endpoint";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let origin = url::origin("endpoint", &self.endpoint, "https://tenant.logto.app")?;
        let issuer = format!("{origin}/oidc");
        Ok(ProviderSettings {
            keys: KeyLocation::MetadataOf(issuer.clone()),
            issuers: vec![issuer],
            audience: Audience::any_of([self.resource.as_str()]),
            algorithms: [Algorithm::Es384, Algorithm::Rs256].into(),
        })
    }
}
