//! The preset for Firebase Authentication.

use std::time::Duration;

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::claims::NumericDate;
use portcullis::config::values;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};
use serde_json::{Map, Value};

use crate::explain::Refused;
use crate::id_token::SingleAudience;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the ID tokens of a Firebase project, or its session cookies.
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis_oidc::Firebase;
///
/// let verifier = Firebase::new("my-project-1a2b3").verifier()?;
/// # Ok(()) }
/// ```
///
/// **In Firebase**: *Project settings → General* shows the project ID. Clients send the result of `getIdToken()`.
///
/// **A token** has the project in `aud`, the user in `sub` and the time of the sign-in in `auth_time`. Custom claims
/// from the Admin SDK are at the top level. `firebase.sign_in_provider` says how the user signed in.
///
/// **What gets in, and what is refused**: each kind of token that Firebase issues, or that clients send by mistake. "The log
/// adds" is the field `explanation` of the event `request refused`, at the level `DEBUG`.
///
#[doc = include_str!("tokens/firebase.md")]
///
/// The ID token of a user who was disabled stays valid until it expires, for up to an hour.
///
/// **The emulator** does not sign its tokens, so this preset refuses them as `algorithm_not_allowed`. For tests,
/// `portcullis-testing` has a verifier that accepts them while an emulator runs on the same machine:
///
/// ```
/// # fn main() -> Result<(), portcullis::ConfigError> {
/// use portcullis::Gate;
/// use portcullis_oidc::Firebase;
/// use portcullis_testing::FirebaseEmulator;
///
/// let gate = Gate::new(FirebaseEmulator::new("127.0.0.1:9099", |keys| {
///     Firebase::new("my-project-1a2b3").keys(keys).verifier()
/// })?);
/// # let _ = gate;
/// # Ok(()) }
/// ```
///
/// See <https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library>.
pub type Firebase = Preset<Project>;

/// The settings of a Firebase project.
#[derive(Clone, Debug)]
pub struct Project {
    id: String,
    tokens: TokenKind,
    tenants: AcceptedTenants,
    refuse_anonymous: bool,
}

#[derive(Clone, Copy, Debug)]
enum TokenKind {
    Id,
    SessionCookie,
}

/// The tenants of the project whose users are accepted (`firebase.tenant`).
#[derive(Clone, Debug)]
enum AcceptedTenants {
    Any,
    /// Only users who belong to no tenant.
    None,
    OneOf(Vec<String>),
}

impl Preset<Project> {
    /// Accepts the ID tokens of one project. `project` is the project ID.
    pub fn new(project: impl Into<String>) -> Self {
        Self::of(Project {
            id: project.into(),
            tokens: TokenKind::Id,
            tenants: AcceptedTenants::Any,
            refuse_anonymous: false,
        })
    }

    /// Accepts session cookies instead of ID tokens. `createSessionCookie` of the Admin SDK makes them, and they live for up
    /// to two weeks. They have another issuer and other keys than ID tokens. To accept both, give both verifiers to one
    /// gate:
    ///
    /// ```
    /// # fn main() -> Result<(), portcullis::ConfigError> {
    /// use portcullis::verifier::ByIssuer;
    /// use portcullis::{Gate, TokenSource};
    /// use portcullis_oidc::Firebase;
    ///
    /// let project = Firebase::new("my-project-1a2b3").refuse_anonymous();
    /// let both = ByIssuer::new([project.verifier()?, project.session_cookies().verifier()?])?;
    /// let gate = Gate::new(both)
    ///     .with_token_sources([TokenSource::authorization(), TokenSource::cookie("session")])
    ///     .with_allowed_origins(["https://app.example.com"])?;
    /// # let _ = gate;
    /// # Ok(()) }
    /// ```
    ///
    /// Browsers also send cookies with requests that other sites cause. So the gate refuses unsafe requests by cookie that do not
    /// come from a page of an allowed origin. See <https://firebase.google.com/docs/auth/admin/manage-cookies>.
    pub fn session_cookies(mut self) -> Self {
        self.provider.tokens = TokenKind::SessionCookie;
        self
    }

    /// Refuses users who signed in anonymously, as `check_failed`. Default: they are accepted.
    pub fn refuse_anonymous(mut self) -> Self {
        self.provider.refuse_anonymous = true;
        self
    }

    /// Accepts only users of this tenant of the project. Each call adds one tenant. Other users are refused as
    /// `wrong_tenant`. Default: users of every tenant, and of no tenant, are accepted.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        match &mut self.provider.tenants {
            AcceptedTenants::OneOf(tenants) => tenants.push(tenant.into()),
            AcceptedTenants::Any | AcceptedTenants::None => {
                self.provider.tenants = AcceptedTenants::OneOf(vec![tenant.into()]);
            }
        }
        self
    }

    /// Accepts only users who belong to no tenant of the project. Other users are refused as `wrong_tenant`.
    pub fn no_tenant(mut self) -> Self {
        self.provider.tenants = AcceptedTenants::None;
        self
    }
}

impl IdentityProvider for Project {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let project = values::path_segment("project", &self.id, "write the project ID, such as my-project-1a2b3")?;
        if let AcceptedTenants::OneOf(tenants) = &self.tenants
            && tenants.iter().any(|tenant| tenant.trim().is_empty())
        {
            return Err(ConfigError::new("tenant", "empty", "write the tenant ID, or call no_tenant()"));
        }
        let (issuer, keys) = match self.tokens {
            TokenKind::Id => (
                format!("https://securetoken.google.com/{project}"),
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            ),
            TokenKind::SessionCookie => (
                format!("https://session.firebase.google.com/{project}"),
                "https://identitytoolkit.googleapis.com/v1/sessionCookiePublicKeys",
            ),
        };
        Ok(ProviderSettings {
            issuers: vec![issuer],
            audience: Audience::any_of([project]),
            algorithms: Algorithm::Rs256.into(),
            keys: KeyLocation::Url(keys.to_owned()),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        let builder = builder.require_claims(["sub", "iat", "auth_time"]).check(SingleAudience).check(UserSignedIn);
        match (&self.tenants, self.refuse_anonymous) {
            (AcceptedTenants::Any, false) => builder,
            _ => builder.check(OfUser { tenants: self.tenants.clone(), refuse_anonymous: self.refuse_anonymous }),
        }
    }

    fn explain(refused: &Refused<'_>) -> Option<&'static str> {
        if refused.text.starts_with("AMf-") {
            return Some("a refresh token: have the client send the ID token");
        }
        if refused.text.ends_with('.') && matches!(refused.found, InvalidToken::AlgorithmNotAllowed) {
            return Some("an unsigned token, as the emulator issues them");
        }
        if refused.has_audience(|audience| audience.starts_with("https://identitytoolkit.googleapis.com/")) {
            return Some("a custom token: have the client exchange it for an ID token");
        }
        let kinds = [
            ("https://session.firebase.google.com/", "a session cookie: call session_cookies()"),
            (
                "https://firebaseappcheck.googleapis.com/",
                "a token of App Check, which is for an application, not a user",
            ),
            (
                "https://accounts.google.com",
                "an ID token of a Google account: have the client send the one of Firebase",
            ),
        ];
        let of = kinds.into_iter().find(|(issuer, _)| refused.issuer().starts_with(issuer));
        of.map(|(_, kind)| kind)
    }
}

/// Checks what Firebase requires of a token: `sub` is not empty, and `auth_time` is in the past.
struct UserSignedIn;

impl ClaimCheck for UserSignedIn {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        // The clocks of Firebase's servers may differ by this much.
        const LEEWAY: Duration = Duration::from_secs(5);
        if token.claims().subject().is_none_or(str::is_empty) {
            return Err(InvalidToken::invalid("sub"));
        }
        let signed_in = token.claims().required::<i64>("auth_time")?;
        // The verifier has already limited how far `iat` is ahead of our clock.
        let latest = token.claims().issued_at().map_or(token.now(), |issued_at| issued_at.max(token.now()));
        let passed = NumericDate::from_unix(signed_in, 0) <= latest.saturating_add(LEEWAY);
        if passed { Ok(()) } else { Err(InvalidToken::invalid("auth_time")) }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("sub").reading("auth_time").expecting("sub not empty, auth_time in the past")
    }
}

/// Checks the claim `firebase`: how the user signed in, and the tenant.
struct OfUser {
    tenants: AcceptedTenants,
    refuse_anonymous: bool,
}

impl ClaimCheck for OfUser {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let user = token.claims().required::<Map<String, Value>>("firebase")?;
        let text = |name: &str| match user.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(InvalidToken::invalid("firebase")),
        };
        let is_accepted = match (&self.tenants, text("tenant")?) {
            (AcceptedTenants::Any, _) | (AcceptedTenants::None, None) => true,
            (AcceptedTenants::OneOf(tenants), Some(tenant)) => tenants.iter().any(|accepted| accepted == tenant),
            _ => false,
        };
        if !is_accepted {
            return Err(InvalidToken::WrongTenant);
        }
        if self.refuse_anonymous && text("sign_in_provider")?.is_none_or(|provider| provider == "anonymous") {
            return Err(InvalidToken::CheckFailed { name: "not anonymous".into() });
        }
        Ok(())
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("firebase").expecting("an accepted tenant and way to sign in")
    }
}
