//! Google.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::id_token::SingleAudience;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// ID tokens of Google accounts.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Google;
///
/// let verifier = Google::id_tokens("1234987819200.apps.googleusercontent.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// *At Google*: *APIs & Services → Credentials* has the client ID of the application that signs its users in; the
/// service behind it takes the ID token that this application got. *A token* has that client ID in `aud`, `iss` in one
/// of two spellings, with `https://` and without, and the account in `sub`: `email` can change hands. *What goes
/// wrong*: Google's access tokens (`ya29.…`) are opaque, and refused as `opaque_token`. See
/// <https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken>.
pub type Google = Preset<GoogleAccounts>;

/// Google accounts.
#[derive(Clone, Debug)]
pub struct GoogleAccounts {
    clients: Vec<String>,
    hosted_domain: Option<String>,
}

impl Preset<GoogleAccounts> {
    /// `client` is the client ID of the application that signs users in.
    pub fn id_tokens(client: impl Into<String>) -> Self {
        Self::of(GoogleAccounts { clients: vec![client.into()], hosted_domain: None })
    }

    /// Accepts ID tokens for this client too: each platform's application has one of its own.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.provider.clients.push(client.into());
        self
    }

    /// Accepts accounts of this Google Workspace or Cloud organization alone (`hd`).
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
                "write the organization's domain, such as example.com",
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
        let builder = builder.explain(|token, found| match found {
            InvalidToken::NotCompactJws if token.text().starts_with("ya29.") => InvalidToken::OpaqueToken,
            other => other,
        });
        let builder = builder.check(SingleAudience);
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
