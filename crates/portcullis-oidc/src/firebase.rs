//! The preset for Firebase Authentication.

use std::time::Duration;

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::claims::NumericDate;
use portcullis::config::values;
use portcullis::error::InvalidToken;
use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError};

use crate::id_token::SingleAudience;
use crate::preset::{IdentityProvider, KeyLocation, Preset, ProviderSettings};

/// Accepts the ID tokens of a Firebase project.
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
/// from the Admin SDK are at the top level.
///
/// **What goes wrong**: session cookies have another issuer, `https://session.firebase.google.com/…`, and are refused.
/// Custom tokens are for Firebase itself and are refused, too. The ID token of a user who was disabled stays valid until
/// it expires, for up to an hour.
///
/// See <https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library>.
pub type Firebase = Preset<Project>;

/// The settings of a Firebase project.
#[derive(Clone, Debug)]
pub struct Project(String);

impl Preset<Project> {
    /// Accepts the ID tokens of one project. `project` is the project ID.
    pub fn new(project: impl Into<String>) -> Self {
        Self::of(Project(project.into()))
    }
}

impl IdentityProvider for Project {
    fn settings(&self) -> Result<ProviderSettings, ConfigError> {
        let project = values::path_segment("project", &self.0, "write the project ID, such as my-project-1a2b3")?;
        let keys = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
        Ok(ProviderSettings {
            issuers: vec![format!("https://securetoken.google.com/{project}")],
            audience: Audience::any_of([project]),
            algorithms: Algorithm::Rs256.into(),
            keys: KeyLocation::Url(keys.to_owned()),
        })
    }

    fn refine(&self, builder: JwtVerifierBuilder) -> JwtVerifierBuilder {
        builder.require_claims(["sub", "iat", "auth_time"]).check(SingleAudience).check(UserSignedIn)
    }
}

/// Checks what Firebase requires of an ID token: `sub` is not empty, and `auth_time` is in the past.
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
}
