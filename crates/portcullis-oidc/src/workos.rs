//! The preset for WorkOS AuthKit.

use std::borrow::Cow;

use portcullis::claims::{Claims, GrantReader, Grants, StandardGrants};
use portcullis::config::values;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::explain::Refused;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts access tokens of WorkOS AuthKit: for an API with an audience, or of users' sessions.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::WorkOs;
///
/// let api = WorkOs::new("https://acme.authkit.app", "https://api.example.com").verifier()?;
/// let sessions = WorkOs::sessions("client_01HQSXZGF8FHF7A9ZZFCW4387R").verifier()?;
/// # Ok(()) }
/// ```
///
/// **In WorkOS**: *API Keys* shows the client ID. *Connect → Configuration* shows the AuthKit domain. Add the API there
/// as a *resource indicator*, which is the audience.
///
/// **A session token** has the session in `sid` and no `aud`. If the user chose an organization, it has `org_id`,
/// `role`, `roles` and `permissions`. Policies see roles and permissions.
///
/// **What gets in, and what is refused**: each kind of token that WorkOS issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`. With [`Self::sessions`]:
///
#[doc = include_str!("tokens/workos_sessions.md")]
///
/// `iss` of session tokens is usually `https://api.workos.com/user_management/{client ID}`. Environments with a custom domain,
/// and old ones, have another issuer. With [`Self::new`]:
///
#[doc = include_str!("tokens/workos_api.md")]
///
/// See <https://workos.com/docs/reference/authkit/session-tokens>.
pub type WorkOs = Preset<AuthKit>;

/// The settings of a WorkOS AuthKit environment.
#[derive(Clone, Debug)]
pub struct AuthKit {
    tokens: TokenKind,
    issuer: Option<String>,
}

#[derive(Clone, Debug)]
enum TokenKind {
    ForApi { audience: String },
    OfSessions { client: String },
}

impl Preset<AuthKit> {
    /// Accepts tokens for an API.
    ///
    /// `issuer` is the AuthKit domain, for example `https://acme.authkit.app`. `audience` is the API's resource
    /// indicator. The keys are found by discovery.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(AuthKit { tokens: TokenKind::ForApi { audience: audience.into() }, issuer: Some(issuer.into()) })
    }

    /// Accepts tokens of users' sessions with one application. `client` is its client ID, which also names its key set.
    pub fn sessions(client: impl Into<String>) -> Self {
        Self::of(AuthKit { tokens: TokenKind::OfSessions { client: client.into() }, issuer: None })
    }

    /// Replaces the issuer. Write it exactly as in `iss` of a token.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.provider.issuer = Some(issuer.into());
        self
    }
}

impl IdentityProvider for AuthKit {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let algorithms = Algorithm::Rs256.into();
        match &self.tokens {
            TokenKind::ForApi { audience } => {
                let issuer = self.issuer.as_deref().unwrap_or_default();
                let issuer = values::origin("issuer", issuer, "https://acme.authkit.app")?;
                let audience = Audience::any_of([audience.as_str()]);
                Ok(ProviderSettings {
                    keys: KeyLocation::MetadataOf(issuer.clone()),
                    issuers: vec![issuer],
                    audience,
                    algorithms,
                })
            }
            TokenKind::OfSessions { client } => {
                let client =
                    values::path_segment("client", client, "write the client ID, for example client_01HQSXZGF8FH")?;
                let usual = || format!("https://api.workos.com/user_management/{client}");
                Ok(ProviderSettings {
                    issuers: vec![self.issuer.clone().unwrap_or_else(usual)],
                    audience: Audience::not_issued(),
                    algorithms,
                    keys: KeyLocation::Url(format!("https://api.workos.com/sso/jwks/{client}")),
                })
            }
        }
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder.require_claims(["sub"]).grants(WorkOsGrants)
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.text.starts_with("Fe26.2") {
            return Some("a sealed session cookie: unseal it, and send the access token in it");
        }
        if matches!(refused.found, InvalidToken::NotCompactJws) {
            return Some("an opaque token: a refresh token");
        }
        if matches!(refused.found, InvalidToken::WrongIssuer) || !refused.has("iss") {
            return None;
        }
        let is_session = refused.issuer().contains("/user_management/");
        match refused.found {
            InvalidToken::WrongAudience if refused.has("nonce") => {
                Some("an ID token: have the client send the access token")
            }
            InvalidToken::UnknownKey if is_session && !refused.has("aud") => {
                Some("a session token, perhaps of another application: see WorkOs::sessions()")
            }
            InvalidToken::UnknownKey | InvalidToken::WrongAudience if refused.has("aud") => {
                Some("an access token for an API, perhaps for another one: see WorkOs::new()")
            }
            _ => None,
        }
    }
}

/// Reads `permissions`, and `roles` or else the single `role` of older tokens.
#[derive(Debug)]
struct WorkOsGrants;

impl GrantReader for WorkOsGrants {
    fn permissions<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        StandardGrants::new().permissions(claims)
    }

    fn roles<'a>(&self, claims: &'a Claims) -> Grants<'a> {
        if claims.contains("roles") {
            return StandardGrants::new().roles(claims);
        }
        claims.get::<String>("role").ok().flatten().into_iter().map(Cow::Owned).collect()
    }
}
