//! The preset for Logto.

use portcullis::ConfigError;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;

use crate::explain::Refused;
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
/// **What gets in, and what is refused**: each kind of token that Logto issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/logto.md")]
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

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: of a client that asked for no resource, or a refresh token");
        }
        if refused.has_audience(|audience| audience.starts_with("urn:logto:organization:")) {
            return Some("an organization token, which is for the organization, not for this API");
        }
        let is_id_token = refused.has_none_of(&["client_id", "scope"]);
        is_id_token.then_some("an ID token: have the client send the access token")
    }
}
