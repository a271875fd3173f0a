//! WorkOS AuthKit.

use std::borrow::Cow;

use portcullis::claims::{Claims, GrantReader, Grants, StandardGrants};
use portcullis::config::values;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Access tokens of WorkOS AuthKit: for an API with an audience, or of users' sessions.
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
/// *In WorkOS*: *API Keys* has the client ID; *Connect → Configuration* has the AuthKit domain and takes the API as a
/// *resource indicator*, which is the audience. *A session's token* has no `aud`, the session in `sid`, and where an
/// organization was chosen, `org_id`, `role`, `roles` and `permissions`; the last two serve policies. *What goes
/// wrong*: `iss` of session tokens is `https://api.workos.com/user_management/{client ID}` unless the environment has a
/// custom domain or is an old one: then give what stands in a token to [`Self::issuer`]. See
/// <https://workos.com/docs/reference/authkit/session-tokens>.
pub type WorkOs = Preset<AuthKit>;

/// WorkOS AuthKit.
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
    /// Tokens for an API: `issuer` is the AuthKit domain, such as `https://acme.authkit.app`, `audience` the API's
    /// resource indicator. The keys are found by discovery.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(AuthKit { tokens: TokenKind::ForApi { audience: audience.into() }, issuer: Some(issuer.into()) })
    }

    /// Tokens of users' sessions with the application `client`, which has a key set of its own.
    pub fn sessions(client: impl Into<String>) -> Self {
        Self::of(AuthKit { tokens: TokenKind::OfSessions { client: client.into() }, issuer: None })
    }

    /// Another issuer, exactly as it stands in tokens.
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
                    values::path_segment("client", client, "write the client ID, such as client_01HQSXZGF8FH")?;
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
}

/// `permissions`, and `roles` or, in older tokens, the one `role`.
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
