//! The answer to a request that is not let in, as plain values: the same bytes from every adapter.

use serde::Serialize;

use crate::challenge::Challenge;
use crate::error::{AuthError, Reason};

/// A whole HTTP response, but for the framework's own header fields.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The header fields, in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The reason, where a token was bad.
    pub reason: Option<Reason>,
}

/// What the challenges of a service with protected resource metadata tell its clients, so that they know where to get a
/// token and with which scopes.
pub(crate) struct Guidance {
    /// The URL of the metadata (RFC 9728 §5.1).
    pub(crate) metadata_url: String,
    /// The scopes that the request needs, space-delimited (RFC 6750 §3), where they are known.
    pub(crate) scope: Option<String>,
}

/// The members of a body, in their order.
#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Refusal {
    /// The answer to `error`, with challenges in `realm`.
    #[must_use]
    pub fn new(error: &AuthError, realm: &str) -> Self {
        Self::with_guidance(error, realm, None)
    }

    pub(crate) fn with_guidance(error: &AuthError, realm: &str, guidance: Option<&Guidance>) -> Self {
        let mut headers: Vec<(String, String)> = challenges(error, realm, guidance)
            .iter()
            .map(|each| ("www-authenticate".to_owned(), each.to_string()))
            .collect();
        match error {
            AuthError::Custom(custom) => headers.extend(custom.headers.iter().cloned()),
            AuthError::Unavailable(unavailable) => {
                let seconds = unavailable
                    .retry_after
                    .map_or(DEFAULT_RETRY_SECONDS, |delay| delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
                headers.push(("retry-after".to_owned(), seconds.max(1).to_string()));
            }
            _ => {}
        }
        headers.push(("cache-control".to_owned(), "no-store".to_owned()));
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let body = Body {
            error: error.code(),
            error_description: error.description(),
            scope: named_scope(error),
            reason: error.reason().map(Reason::as_str),
        };
        // Strings alone can't fail to serialise; an empty body would be the harmless way to be wrong about that.
        let body = serde_json::to_string(&body).unwrap_or_default();
        Self { status: error.status(), headers, body, reason: error.reason() }
    }
}

/// When to come back, where nobody knows better, in seconds.
const DEFAULT_RETRY_SECONDS: u64 = 5;

fn challenges(error: &AuthError, realm: &str, guidance: Option<&Guidance>) -> Vec<Challenge> {
    let bearer = || Challenge::new("Bearer").with("realm", realm);
    let with_error = || bearer().with("error", error.code()).with("error_description", error.description());
    let needed = guidance.and_then(|guidance| guidance.scope.as_deref());
    let (challenge, scope) = match error {
        AuthError::Custom(custom) => return custom.challenges.clone(),
        AuthError::InsufficientScope { .. } => (with_error(), named_scope(error)),
        AuthError::InvalidRequest(_) => (with_error(), None),
        AuthError::InvalidToken(_) => (with_error(), needed),
        AuthError::MissingToken => (bearer(), needed),
        AuthError::Server(_) | AuthError::Unavailable(_) => return Vec::new(),
    };
    let challenge = scope.into_iter().fold(challenge, |challenge, scope| challenge.with("scope", scope));
    let url = guidance.map(|guidance| guidance.metadata_url.as_str());
    vec![url.into_iter().fold(challenge, |challenge, url| challenge.with("resource_metadata", url))]
}

fn named_scope(error: &AuthError) -> Option<&str> {
    match error {
        AuthError::InsufficientScope { scope } => scope.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{InvalidRequest, InvalidToken, Unavailable};

    fn refusal(error: impl Into<AuthError>) -> (u16, Option<String>, String) {
        let refusal = Refusal::new(&error.into(), "api");
        let field = refusal.headers.iter().find(|(name, _)| name == "www-authenticate");
        (refusal.status, field.map(|(_, value)| value.clone()), refusal.body)
    }

    #[test]
    fn the_table_of_answers() {
        assert_eq!(
            refusal(AuthError::MissingToken),
            (
                401,
                Some(r#"Bearer realm="api""#.into()),
                r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#.into()
            )
        );
        let (status, challenge, body) = refusal(InvalidRequest::MalformedAuthorization);
        assert_eq!(status, 400);
        assert_eq!(
            challenge.as_deref(),
            Some(
                r#"Bearer realm="api", error="invalid_request", error_description="The Authorization field is not of the form Bearer token""#
            )
        );
        assert!(body.starts_with(r#"{"error":"invalid_request","error_description":""#) && !body.contains("reason"));
        assert_eq!(
            refusal(InvalidToken::Expired),
            (
                401,
                Some(
                    r#"Bearer realm="api", error="invalid_token", error_description="The access token expired""#.into()
                ),
                r#"{"error":"invalid_token","error_description":"The access token expired","reason":"expired"}"#.into()
            )
        );
        let (status, challenge, body) = refusal(AuthError::InsufficientScope { scope: Some("a b".into()) });
        assert_eq!(status, 403);
        assert!(challenge.unwrap().ends_with(r#", scope="a b""#));
        assert!(body.ends_with(r#","scope":"a b"}"#));
        let (status, challenge, body) = refusal(AuthError::Server("gate missing".into()));
        assert_eq!((status, challenge), (500, None));
        assert!(!body.contains("gate"));
    }

    #[test]
    fn an_outage_is_a_503_with_retry_after_in_whole_seconds() {
        for (delay, expected) in [(None, "5"), (Some(Duration::ZERO), "1"), (Some(Duration::from_millis(1_001)), "2")] {
            let mut unavailable = Unavailable::new();
            unavailable.retry_after = delay;
            let refusal = Refusal::new(&unavailable.into(), "api");
            assert_eq!(refusal.status, 503);
            assert!(refusal.headers.contains(&("retry-after".into(), expected.into())));
            assert!(!refusal.headers.iter().any(|(name, _)| name == "www-authenticate"));
        }
    }

    #[test]
    fn every_answer_is_json_and_not_stored() {
        let headers = Refusal::new(&AuthError::MissingToken, "api").headers;
        assert!(headers.contains(&("content-type".into(), "application/json".into())));
        assert!(headers.contains(&("cache-control".into(), "no-store".into())));
    }
}
