//! The answer that refuses a request, as plain values: the same bytes from every adapter.

use std::fmt;

use serde::Serialize;

use crate::challenge::{ChallengeText, parameter};
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

/// What no request changes in the challenges of a gate, written once when the gate is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChallengeParts {
    /// The start of the challenge of `Bearer`: the realm.
    bearer: String,
    /// The start of the challenge of `DPoP`: the realm, and the signature algorithms of proofs (RFC 9449 §7.1).
    dpop: String,
    /// The parameter with the URL of the protected resource metadata (RFC 9728 §5.1): the last one of each challenge.
    metadata: String,
}

/// What the challenges of one refusal are made of.
pub(crate) struct Challenger<'a> {
    pub(crate) parts: &'a ChallengeParts,
    /// The schemes that are accepted.
    pub(crate) schemes: &'a [Scheme],
    /// The scheme that the request used, where that is known.
    pub(crate) used: Option<Scheme>,
    /// The scopes that the request needs, space-delimited (RFC 6750 §3), where a challenge may name them.
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
        Self::after_challenges(error, Vec::new())
    }

    /// Makes the answer to `error`.
    pub(crate) fn new(error: &AuthError, challenger: &Challenger<'_>) -> Self {
        let mut headers = Vec::with_capacity(challenger.schemes.len() + 3);
        challenger.challenge(error, |challenge| headers.push(("www-authenticate".to_owned(), challenge)));
        Self::after_challenges(error, headers)
    }

    fn after_challenges(error: &AuthError, mut headers: Vec<(String, String)>) -> Self {
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
        Self { status: error.status(), headers, body: body(error), reason: error.reason() }
    }
}

fn body(error: &AuthError) -> String {
    match error {
        AuthError::Custom(_)
        | AuthError::InsufficientScope { .. }
        | AuthError::InsufficientUserAuthentication { .. } => body_with_any_text(error),
        // The texts of this crate are in the character set of RFC 6750 §3, so JSON has to escape none of them.
        _ => {
            let reason = error.reason().map(Reason::as_str);
            let before_reason = if reason.is_some() { r#"","reason":""# } else { "" };
            let pieces = [
                r#"{"error":""#,
                error.code(),
                r#"","error_description":""#,
                error.description(),
                before_reason,
                reason.unwrap_or_default(),
                r#""}"#,
            ];
            pieces.concat()
        }
    }
}

fn body_with_any_text(error: &AuthError) -> String {
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
    serde_json::to_string(&body).unwrap_or_default()
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

impl ChallengeParts {
    /// The parts for this realm, the signature algorithms of proofs, space-delimited, and the URL of the metadata.
    pub(crate) fn new(realm: &str, proof_algorithms: Option<&str>, metadata_url: Option<&str>) -> Self {
        let start = |scheme: Scheme| ChallengeText::new(scheme.name()).with("realm", realm);
        let mut challenge = start(Scheme::Dpop);
        if let Some(algorithms) = proof_algorithms {
            challenge = challenge.with("algs", algorithms);
        }
        Self {
            bearer: start(Scheme::Bearer).into_text(),
            dpop: challenge.into_text(),
            metadata: metadata_url.map(|url| parameter("resource_metadata", url)).unwrap_or_default(),
        }
    }
}

impl Challenger<'_> {
    /// Writes one challenge for each scheme that is accepted, and passes it to `add`. Only the challenge of the scheme that the
    /// request used names the error. If that scheme is unknown, it is the challenge of `Bearer`.
    fn challenge(&self, error: &AuthError, mut add: impl FnMut(String)) {
        match error {
            AuthError::Custom(custom) => return custom.challenges.iter().map(ToString::to_string).for_each(add),
            AuthError::CrossSiteRequest(_) | AuthError::Server(_) | AuthError::Unavailable(_) => return,
            _ => {}
        }
        let used = self.used.or_else(|| self.schemes.iter().copied().find(|scheme| *scheme == Scheme::Bearer));
        let used = used.or(self.schemes.first().copied());
        for scheme in self.schemes {
            add(self.challenge_of(*scheme, error, Some(*scheme) == used));
        }
    }

    fn challenge_of(&self, scheme: Scheme, error: &AuthError, is_used: bool) -> String {
        let ChallengeParts { bearer, dpop, metadata } = self.parts;
        let start = match scheme {
            Scheme::Bearer => bearer,
            Scheme::Dpop => dpop,
        };
        let scope = match error {
            AuthError::InsufficientScope { .. } if is_used => named_scope(error),
            AuthError::InsufficientUserAuthentication { .. } | AuthError::InvalidToken(_) | AuthError::MissingToken => {
                self.scope.as_deref()
            }
            _ => None,
        };
        // One challenge needs one piece of memory, unless a parameter is rare.
        let of_error = if is_used { NAMES_OF_ERROR + error.code().len() + error.description().len() } else { 0 };
        let of_scope = scope.map_or(0, |scope| NAME_OF_SCOPE + scope.len());
        let mut challenge = ChallengeText::after(start, of_error + of_scope + metadata.len());
        if is_used && !matches!(error, AuthError::MissingToken) {
            challenge =
                challenge.with_plain("error", error.code()).with_plain("error_description", error.description());
        }
        if is_used {
            let (acr_values, max_age) = demanded_authentication(error);
            if let Some(acr_values) = acr_values {
                challenge = challenge.with("acr_values", acr_values);
            }
            if let Some(max_age) = max_age {
                challenge = challenge.with("max_age", &max_age.to_string());
            }
        }
        if let Some(scope) = scope {
            challenge = challenge.with("scope", scope);
        }
        challenge.with_written(metadata).into_text()
    }
}

/// How many bytes a challenge takes for an error, and for a scope, apart from their values.
const NAMES_OF_ERROR: usize = r#", error="", error_description="""#.len();
const NAME_OF_SCOPE: usize = r#", scope="""#.len();

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
            // It is called only where the event is written.
            let source = || unavailable.source.as_ref().map(ToString::to_string);
            // Strangers can cause as many of these as they like. The keys log one warning for all of them.
            if unavailable.limited {
                tracing::debug!(reason, limited = true, detail = source(), "request refused");
            } else {
                tracing::warn!(reason, detail = source(), "request refused");
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
    use crate::challenge::Challenge;
    use crate::error::{CrossSiteRequest, InvalidRequest, InvalidToken, ProofError, Unavailable};

    fn answer(error: &AuthError) -> Refusal {
        let parts = ChallengeParts::new("api", None, None);
        Refusal::new(error, &Challenger { parts: &parts, schemes: &[Scheme::Bearer], used: None, scope: None })
    }

    fn refusal(error: impl Into<AuthError>) -> (u16, Option<String>, String) {
        let refusal = answer(&error.into());
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
            let refusal = answer(&unavailable.into());
            assert_eq!(refusal.status, 503);
            assert!(refusal.headers.contains(&("retry-after".into(), expected.into())));
            assert!(!refusal.headers.iter().any(|(name, _)| name == "www-authenticate"));
        }
    }

    #[test]
    fn refusals_are_errors_for_the_question_mark() {
        let text = |error: AuthError| answer(&error).to_string();
        assert_eq!(text(InvalidToken::Expired.into()), "the request is refused with status 401 (expired)");
        let error = AuthError::InsufficientScope { scope: Some("read".to_owned()) };
        assert_eq!(text(error), "the request is refused with status 403");
    }

    #[test]
    fn answers_are_json_and_not_stored() {
        let headers = answer(&AuthError::MissingToken).headers;
        assert!(headers.contains(&("content-type".into(), "application/json".into())));
        assert!(headers.contains(&("cache-control".into(), "no-store".into())));
    }

    /// What is sent, made of the public [`Challenge`] and of nothing that is written beforehand.
    fn fresh(error: &AuthError, options: &Options, scheme: Scheme, is_used: bool) -> String {
        let mut challenge = Challenge::new(scheme.name()).with("realm", options.realm);
        if let Some(names) = options.algorithms.filter(|_| scheme == Scheme::Dpop) {
            challenge = challenge.with("algs", names);
        }
        if is_used && error.code() != "missing_token" {
            challenge = challenge.with("error", error.code()).with("error_description", error.description());
        }
        let mut scope = None;
        match error {
            AuthError::InsufficientUserAuthentication { acr_values: Some(classes), max_age: Some(age) } => {
                scope = options.scope;
                if is_used {
                    challenge = challenge.with("acr_values", classes).with("max_age", age.as_secs().to_string());
                }
            }
            AuthError::InsufficientScope { scope: Some(needed) } if is_used => scope = Some(needed.as_str()),
            AuthError::InvalidToken(_) | AuthError::MissingToken => scope = options.scope,
            _ => {}
        }
        if let Some(scope) = scope {
            challenge = challenge.with("scope", scope);
        }
        if let Some(url) = options.metadata_url {
            challenge = challenge.with("resource_metadata", url);
        }
        challenge.to_string()
    }

    struct Options {
        realm: &'static str,
        algorithms: Option<&'static str>,
        metadata_url: Option<&'static str>,
        scope: Option<&'static str>,
    }

    fn errors_with_challenges() -> Vec<AuthError> {
        let others = [
            AuthError::MissingToken,
            AuthError::InsufficientScope { scope: Some("read \"all\"".to_owned()) },
            AuthError::InsufficientUserAuthentication {
                acr_values: Some("gold".to_owned()),
                max_age: Some(Duration::from_secs(300)),
            },
            InvalidRequest::MalformedAuthorization.into(),
            InvalidRequest::RepeatedCredential.into(),
            ProofError::Missing.into(),
            AuthError::UseDpopNonce { nonce: "n".to_owned() },
        ];
        InvalidToken::samples().into_iter().map(AuthError::from).chain(others).collect()
    }

    #[test]
    fn challenges_written_in_parts_are_the_same() {
        let (mut compared, errors) = (0, errors_with_challenges());
        for realm in ["api", "the \"api\" \\ \u{e9}"] {
            for algorithms in [None, Some("ES256 EdDSA")] {
                for (metadata_url, scope) in [
                    (None, None),
                    (Some("https://a.example/m?a=\"b\""), None),
                    (Some("https://a.example/m"), Some("a \"b\"")),
                ] {
                    let options = Options { realm, algorithms, metadata_url, scope };
                    let parts = ChallengeParts::new(realm, algorithms, metadata_url);
                    for schemes in [&[Scheme::Bearer][..], &[Scheme::Dpop], &[Scheme::Dpop, Scheme::Bearer], &[]] {
                        for used in [None, Some(Scheme::Bearer), Some(Scheme::Dpop)] {
                            for error in &errors {
                                let scope = scope.map(str::to_owned);
                                let challenger = Challenger { parts: &parts, schemes, used, scope };
                                let mut written = Vec::new();
                                challenger.challenge(error, |challenge| written.push(challenge));
                                let named = used.unwrap_or(match schemes {
                                    [Scheme::Dpop] => Scheme::Dpop,
                                    _ => Scheme::Bearer,
                                });
                                let fresh =
                                    schemes.iter().map(|scheme| fresh(error, &options, *scheme, *scheme == named));
                                assert_eq!(written, fresh.collect::<Vec<_>>(), "{error}");
                                compared += written.len();
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(compared, 2 * 2 * 3 * 4 * 3 * errors.len());
    }

    #[test]
    fn bodies_without_escapes_are_the_same() {
        let others = [
            AuthError::MissingToken,
            InvalidRequest::MalformedToken.into(),
            CrossSiteRequest::Link.into(),
            Unavailable::new().into(),
            AuthError::Server("x".into()),
        ];
        for error in errors_with_challenges().into_iter().chain(others) {
            assert_eq!(body(&error), body_with_any_text(&error));
        }
    }
}
