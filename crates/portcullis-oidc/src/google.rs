//! The preset for Google accounts.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::id_token::SingleAudience;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the ID tokens of Google accounts.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Google;
///
/// let verifier = Google::id_tokens("1234987819200.apps.googleusercontent.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// **At Google**: *APIs & Services → Credentials* shows the client ID of the application that signs users in. The
/// application sends the ID token that it got to this service.
///
/// **A token** has that client ID in `aud`. `iss` has two spellings, with and without `https://`. `sub` is the account.
/// Do not identify users by `email`: an address can pass to another person.
///
/// **What goes wrong**: Google's access tokens (`ya29.…`) are opaque and are refused as `opaque_token`.
///
/// See <https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken>.
pub type Google = Preset<GoogleAccounts>;

/// The settings for ID tokens of Google accounts.
#[derive(Clone, Debug)]
pub struct GoogleAccounts {
    clients: Vec<String>,
    hosted_domain: Option<String>,
}

impl Preset<GoogleAccounts> {
    /// Accepts ID tokens for one client. `client` is the client ID of the application that signs users in.
    pub fn id_tokens(client: impl Into<String>) -> Self {
        Self::of(GoogleAccounts { clients: vec![client.into()], hosted_domain: None })
    }

    /// Also accepts ID tokens for this client. The application has its own client ID on each platform.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.provider.clients.push(client.into());
        self
    }

    /// Accepts only accounts of this Google Workspace or Cloud organization (`hd`).
    pub fn hosted_domain(mut self, domain: impl Into<String>) -> Self {
        self.provider.hosted_domain = Some(domain.into());
        self
    }
}

impl IdentityProvider for GoogleAccounts {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        if self.hosted_domain.as_ref().is_some_and(String::is_empty) {
            return Err(ConfigError::new(
                "hosted_domain",
                "empty",
                "write the organization's domain, for example example.com",
            ));
        }
        Ok(ProviderSettings {
            issuers: ["https://accounts.google.com", "accounts.google.com"].map(str::to_owned).into(),
            audience: Audience::any_of(self.clients.clone()),
            algorithms: Algorithm::Rs256.into(),
            keys: KeyLocation::Url("https://www.googleapis.com/oauth2/v3/certs".to_owned()),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.opaque_prefixes(["ya29."]).check(SingleAudience);
        match &self.hosted_domain {
            Some(domain) => builder.check(HostedDomain(domain.clone())),
            None => builder,
        }
    }
}

struct HostedDomain(String);

impl ClaimCheck for HostedDomain {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let domain = token.claims().required::<String>("hd")?;
        if domain == self.0 { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    }
}
