//! Signed answers (RFC 9701): a JWT of the authorization server for this service, with the answer in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::checks::Audience;
use crate::clock::Clock;
use crate::credential::Credential;
use crate::error::{AuthError, ConfigError, InvalidToken, Unavailable};
use crate::keys::{KeyProvider, KeyStatus};
use crate::verifier::{JwtVerifier, Verifier};

/// The media type of signed answers, as the header `typ` and `Accept` have it (RFC 9701 §4, §5), without `application/`.
const TYPE: &str = "token-introspection+jwt";
pub(super) const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// The member with the answer (RFC 9701 §5).
const MEMBER: &str = "token_introspection";

/// How old a signed answer may be. It is made for one request, so an older one was kept by a third party.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Opens signed answers.
pub(super) struct SignedAnswers {
    verifier: JwtVerifier,
}

/// Why a signed answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableJwt {
    #[error("the answer is not signed, and only signed answers are accepted")]
    NotSigned,
    #[error("the signed answer cannot be used: {0}")]
    Invalid(InvalidToken),
    #[error("the keys of signed answers: {0}")]
    Keys(Unavailable),
    #[error("{0}")]
    Other(AuthError),
}

impl SignedAnswers {
    /// Accepts answers of `issuer` for the client `client_id`, signed with one of `keys`.
    pub(super) fn new(
        issuer: &str,
        client_id: &str,
        keys: Arc<dyn KeyProvider>,
        clock: Arc<dyn Clock>,
        leeway: Duration,
        max_bytes: usize,
    ) -> Result<Self, ConfigError> {
        let max_age = MAX_AGE.saturating_add(leeway);
        let verifier = JwtVerifier::builder(issuer, Audience::any_of([client_id]), keys)
            .token_types([TYPE])
            .require_claims(["iat", MEMBER])
            .leeway(leeway)
            .max_token_bytes(max_bytes)
            .clock(clock)
            .check_fn("age of a signed introspection answer", move |answer| {
                answer.claims().issued_at().is_some_and(|issued| answer.now() <= issued.saturating_add(max_age))
            })
            // The answer itself has `exp` where there is one; the JWT has none (RFC 9701 §5).
            .dangerous()
            .allow_missing_expiration()
            .build()?;
        Ok(Self { verifier })
    }

    /// Verifies the JWT `body`, and returns the answer in it.
    pub(super) async fn open(&self, body: &[u8]) -> Result<Vec<u8>, UnusableJwt> {
        let text = std::str::from_utf8(body).map_err(|_| UnusableJwt::NotSigned)?.trim_ascii();
        if text.starts_with('{') {
            return Err(UnusableJwt::NotSigned);
        }
        let verified = self.verifier.verify(&Credential::bearer(text)).await.map_err(|error| match error {
            AuthError::InvalidToken(InvalidToken::NotCompactJws) => UnusableJwt::NotSigned,
            AuthError::InvalidToken(invalid) => UnusableJwt::Invalid(invalid),
            AuthError::Unavailable(unavailable) => UnusableJwt::Keys(unavailable),
            other => UnusableJwt::Other(other),
        })?;
        let answer = verified.all_claims().required::<&RawValue>(MEMBER).map_err(UnusableJwt::Invalid)?;
        Ok(answer.get().as_bytes().to_vec())
    }

    pub(super) async fn warm_up(&self) -> Result<(), AuthError> {
        self.verifier.warm_up().await
    }

    pub(super) fn status(&self) -> KeyStatus {
        self.verifier.status()
    }
}

impl fmt::Debug for SignedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedAnswers").field("verifier", &self.verifier).finish()
    }
}
