//! The verdict on one token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::InvalidToken;
use portcullis::{AuthError, Verified};
use serde::Serialize;
use serde_json::value::RawValue;

/// One line of output.
#[derive(Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The token is good.
    #[serde(rename = "accept")]
    Claims {
        /// Its claims, as they were issued.
        claims: Box<RawValue>,
    },
    /// The signature is good. Nothing else was checked.
    #[serde(rename = "accept")]
    Payload {
        /// The payload, base64url.
        payload: String,
    },
    /// The token is refused.
    Reject {
        /// The stable reason.
        reason: &'static str,
        /// The part, claim or check that failed, what was expected, and what the token has.
        detail: String,
    },
}

impl Verdict {
    /// Makes the verdict on a token that passed every check.
    ///
    /// # Errors
    /// Never for verified claims, because they are JSON.
    pub(crate) fn of_claims(verified: &Verified) -> Result<Self, AuthError> {
        // JSON has line breaks and tabs between its tokens only, so without them it is the same JSON on one line.
        let json = verified.all_claims().as_json().replace(['\r', '\n', '\t'], "");
        let claims =
            RawValue::from_string(json).map_err(|_| AuthError::Server("verified claims are not JSON".into()))?;
        Ok(Self::Claims { claims })
    }

    /// Makes the verdict on a signature that verified.
    pub(crate) fn of_payload(payload: &[u8]) -> Self {
        Self::Payload { payload: URL_SAFE_NO_PAD.encode(payload) }
    }

    /// Makes the verdict on a token that was refused. `detail` explains the error.
    ///
    /// # Errors
    /// `error` itself if it is not about the token, for example if keys are unavailable.
    pub(crate) fn of_error(error: AuthError, detail: impl Fn(&InvalidToken) -> String) -> Result<Self, AuthError> {
        match error {
            AuthError::InvalidToken(error) => {
                Ok(Self::Reject { reason: error.reason().as_str(), detail: detail(&error) })
            }
            // The keys were fetched in this run, and do not have the token's key. A service would wait for the next fetch.
            AuthError::Unavailable(unavailable) if unavailable.limited => {
                Self::of_error(InvalidToken::UnknownKey.into(), detail)
            }
            error => Err(error),
        }
    }

    /// Whether the token is good.
    pub(crate) fn accepts(&self) -> bool {
        !matches!(self, Self::Reject { .. })
    }
}

#[cfg(test)]
mod tests {
    use portcullis::dangerous;
    use portcullis::error::Unavailable;

    use super::*;

    #[test]
    fn verdict_is_one_line_of_json() {
        let line = |verdict: &Verdict| serde_json::to_string(verdict).unwrap();
        let claims = dangerous::assume_verified(&serde_json::json!({"sub": "u", "n": "a\nb"})).unwrap();
        let accept = Verdict::of_claims(&claims).unwrap();
        assert!(accept.accepts());
        assert_eq!(line(&accept), r#"{"verdict":"accept","claims":{"n":"a\nb","sub":"u"}}"#);
        assert_eq!(line(&Verdict::of_payload(b"foo")), r#"{"verdict":"accept","payload":"Zm9v"}"#);
        let reject = Verdict::of_error(InvalidToken::missing("exp").into(), ToString::to_string).unwrap();
        assert!(!reject.accepts());
        assert_eq!(line(&reject), r#"{"verdict":"reject","reason":"missing_claim","detail":"claim exp is missing"}"#);
    }

    #[test]
    fn missing_keys_are_no_verdict() {
        assert!(matches!(
            Verdict::of_error(Unavailable::new().into(), ToString::to_string),
            Err(AuthError::Unavailable(_))
        ));
        // Keys were fetched, and one more fetch is not allowed yet.
        let reject = Verdict::of_error(Unavailable::new().limited().into(), ToString::to_string).unwrap();
        assert!(matches!(reject, Verdict::Reject { reason: "unknown_key", .. }));
    }
}
