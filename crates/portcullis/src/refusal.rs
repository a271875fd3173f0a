//! The answer that refuses a request, as plain values: the same bytes from every adapter.

use std::fmt;

use serde::Serialize;

use crate::challenge::ChallengeText;
use crate::credential::Scheme;
use crate::error::{AuthError, Reason};
use crate::measure::{GateMetrics, IssuerLabel};

/// A complete HTTP response, except for the header fields that the framework adds.
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

/// What the challenges of a service are made of.
pub(crate) struct Challenger<'a> {
    pub(crate) realm: &'a str,
    /// The schemes that are accepted.
    pub(crate) schemes: &'a [Scheme],
    /// The signature algorithms of DPoP proofs, space-delimited (RFC 9449 §7.1).
    pub(crate) proof_algorithms: Option<&'a str>,
    /// The scheme that the request used, where that is known.
    pub(crate) used: Option<Scheme>,
    pub(crate) guidance: Option<Guidance>,
}

/// What the challenges of a service with protected resource metadata tell its clients: where to get a token, and the scopes
/// to ask for.
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
    acr_values: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Refusal {
    /// Makes the answer of a service that is set up wrongly, for example when a handler has no gate: 500. `problem` goes to
    /// the log, and should say what to write instead.
    #[must_use]
    pub fn misconfigured(problem: &'static str) -> Self {
        let error = AuthError::Server(problem.into());
        log(&error, Explained::default());
        // There is no gate that could count it.
        GateMetrics::new(Vec::new()).refused(&error, None, IssuerLabel::default());
        Self::server_error(&error)
    }

    /// Makes the answer 500 to `error`, which is logged already.
    pub(crate) fn server_error(error: &AuthError) -> Self {
        Self::new(error, &Challenger { realm: "", schemes: &[], proof_algorithms: None, used: None, guidance: None })
    }

    /// Makes the answer to `error`.
    pub(crate) fn new(error: &AuthError, challenger: &Challenger<'_>) -> Self {
        let mut headers = Vec::with_capacity(4);
        headers.extend(challenger.challenges(error).into_iter().map(|each| ("www-authenticate".to_owned(), each)));
        match error {
            AuthError::Custom(custom) => headers.extend(custom.headers.iter().cloned()),
            AuthError::Unavailable(unavailable) => {
                let seconds = unavailable.retry_after.map_or(DEFAULT_RETRY_SECONDS, |delay| {
                    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
                });
                headers.push(("retry-after".to_owned(), seconds.max(1).to_string()));
            }
            AuthError::UseDpopNonce { nonce } => headers.push(("dpop-nonce".to_owned(), nonce.clone())),
            _ => {}
        }
        headers.push(("cache-control".to_owned(), "no-store".to_owned()));
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let (acr_values, max_age) = demanded_authentication(error);
        let body = Body {
            error: error.code(),
            error_description: error.description(),
            scope: named_scope(error),
            acr_values,
            max_age,
            reason: error.reason().map(Reason::as_str),
        };
        // Strings always serialize, so the default, an empty body, is never used.
        let body = serde_json::to_string(&body).unwrap_or_default();
        Self { status: error.status(), headers, body, reason: error.reason() }
    }
}

/// When to try again, in seconds, where the error does not say.
const DEFAULT_RETRY_SECONDS: u64 = 5;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request is refused with status {}", self.status)?;
        self.reason.map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

impl std::error::Error for Refusal {}

impl Challenger<'_> {
    /// Makes one challenge for each scheme that is accepted. Only the challenge of the scheme that the request
    /// used names the error. If that scheme is unknown, it is the challenge of `Bearer`.
    fn challenges(&self, error: &AuthError) -> Vec<String> {
        match error {
            AuthError::Custom(custom) => return custom.challenges.iter().map(ToString::to_string).collect(),
            AuthError::CrossSiteRequest(_) | AuthError::Server(_) | AuthError::Unavailable(_) => return Vec::new(),
            _ => {}
        }
        let used = self.used.or_else(|| self.schemes.iter().copied().find(|scheme| *scheme == Scheme::Bearer));
        let used = used.or(self.schemes.first().copied());
        self.schemes.iter().map(|scheme| self.challenge(*scheme, error, Some(*scheme) == used)).collect()
    }

    fn challenge(&self, scheme: Scheme, error: &AuthError, is_used: bool) -> String {
        let mut challenge = ChallengeText::new(scheme.name()).with("realm", self.realm);
        if let (Scheme::Dpop, Some(algorithms)) = (scheme, self.proof_algorithms) {
            challenge = challenge.with("algs", algorithms);
        }
        if is_used && !matches!(error, AuthError::MissingToken) {
            challenge = challenge.with("error", error.code()).with("error_description", error.description());
        }
        let needed = || self.guidance.as_ref().and_then(|guidance| guidance.scope.as_deref());
        if is_used {
            let (acr_values, max_age) = demanded_authentication(error);
            if let Some(acr_values) = acr_values {
                challenge = challenge.with("acr_values", acr_values);
            }
            if let Some(max_age) = max_age {
                challenge = challenge.with("max_age", &max_age.to_string());
            }
        }
        let scope = match error {
            AuthError::InsufficientScope { .. } if is_used => named_scope(error),
            AuthError::InsufficientUserAuthentication { .. } | AuthError::InvalidToken(_) | AuthError::MissingToken => {
                needed()
            }
            _ => None,
        };
        if let Some(scope) = scope {
            challenge = challenge.with("scope", scope);
        }
        if let Some(guidance) = &self.guidance {
            challenge = challenge.with("resource_metadata", &guidance.metadata_url);
        }
        challenge.into_text()
    }
}

/// Whether [`log`] writes what a verifier says about a refused token.
pub(crate) fn logs_explanations() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// What only the log says about a refused token.
#[derive(Clone, Copy, Default)]
pub(crate) struct Explained<'a> {
    /// What the verifier says about the unverified token.
    pub(crate) explanation: Option<&'static str>,
    /// Only in debug builds, or if it is switched on.
    pub(crate) comparison: Option<&'a LoggedComparison>,
}

/// How a refused token compares with the configuration.
#[derive(Debug)]
pub(crate) struct LoggedComparison {
    /// What is accepted.
    pub(crate) expected: String,
    /// What the token has: without its values, unless these are switched on.
    pub(crate) actual: String,
}

/// Writes one event for each refusal. The texts of errors hold no token, claim or secret.
pub(crate) fn log(error: &AuthError, explained: Explained<'_>) {
    let reason = match error {
        AuthError::InvalidDpopProof(error) => error.as_str(),
        _ => error.reason().map_or(error.code(), |reason| reason.as_str()),
    };
    match error {
        AuthError::Server(_) => tracing::error!(reason, detail = %error, "request refused"),
        AuthError::Unavailable(unavailable) => {
            let source = unavailable.source.as_ref().map(ToString::to_string);
            // Strangers can cause as many of these as they like. The keys log one warning for all of them.
            if unavailable.limited {
                tracing::debug!(reason, limited = true, detail = source, "request refused");
            } else {
                tracing::warn!(reason, detail = source, "request refused");
            }
        }
        _ => {
            let Explained { explanation, comparison } = explained;
            let expected = comparison.map(|comparison| comparison.expected.as_str());
            let actual = comparison.map(|comparison| comparison.actual.as_str());
            tracing::debug!(reason, detail = %error, explanation, expected, actual, "request refused");
        }
    }
}

fn named_scope(error: &AuthError) -> Option<&str> {
    match error {
        AuthError::InsufficientScope { scope } => scope.as_deref(),
        _ => None,
    }
}

/// `acr_values`, and `max_age` in whole seconds (RFC 9470 §3).
fn demanded_authentication(error: &AuthError) -> (Option<&str>, Option<u64>) {
    match error {
        AuthError::InsufficientUserAuthentication { acr_values, max_age } => {
            (acr_values.as_deref(), max_age.map(|max_age| max_age.as_secs()))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{CrossSiteRequest, InvalidRequest, InvalidToken, Unavailable};

    const BEARER: Challenger<'_> =
        Challenger { realm: "api", schemes: &[Scheme::Bearer], proof_algorithms: None, used: None, guidance: None };

    fn refusal(error: impl Into<AuthError>) -> (u16, Option<String>, String) {
        let refusal = Refusal::new(&error.into(), &BEARER);
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
        assert_eq!(
            refusal(CrossSiteRequest::OtherOrigin),
            (
                403,
                None,
                r#"{"error":"cross_site_request","error_description":"The request does not come from an allowed origin"}"#
                    .into()
            )
        );
        let (status, challenge, body) = refusal(AuthError::Server("gate missing".into()));
        assert_eq!((status, challenge), (500, None));
        assert!(!body.contains("gate"));
    }

    #[test]
    fn outage_is_a_503_with_whole_seconds() {
        for (delay, expected) in [
            (None, "5"),
            (Some(Duration::ZERO), "1"),
            (Some(Duration::from_millis(1_001)), "2"),
            (Some(Duration::MAX), "18446744073709551615"),
        ] {
            let mut unavailable = Unavailable::new();
            unavailable.retry_after = delay;
            let refusal = Refusal::new(&unavailable.into(), &BEARER);
            assert_eq!(refusal.status, 503);
            assert!(refusal.headers.contains(&("retry-after".into(), expected.into())));
            assert!(!refusal.headers.iter().any(|(name, _)| name == "www-authenticate"));
        }
    }

    #[test]
    fn refusals_are_errors_for_the_question_mark() {
        let text = |error: AuthError| Refusal::new(&error, &BEARER).to_string();
        assert_eq!(text(InvalidToken::Expired.into()), "the request is refused with status 401 (expired)");
        let error = AuthError::InsufficientScope { scope: Some("read".to_owned()) };
        assert_eq!(text(error), "the request is refused with status 403");
    }

    #[test]
    fn answers_are_json_and_not_stored() {
        let headers = Refusal::new(&AuthError::MissingToken, &BEARER).headers;
        assert!(headers.contains(&("content-type".into(), "application/json".into())));
        assert!(headers.contains(&("cache-control".into(), "no-store".into())));
    }
}
