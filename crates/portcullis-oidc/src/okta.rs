//! Okta.

use portcullis::config::values;
use portcullis::jose::Algorithm;
use portcullis::{Audience, ConfigError};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Access tokens of an Okta custom authorization server.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Okta;
///
/// let verifier = Okta::new("dev-1.okta.com", "api://default").verifier()?;
/// let other = Okta::new("dev-1.okta.com", "https://api.example.com").authorization_server("aus9o8wzkhckw9TLa0h7z");
/// # assert!(other.verifier().is_ok());
/// # Ok(()) }
/// ```
///
/// *In Okta*: *Security → API → Authorization Servers* has each server's name, *Issuer URI* and *Audience*; scopes and
/// the claims of groups are added there. *A token* has its scopes in the array `scp`, the client in `cid` and the user
/// in `uid`. *What goes wrong*: tokens of the *org* authorization server (`iss` is the domain itself) are for Okta's
/// own APIs, nobody else can verify them, and they are refused as `wrong_issuer`; clients have to use
/// `/oauth2/default/v1/token` or that of another custom server. See
/// <https://developer.okta.com/docs/concepts/auth-servers/>.
pub type Okta = Preset<OktaServer>;

/// An Okta custom authorization server.
#[derive(Clone, Debug)]
pub struct OktaServer {
    domain: String,
    server: String,
    audience: String,
}

impl Preset<OktaServer> {
    /// `domain` is the organization's, such as `dev-1.okta.com`, or its custom domain; `audience` is that of the
    /// authorization server `default`.
    pub fn new(domain: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(OktaServer { domain: domain.into(), server: "default".to_owned(), audience: audience.into() })
    }

    /// Another authorization server than `default`.
    pub fn authorization_server(mut self, id: impl Into<String>) -> Self {
        self.provider.server = id.into();
        self
    }
}

impl IdentityProvider for OktaServer {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let origin = values::origin("domain", &self.domain, "dev-1.okta.com")?;
        if let Some(host) = origin.strip_suffix("-admin.okta.com").and_then(|url| url.strip_prefix("https://")) {
            let instead = format!("leave -admin out: {host}.okta.com");
            return Err(ConfigError::new("domain", "it is the admin console's", instead));
        }
        let instead = "write the authorization server's name as in its issuer URI, such as default";
        let server = values::path_segment("authorization_server", &self.server, instead)?;
        let issuer = format!("{origin}/oauth2/{server}");
        Ok(ProviderSettings {
            keys: KeyLocation::MetadataOf(issuer.clone()),
            issuers: vec![issuer],
            audience: Audience::any_of([self.audience.as_str()]),
            algorithms: Algorithm::Rs256.into(),
        })
    }
}
