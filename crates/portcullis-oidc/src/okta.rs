//! The preset for Okta.

use portcullis::ConfigError;
use portcullis::config::values;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;

use crate::explain::Refused;
use crate::preset::{IdentityProvider, Preset, ProviderSettings};

/// Accepts the access tokens of an Okta custom authorization server.
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
/// **In Okta**: *Security → API → Authorization Servers* shows the name, *Issuer URI* and *Audience* of each server. Add
/// scopes and group claims there.
///
/// **A token** has scopes in the array `scp`, the client in `cid` and the user in `uid`.
///
/// **What gets in, and what is refused**: each kind of token that Okta issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/okta.md")]
///
/// See <https://developer.okta.com/docs/concepts/auth-servers/>.
pub type Okta = Preset<OktaServer>;

/// The settings of an Okta custom authorization server.
#[derive(Clone, Debug)]
pub struct OktaServer {
    domain: String,
    server: String,
    audience: String,
}

impl Preset<OktaServer> {
    /// Accepts the tokens of the authorization server `default`.
    ///
    /// `domain` is the organization's domain, for example `dev-1.okta.com`, or its custom domain. `audience` is the
    /// audience of the authorization server.
    pub fn new(domain: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(OktaServer { domain: domain.into(), server: "default".to_owned(), audience: audience.into() })
    }

    /// Accepts the tokens of this authorization server instead of `default`. `id` is the last part of its issuer URI.
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
            return Err(ConfigError::new("domain", "it is the domain of the admin console", instead));
        }
        let instead = "write the authorization server's name as in its issuer URI, such as default";
        let server = values::path_segment("authorization_server", &self.server, instead)?;
        Ok(ProviderSettings::discovered(format!("{origin}/oauth2/{server}"), &self.audience, Algorithm::Rs256))
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: a refresh token");
        }
        if refused.has_none_of(&["cid", "scp"]) {
            return Some("an ID token: have the client send the access token");
        }
        let of_org = refused.has("cid") && !refused.issuer().contains("/oauth2/");
        of_org.then_some("a token of the org authorization server, which only Okta can verify: use a custom server")
    }
}
