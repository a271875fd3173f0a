//! What is said of one token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::{AuthError, Reason, Verified};
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
    /// The signature is good; nothing else was looked at.
    #[serde(rename = "accept")]
    Payload {
        /// The payload, base64url.
        payload: String,
    },
    /// The token is not good.
    Reject {
        /// The stable reason.
        reason: &'static str,
        /// Which part, claim or check it was.
        detail: String,
    },
}

impl Verdict {
    /// For a token that passed every check.
    ///
    /// # Errors
    /// Never for claims that were verified, which are JSON.
    pub(crate) fn of_claims(verified: &Verified) -> Result<Self, AuthError> {
        // Line breaks can stand between the tokens of JSON, but not in them: what is left is the same JSON on one line.
        let json = verified.all_claims().as_json().replace(['\r', '\n'], "");
        let claims =
            RawValue::from_string(json).map_err(|_| AuthError::Server("verified claims are not JSON".into()))?;
        Ok(Self::Claims { claims })
    }

    /// For a signature that verified.
    pub(crate) fn of_payload(payload: &[u8]) -> Self {
        Self::Payload { payload: URL_SAFE_NO_PAD.encode(payload) }
    }

    /// For a token that was refused.
    ///
    /// # Errors
    /// When `error` says nothing of the token, such as that keys can't be had.
    pub(crate) fn of_error(error: AuthError) -> Result<Self, AuthError> {
        match error.reason().map(Reason::as_str) {
            Some(reason) => Ok(Self::Reject { reason, detail: error.to_string() }),
            None => Err(error),
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
    use portcullis::error::{InvalidToken, Unavailable};

    use super::*;

    #[test]
    fn verdicts_are_one_line_of_json_each() {
        let line = |verdict: &Verdict| serde_json::to_string(verdict).unwrap();
        let claims = dangerous::assume_verified(&serde_json::json!({"sub": "u", "n": "a\nb"})).unwrap();
        let accept = Verdict::of_claims(&claims).unwrap();
        assert!(accept.accepts());
        assert_eq!(line(&accept), r#"{"verdict":"accept","claims":{"n":"a\nb","sub":"u"}}"#);
        assert_eq!(line(&Verdict::of_payload(b"foo")), r#"{"verdict":"accept","payload":"Zm9v"}"#);
        let reject = Verdict::of_error(InvalidToken::missing("exp").into()).unwrap();
        assert!(!reject.accepts());
        assert_eq!(line(&reject), r#"{"verdict":"reject","reason":"missing_claim","detail":"claim exp is missing"}"#);
    }

    #[test]
    fn no_keys_is_no_verdict() {
        assert!(matches!(Verdict::of_error(Unavailable::new().into()), Err(AuthError::Unavailable(_))));
    }
}
