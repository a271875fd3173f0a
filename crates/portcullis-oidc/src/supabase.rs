//! The preset for Supabase Auth.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{FixedKeys, FixedKeysError};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};
use crate::url;

/// Accepts the access tokens of users who are signed in to a Supabase project.
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
/// **In Supabase**: the project's reference is the first part of its URL. *Project Settings → JWT Keys* shows its
/// signing keys.
///
/// **A token** has `authenticated` in `aud` and in `role`, and the user in `sub`. `aal` is the assurance level: `aal2`
/// after a second factor. `is_anonymous` is `true` for a user who signed in anonymously.
///
/// **What goes wrong**: a project that still signs with its legacy secret (HS256) publishes no key. Its tokens are
/// refused as `algorithm_not_allowed`. Migrate to signing keys, or use [`Self::legacy_secret`]. The API keys `anon` and
/// `service_role` are not users' tokens and are refused. Do not authorize by `user_metadata`: users can change it.
///
/// See <https://supabase.com/docs/guides/auth/jwt-fields>.
pub type Supabase = Preset<SupabaseProject>;

/// The settings of a Supabase project.
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
    /// Accepts the tokens of one project. `reference` is the first part of `https://{reference}.supabase.co`.
    pub fn new(reference: impl Into<String>) -> Self {
        Self::of(SupabaseProject::at(ProjectAddress::Reference(reference.into())))
    }

    /// Accepts the tokens of a project with a custom domain, or of a self-hosted one. `url` is its URL.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self::of(SupabaseProject::at(ProjectAddress::Url(url.into())))
    }

    /// Verifies tokens with the project's legacy JWT secret instead of its published keys. Every holder of this secret
    /// can sign tokens.
    ///
    /// # Errors
    /// Fails for an unusable secret, for example one shorter than 32 bytes.
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
                let is_reference = !reference.is_empty() && reference.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !is_reference {
                    let instead =
                        "write only the first part of the project's URL, or pass the URL to Supabase::from_url";
                    return Err(ConfigError::new("reference", "not a project reference", instead));
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

/// Checks `role`. API keys have `anon` or `service_role` there, and users' tokens `authenticated`.
struct RoleIsAuthenticated;

impl ClaimCheck for RoleIsAuthenticated {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let role = token.claims().required::<String>("role")?;
        if role == "authenticated" { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }
}
