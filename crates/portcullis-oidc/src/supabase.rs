//! Supabase Auth.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{FixedKeys, FixedKeysError};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};
use crate::url;

/// Access tokens of users who are signed in to a Supabase project.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Supabase;
///
/// let verifier = Supabase::new("abcdefghijklmnopqrst").verifier()?;
/// let own_domain = Supabase::from_url("https://auth.example.com").verifier()?;
/// # Ok(()) }
/// ```
///
/// *In Supabase*: the project's reference is the first part of its URL; *Project Settings → JWT Keys* has its signing
/// keys. *A token* has `authenticated` in `aud` and in `role`, the user in `sub`, how well they are known in `aal`
/// (`aal2` after a second factor), and `is_anonymous: true` where they never said who they are. *What goes wrong*: a
/// project that still signs with its legacy secret (HS256) publishes no key, so tokens are refused as
/// `algorithm_not_allowed`: migrate to signing keys, or use [`Self::legacy_secret`]. API keys (`anon`, `service_role`)
/// are no users, and refused. Never authorize on `user_metadata`, which users write themselves. See
/// <https://supabase.com/docs/guides/auth/jwt-fields>.
pub type Supabase = Preset<SupabaseProject>;

/// A Supabase project.
#[derive(Clone, Debug)]
pub struct SupabaseProject {
    place: ProjectAddress,
    algorithms: AlgorithmSet,
}

#[derive(Clone, Debug)]
enum ProjectAddress {
    Reference(String),
    Url(String),
}

impl Preset<SupabaseProject> {
    /// `reference` is the project's, as in `https://{reference}.supabase.co`.
    pub fn new(reference: impl Into<String>) -> Self {
        Self::of(SupabaseProject::at(ProjectAddress::Reference(reference.into())))
    }

    /// A project at a domain of one's own, or on a server of one's own.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self::of(SupabaseProject::at(ProjectAddress::Url(url.into())))
    }

    /// Verifies with the project's legacy JWT secret, and with no key that it publishes. Whoever has this secret can
    /// sign tokens too.
    ///
    /// # Errors
    /// When the secret can't be used: it is shorter than 32 bytes, say.
    pub fn legacy_secret(mut self, secret: &[u8]) -> Result<Self, FixedKeysError> {
        self.provider.algorithms = Algorithm::Hs256.into();
        Ok(self.keys(FixedKeys::secret(secret)?))
    }
}

impl SupabaseProject {
    fn at(place: ProjectAddress) -> Self {
        Self { place, algorithms: [Algorithm::Es256, Algorithm::Rs256].into() }
    }
}

impl IdentityProvider for SupabaseProject {
    const URL_FIELD: &'static str = "url";

    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let origin = match &self.place {
            ProjectAddress::Url(url) => url::origin("url", url, "https://auth.example.com")?,
            ProjectAddress::Reference(reference) => {
                let is_one = !reference.is_empty() && reference.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !is_one {
                    let instead =
                        "write the first part of the project's URL alone, or use Supabase::from_url with the URL";
                    return Err(ConfigError::new("reference", "not a project's reference", instead));
                }
                format!("https://{reference}.supabase.co")
            }
        };
        let issuer = format!("{origin}/auth/v1");
        Ok(ProviderSettings {
            keys: KeyLocation::Url(format!("{issuer}/.well-known/jwks.json")),
            issuers: vec![issuer],
            audience: Audience::any_of(["authenticated"]),
            algorithms: self.algorithms,
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder.require_claims(["sub"]).check(RoleIsAuthenticated)
    }
}

/// `role`: `anon` and `service_role` are keys of applications, not users.
struct RoleIsAuthenticated;

impl ClaimCheck for RoleIsAuthenticated {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let role = token.claims().required::<String>("role")?;
        if role == "authenticated" { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }
}
