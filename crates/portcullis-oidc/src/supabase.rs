//! The preset for Supabase Auth.

use std::sync::Arc;

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::{FirstOf, FixedKeys, FixedKeysError, VerifyingKey};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, KeyProvider};

use crate::explain::Refused;
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
/// **What gets in, and what is refused**: each kind of token that Supabase issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/supabase.md")]
///
/// Do not authorize by `user_metadata`: users can change it.
///
/// See <https://supabase.com/docs/guides/auth/jwt-fields>.
pub type Supabase = Preset<SupabaseProject>;

/// The settings of a Supabase project.
#[derive(Clone, Debug)]
pub struct SupabaseProject {
    place: ProjectAddress,
    algorithms: AlgorithmSet,
    /// The legacy secret, if it is used in addition to the published keys.
    secret: Option<Arc<FixedKeys>>,
    refuse_anonymous: bool,
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
        Ok(self.keys(legacy_keys(secret)?))
    }

    /// Verifies tokens with the project's published keys, and tokens with the algorithm HS256 with its legacy JWT secret.
    ///
    /// Use it while the project migrates to signing keys: tokens from before and after the change are accepted. The secret
    /// never verifies a token with another algorithm, and a published key never one with HS256. Remove it when the last
    /// token of the secret has expired, because every holder of the secret can sign tokens.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let secret = [7; 40];
    /// use portcullis_oidc::Supabase;
    ///
    /// let verifier = Supabase::new("abcdefghijklmnopqrst").also_legacy_secret(&secret)?.verifier()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails for an unusable secret, for example one shorter than 32 bytes.
    pub fn also_legacy_secret(mut self, secret: &[u8]) -> Result<Self, FixedKeysError> {
        self.provider.secret = Some(Arc::new(legacy_keys(secret)?));
        self.provider.algorithms = SupabaseProject::PUBLISHED.into_iter().chain([Algorithm::Hs256]).collect();
        Ok(self)
    }

    /// Refuses users who signed in anonymously (`is_anonymous`), as `check_failed`. Default: they are accepted.
    pub fn refuse_anonymous(mut self) -> Self {
        self.provider.refuse_anonymous = true;
        self
    }
}

/// Returns the key of the legacy secret. It is base64 text, and the text itself is the secret, so there is no warning about it.
fn legacy_keys(secret: &[u8]) -> Result<FixedKeys, FixedKeysError> {
    Ok(FixedKeys::key(VerifyingKey::from_secret(secret)?))
}

impl SupabaseProject {
    /// The algorithms of published keys.
    const PUBLISHED: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Rs256];

    fn at(place: ProjectAddress) -> Self {
        Self { place, algorithms: Self::PUBLISHED.into(), secret: None, refuse_anonymous: false }
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

    fn add_keys(&self, published: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
        match &self.secret {
            // A query for HS256 is always answered by the secret, and any other never.
            Some(secret) => Arc::new(FirstOf::new([Arc::clone(secret) as Arc<dyn KeyProvider>, published])),
            None => published,
        }
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.require_claims(["sub"]).check(RoleIsAuthenticated);
        if self.refuse_anonymous { builder.check(NotAnonymous) } else { builder }
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if ["sb_publishable_", "sb_secret_"].iter().any(|prefix| refused.text.starts_with(prefix)) {
            return Some("an API key: have the client send the access token of the user");
        }
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: a refresh token");
        }
        if matches!(refused.claim("role").as_deref(), Some("anon" | "service_role")) {
            return Some("a legacy API key: have the client send the access token of the user");
        }
        let of_secret = matches!(refused.found, InvalidToken::AlgorithmNotAllowed) && refused.has("session_id");
        of_secret.then_some("a token of the legacy secret, or of another kind of key: see also_legacy_secret()")
    }
}

/// Checks `role`. API keys have `anon` or `service_role` there, and users' tokens `authenticated`.
struct RoleIsAuthenticated;

impl ClaimCheck for RoleIsAuthenticated {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let role = token.claims().required::<String>("role")?;
        if role == "authenticated" { Ok(()) } else { Err(InvalidToken::WrongTokenClass) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("role").expecting_any_of(["authenticated"])
    }
}

/// Checks `is_anonymous`. Tokens of versions without anonymous users lack it.
struct NotAnonymous;

impl ClaimCheck for NotAnonymous {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match token.claims().get::<bool>("is_anonymous")? {
            Some(true) => Err(InvalidToken::CheckFailed { name: "not anonymous".into() }),
            Some(false) | None => Ok(()),
        }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("is_anonymous").expecting("false, or absent")
    }
}
