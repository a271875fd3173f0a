//! The preset for Google accounts.

use portcullis::checks::{AuthorizedParties, CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::explain::Refused;
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
/// **What gets in, and what is refused**: each kind of token that Google issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/google.md")]
///
/// See <https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken>.
pub type Google = Preset<GoogleAccounts>;

/// The settings for ID tokens of Google accounts.
#[derive(Clone, Debug)]
pub struct GoogleAccounts {
    clients: Vec<String>,
    parties: Option<Vec<String>>,
    hosted_domain: Option<String>,
}

impl Preset<GoogleAccounts> {
    /// Accepts ID tokens for one client. `client` is the client ID of the application that signs users in.
    pub fn id_tokens(client: impl Into<String>) -> Self {
        Self::of(GoogleAccounts { clients: vec![client.into()], parties: None, hosted_domain: None })
    }

    /// Also accepts ID tokens for this client. The application has its own client ID on each platform.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.provider.clients.push(client.into());
        self
    }

    /// Accepts only ID tokens that these clients asked for (`azp`).
    ///
    /// Set this unless [`Self::hosted_domain`] is set. A service account of any Google Cloud project can get an ID token for
    /// any audience, also for your client ID. It has its own identifier in `azp`, so this option refuses it as
    /// `wrong_party`.
    pub fn authorized_parties<S: Into<String>>(mut self, clients: impl IntoIterator<Item = S>) -> Self {
        self.provider.parties = Some(clients.into_iter().map(Into::into).collect());
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
        if self
            .parties
            .as_ref()
            .is_some_and(|parties| parties.is_empty() || parties.iter().any(|id| id.trim().is_empty()))
        {
            return Err(ConfigError::new("authorized_parties", "empty", "write at least one client ID"));
        }
        if self.hosted_domain.as_ref().is_some_and(|domain| domain.trim().is_empty()) {
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
        let builder = match &self.parties {
            Some(parties) => builder.check(AuthorizedParties::any_of(parties)),
            None => builder,
        };
        match &self.hosted_domain {
            Some(domain) => builder.check(HostedDomain(domain.clone())),
            None => builder,
        }
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        let kinds = [
            ("ya29.", "an access token, which only Google can read: have the client send the ID token"),
            ("1//", "a refresh token: have the client send the ID token"),
            ("4/", "an authorization code: have the client exchange it, and send the ID token"),
        ];
        let of_issuers = [
            ("https://securetoken.google.com/", "an ID token of Firebase: use the preset Firebase"),
            ("https://cloud.google.com/iap", "a header of Identity-Aware Proxy, which signs with its own keys"),
        ];
        let by_form = kinds.into_iter().find(|(start, _)| refused.text.starts_with(start));
        by_form
            .or_else(|| of_issuers.into_iter().find(|(start, _)| refused.issuer().starts_with(start)))
            .map(|(_, kind)| kind)
    }
}

struct HostedDomain(String);

impl ClaimCheck for HostedDomain {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let domain = token.claims().required::<String>("hd")?;
        if domain == self.0 { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("hd").expecting_any_of([&self.0])
    }
}
