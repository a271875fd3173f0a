//! The preset for Authok.

use portcullis::config::{values, variables};
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::{Audience, ConfigError};

use crate::explain::Refused;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the access tokens of an Authok tenant for one API.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Authok;
///
/// let verifier = Authok::new("tenant.us.authok.cn", "https://api.example.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// **In Authok**: create an API. Its identifier is the audience in the code above.
///
/// **A token** is like one of Auth0: signed with RS256, an issuer that ends with a slash, and scopes in `scope`.
///
/// **What gets in, and what is refused**: each kind of token that Authok issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/authok.md")]
///
pub type Authok = Preset<AuthokTenant>;

/// The settings of an Authok tenant.
#[derive(Clone, Debug)]
pub struct AuthokTenant {
    domains: Vec<String>,
    audiences: Vec<String>,
}

impl Preset<AuthokTenant> {
    /// Accepts the tokens of one tenant for one API.
    ///
    /// `domain` is the tenant's domain, for example `tenant.us.authok.cn`, or its custom domain. `audience` is the
    /// API's identifier.
    pub fn new(domain: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(AuthokTenant { domains: vec![domain.into()], audiences: vec![audience.into()] })
    }

    /// Reads `AUTHOK_DOMAIN` and `AUTHOK_AUDIENCE`. Each of them may be a list, separated by commas. The keys are
    /// fetched from the first domain.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let domains =
            variables::listed(&lookup, "AUTHOK_DOMAIN", "write the tenant's domain, such as tenant.us.authok.cn");
        let domains = domains.and_then(|domains| {
            let faults = domains.iter().filter_map(|domain| issuer(domain).err());
            ConfigError::all(faults.map(|error| error.with_field("AUTHOK_DOMAIN"))).map(|()| domains)
        });
        let audiences = variables::listed(
            &lookup,
            "AUTHOK_AUDIENCE",
            "write the identifier of the API, such as https://api.example.com",
        );
        let (domains, audiences) = ConfigError::both(domains, audiences)?;
        Ok(Self::of(AuthokTenant { domains, audiences }))
    }
}

impl IdentityProvider for AuthokTenant {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let issuers = self.domains.iter().map(|domain| issuer(domain)).collect::<Result<Vec<_>, _>>()?;
        let first = issuers.first().map(String::as_str).unwrap_or_default();
        Ok(ProviderSettings {
            keys: KeyLocation::Url(format!("{first}.well-known/jwks.json")),
            audience: Audience::any_of(self.audiences.clone()),
            algorithms: Algorithm::Rs256.into(),
            issuers,
        })
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: of a client that asked for no audience, or a refresh token");
        }
        if matches!(refused.found, InvalidToken::Encrypted) {
            return Some("an encrypted token: of a client that asked for no audience");
        }
        if refused.has_audience(|audience| audience.ends_with("/api/v2/")) {
            return Some("a token for the Management API");
        }
        let is_id_token = refused.has_none_of(&["azp", "client_id", "scope", "permissions"]);
        is_id_token.then_some("an ID token: have the client send the access token")
    }
}

/// Returns the issuer of `domain`. The slash at the end is part of its name.
fn issuer(domain: &str) -> Result<String, ConfigError> {
    values::origin("domain", domain, "tenant.us.authok.cn").map(|origin| format!("{origin}/"))
}
