//! The diagnosis of a token: every check of a verifier, with what it expects, what the token has, and the result.
//!
//! It runs the steps of [`JwtVerifier::verify`](crate::Verifier::verify), in their order, and goes on after one that fails.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::checks::{CheckAbout, TokenView, quoted};
use crate::claims::{Claims, NumericDate};
use crate::error::{AuthError, InvalidToken};
use crate::jose::compact::{Compact, check_size};
use crate::jose::{Algorithm, Header, VerifyingKey, base64url};
use crate::verifier::key_lookup::{Tries, allowed_algorithm};
use crate::verifier::{DecodedToken, JwtVerifier};

/// One check of a token, for diagnosis; from [`Verifier::diagnose`](crate::Verifier::diagnose).
#[non_exhaustive]
pub struct CheckReport {
    /// The name: that of a claim, of a member of the header, or of the step.
    pub check: String,
    /// What is accepted.
    pub expected: String,
    /// What the unverified token has. It is not longer than about 200 characters, but it may contain any character, so escape it
    /// before a terminal or a page shows it.
    pub unverified_actual: String,
    /// The result.
    pub outcome: CheckOutcome,
}

/// The result of a check.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The token passes.
    Passed,
    /// The token does not pass, or could not be checked.
    Failed(AuthError),
    /// A step before failed, so there is nothing to check.
    NotRun,
}

impl CheckOutcome {
    /// Whether the token passes.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }
}

impl CheckReport {
    pub(crate) fn new(check: impl Into<String>, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        let outcome = CheckOutcome::NotRun;
        Self { check: check.into(), expected: expected.into(), unverified_actual: actual.into(), outcome }
    }

    /// Adds the outcome to the reports, and returns the value.
    fn with<T>(mut self, result: Result<T, impl Into<AuthError>>, reports: &mut Vec<Self>) -> Option<T> {
        let value = match result {
            Ok(value) => {
                self.outcome = CheckOutcome::Passed;
                Some(value)
            }
            Err(error) => {
                self.outcome = CheckOutcome::Failed(error.into());
                None
            }
        };
        reports.push(self);
        value
    }
}

impl fmt::Debug for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token's values stay out of logs.
        f.debug_struct("CheckReport")
            .field("check", &self.check)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl JwtVerifier {
    /// Runs every check of a token.
    pub(super) async fn diagnose_token(&self, text: &[u8], is_binding_left_to_gate: bool) -> Vec<CheckReport> {
        let mut reports = Vec::new();
        let Some(token) = self.diagnose_form(text, &mut reports) else { return reports };
        let unverified = UnverifiedMembers::of(&token);
        let report = |name: &str, expected, actual| CheckReport::new(name, expected, actual);
        let header = report("header", READABLE_HEADER.to_owned(), unverified.header_text());
        let header = header.with(token.header(), &mut reports);

        let types = self.token_types.about();
        let typ = report("typ", types, unverified.member("typ"));
        let alg = report("alg", self.algorithms.to_string(), unverified.member("alg"));
        let key =
            report("key", "one key of the issuer that has this kid and serves alg".to_owned(), unverified.key_names());
        let mut signature = report("signature", "made with that key".to_owned(), String::new());
        let mut found_key = None;
        match &header {
            Some(header) => {
                typ.with(self.token_types.check(header), &mut reports);
                let algorithm = alg.with(allowed_algorithm(header, self.algorithms), &mut reports);
                match algorithm {
                    Some(algorithm) => {
                        let search = self.key_search(header, algorithm);
                        match key.with(search.find(&Tries::default()).await, &mut reports) {
                            Some(first) => {
                                let verified = search
                                    .verify(|key, algorithm| token.verify(key, algorithm), Arc::clone(&first))
                                    .await;
                                signature.unverified_actual =
                                    if verified.is_ok() { "made with it" } else { "not made with it" }.to_owned();
                                let signer = signature.with(verified, &mut reports);
                                found_key = Some(signer.unwrap_or(first));
                            }
                            None => reports.push(signature),
                        }
                    }
                    None => reports.extend([key, signature]),
                }
            }
            None => reports.extend([typ, alg, key, signature]),
        }

        let payload =
            report("payload", "JSON, with registered claims of their types".to_owned(), unverified.claim_names());
        let read = |payload| {
            let mut claims = Claims::empty();
            self.read_claims(&mut claims, payload, &[]).map(|()| claims)
        };
        let claims = payload.with(token.payload().and_then(read), &mut reports);
        self.diagnose_claims(header, found_key, claims, &unverified, is_binding_left_to_gate, &mut reports);
        reports
    }

    fn diagnose_form<'t>(&self, text: &'t [u8], reports: &mut Vec<CheckReport>) -> Option<Parts<'t>> {
        let limit = self.max_token_bytes;
        let size = CheckReport::new("size", format!("at most {limit} bytes"), format!("{} bytes", text.len()));
        size.with(check_size(text, limit), reports)?;
        let expected = if self.decoder.is_some() { DECODED_FORM } else { "three parts, joined by dots" };
        CheckReport::new("form", expected, parts(text)).with(self.parts(text), reports)
    }

    /// Splits a token in the form that this verifier reads.
    fn parts<'t>(&self, text: &'t [u8]) -> Result<Parts<'t>, InvalidToken> {
        match &self.decoder {
            Some(decoder) => {
                check_size(text, self.max_token_bytes)?;
                decoder.decode(text).map(Parts::Decoded)
            }
            None => self.opaque_prefixes.parse(text, self.max_token_bytes).map(Parts::Compact),
        }
    }

    fn diagnose_claims(
        &self,
        header: Option<Header>,
        key: Option<Arc<VerifyingKey>>,
        claims: Option<Claims>,
        unverified: &UnverifiedMembers,
        is_binding_left_to_gate: bool,
        reports: &mut Vec<CheckReport>,
    ) {
        let now = self.clock.now();
        // A check of a key's members passes if the key has none. The missing key is reported already.
        let key = key.or_else(|| VerifyingKey::from_secret(&[0; 64]).map(Arc::new).ok());
        let view = match (&header, &claims, &key) {
            (Some(header), Some(claims), Some(key)) => {
                Some(TokenView { header, claims, key, now, is_binding_left_to_gate })
            }
            _ => None,
        };
        for check in &self.checks {
            let report = unverified.report(&check.about(), now);
            match &view {
                Some(view) => drop(report.with(check.check(view), reports)),
                None => reports.push(report),
            }
        }
    }
}

/// What the configuration expects and the unverified token has, for the log.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// What the configuration accepts: issuer, audience, and the leeway of dates.
    pub expected: String,
    /// How the token differs from it, without a value of the token: `iss differs in the slash at the end; exp 3 minutes ago`.
    pub relation: String,
    /// What the token has: `kid`, issuer, audience and dates, shortened, with ASCII characters only.
    pub unverified_actual: String,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").field("expected", &self.expected).finish_non_exhaustive()
    }
}

/// The number of the first checks of a verifier: issuer, audience, `exp`, `nbf`, `iat`.
const STANDARD_CHECKS: usize = 5;

impl JwtVerifier {
    /// Compares the names and dates of a token with those that are accepted, without keys.
    pub(super) fn compare_token(&self, text: &[u8]) -> Option<Comparison> {
        let unverified = UnverifiedMembers::of(&self.parts(text).ok()?);
        let now = self.clock.now();
        let kid = unverified.member("kid");
        let mut relations = vec![format!("kid {}", if kid == ABSENT { ABSENT } else { "present" })];
        let (mut expected, mut actual) = (Vec::new(), vec![format!("kid {kid}")]);
        for check in self.checks.iter().take(STANDARD_CHECKS) {
            let report = unverified.report(&check.about(), now);
            relations.push(format!("{} {}", report.check, unverified.relation(&report, now)));
            expected.push(format!("{} {}", report.check, report.expected));
            actual.push(format!("{} {}", report.check, report.unverified_actual));
        }
        Some(Comparison {
            expected: ascii(&expected.join("; ")),
            relation: relations.join("; "),
            unverified_actual: ascii(&actual.join("; ")),
        })
    }
}

/// The members of an unverified token. They are read even if a verifier refuses them.
struct UnverifiedMembers {
    header: Option<BTreeMap<String, Box<RawValue>>>,
    claims: Option<BTreeMap<String, Box<RawValue>>>,
}

impl UnverifiedMembers {
    fn of(token: &Parts<'_>) -> Self {
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).ok();
        Self { header: token.unverified_header().and_then(read), claims: token.payload().ok().and_then(read) }
    }

    /// Returns what a check says, with the values of its claims.
    fn report(&self, about: &CheckAbout, now: NumericDate) -> CheckReport {
        let value = |name: &Cow<'static, str>| match name.as_ref() {
            "exp" | "nbf" | "iat" => self.date(name, now),
            name => self.claim(name),
        };
        let actual = match about.claims() {
            [one] => value(one),
            several => several.iter().map(|name| format!("{name} {}", value(name))).collect::<Vec<_>>().join(", "),
        };
        CheckReport::new(about.name(), about.expected(), actual)
    }

    /// Says how the token differs from what is expected, without a value of the token.
    fn relation(&self, report: &CheckReport, now: NumericDate) -> String {
        let value = self.claims.as_ref().and_then(|claims| claims.get(report.check.as_str()));
        match (value, report.check.as_str()) {
            (None, _) => ABSENT.to_owned(),
            (Some(value), "exp" | "nbf" | "iat") => NumericDate::parse(value.get())
                .map_or_else(|| "of another type".to_owned(), |date| date.relative_to(now)),
            (Some(value), _) => relation(&report.expected, value.get()),
        }
    }

    fn header_text(&self) -> String {
        self.header.as_ref().map_or_else(|| "not JSON".to_owned(), |header| short(&names(header)))
    }

    fn claim_names(&self) -> String {
        self.claims.as_ref().map_or_else(|| "not JSON".to_owned(), |claims| short(&names(claims)))
    }

    fn member(&self, name: &str) -> String {
        shown(self.header.as_ref().and_then(|header| header.get(name)).map(|value| &**value))
    }

    fn claim(&self, name: &str) -> String {
        shown(self.claims.as_ref().and_then(|claims| claims.get(name)).map(|value| &**value))
    }

    fn date(&self, name: &str, now: NumericDate) -> String {
        let value = self.claims.as_ref().and_then(|claims| claims.get(name));
        match value.and_then(|value| NumericDate::parse(value.get())) {
            Some(date) => format!("{} ({date}, {})", date.seconds(), date.relative_to(now)),
            None => shown(value.map(|value| &**value)),
        }
    }

    fn key_names(&self) -> String {
        let others = ["x5t", "x5t#S256"]
            .into_iter()
            .filter(|name| self.header.as_ref().is_some_and(|header| header.contains_key(*name)));
        let named = ["kid"].into_iter().chain(others).map(|name| format!("{name} {}", self.member(name)));
        named.chain([format!("alg {}", self.member("alg"))]).collect::<Vec<_>>().join(", ")
    }
}

/// The parts of a token, in whatever form.
enum Parts<'t> {
    Compact(Compact<'t>),
    Decoded(DecodedToken),
}

impl Parts<'_> {
    fn header(&self) -> Result<Header, InvalidToken> {
        match self {
            Self::Compact(token) => token.header(),
            Self::Decoded(token) => token.header(),
        }
    }

    fn unverified_header(&self) -> Option<Vec<u8>> {
        match self {
            Self::Compact(token) => base64url::decode(token.encoded_header()),
            Self::Decoded(token) => Some(token.unverified_header().to_vec()),
        }
    }

    fn payload(&self) -> Result<Vec<u8>, InvalidToken> {
        match self {
            Self::Compact(token) => token.payload(),
            Self::Decoded(token) => Ok(token.unverified_payload().to_vec()),
        }
    }

    fn verify(&self, key: &VerifyingKey, algorithm: Algorithm) -> Result<(), InvalidToken> {
        match self {
            Self::Compact(token) => token.verify(key, algorithm),
            Self::Decoded(token) => token.verify(key, algorithm),
        }
    }
}

const DECODED_FORM: &str = "the form that the decoder of this verifier reads";
const READABLE_HEADER: &str = "JSON with alg, without crit and b64, of usual size";

fn parts(text: &[u8]) -> String {
    match text.split(|byte| *byte == b'.').count() {
        _ if text.is_empty() => "empty".to_owned(),
        1 => "one part, so it is opaque, or not a token".to_owned(),
        5 => "5 parts: an encrypted token (JWE)".to_owned(),
        parts => format!("{parts} parts"),
    }
}

fn names(members: &BTreeMap<String, Box<RawValue>>) -> String {
    members.keys().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

const ABSENT: &str = "absent";

/// Says how the JSON of a name, or of a list of names, differs from the expected names.
fn relation(expected: &str, json: &str) -> String {
    let accepted: Vec<_> = expected.split(" or ").collect();
    // A rule is described in words, and decides on more than equal names.
    if !accepted.iter().all(|name| name.starts_with('"')) {
        return "present, and a rule decides".to_owned();
    }
    if let Ok(names) = serde_json::from_str::<Vec<String>>(json) {
        let is_accepted = names.iter().any(|name| accepted.contains(&quoted(name).as_str()));
        return if is_accepted {
            "accepted".to_owned()
        } else {
            format!("has {} names, none of them accepted", names.len())
        };
    }
    let Ok(name) = serde_json::from_str::<String>(json).map(|name| quoted(&name)) else {
        return "of another type".to_owned();
    };
    let trimmed = |text: &str| text.trim_end_matches('"').trim_end_matches('/').to_owned();
    if accepted.contains(&name.as_str()) {
        "accepted"
    } else if accepted.iter().any(|accepted| trimmed(accepted) == trimmed(&name)) {
        "differs in the slash at the end"
    } else if accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(&name)) {
        "differs in upper and lower case"
    } else {
        "differs"
    }
    .to_owned()
}

fn shown(value: Option<&RawValue>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| short(value.get()))
}

/// The longest value of a token that is shown, in characters.
const MAX_CHARS: usize = 200;

/// Returns JSON on one line, cut if it is long.
fn short(json: &str) -> String {
    let mut text: String =
        json.chars().filter(|char| !matches!(char, '\r' | '\n' | '\t')).take(MAX_CHARS + 1).collect();
    if text.chars().count() > MAX_CHARS {
        text.pop();
        text.push('…');
    }
    text
}

/// Returns `text` with all characters outside of printable ASCII escaped.
fn ascii(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut ascii, char| {
        match char {
            ' '..='~' => ascii.push(char),
            '…' => ascii.push_str("..."),
            _ => ascii.extend(char.escape_unicode()),
        }
        ascii
    })
}

/// Returns the reports about a token that no verifier is chosen for, because of `refused`: an unreadable token, or one of
/// another issuer.
pub(super) fn of_unknown_issuer(
    text: &[u8],
    max_bytes: usize,
    issuers: &[String],
    refused: AuthError,
) -> Vec<CheckReport> {
    let mut reports = Vec::new();
    let form = CheckReport::new("form", "three parts, joined by dots", parts(text));
    let Ok(token) = Compact::parse(text, max_bytes) else {
        form.with::<()>(Err(refused), &mut reports);
        return reports;
    };
    form.with(Ok::<_, InvalidToken>(()), &mut reports);
    let unverified = UnverifiedMembers::of(&Parts::Compact(token));
    CheckReport::new("header", READABLE_HEADER, unverified.header_text()).with(token.header(), &mut reports);
    let about = CheckAbout::claim("iss").expecting_any_of(issuers);
    unverified.report(&about, NumericDate::from_unix(0, 0)).with::<()>(Err(refused), &mut reports);
    reports
}

/// Compares the issuer of a token with those of several verifiers.
pub(super) fn compare_issuers(issuers: &[String], issuer: &str) -> Option<Comparison> {
    let about = CheckAbout::claim("iss").expecting_any_of(issuers);
    let issuer = quoted(issuer);
    Some(Comparison {
        expected: ascii(&format!("iss {}", about.expected())),
        relation: format!("iss {}", relation(about.expected(), &issuer)),
        unverified_actual: ascii(&format!("iss {}", short(&issuer))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;
    use crate::adapter::Credential;
    use crate::checks::{Audience, ClaimCheck as _};
    use crate::jose::base64url;
    use crate::keys::FixedKeys;

    fn verifier() -> JwtVerifier {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        JwtVerifier::builder("https://i.example", Audience::any_of(["api"]), keys)
            .require_claims(["tenant"])
            .check_fn("own check", |token| token.claims().contains("own"))
            .build()
            .unwrap()
    }

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.AAAA", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()))
    }

    async fn failed(token: &str) -> Vec<String> {
        let (verifier, credential) = (verifier(), Credential::bearer(token));
        let reports = verifier.diagnose(&credential).await;
        let verdict = verifier.verify(&credential).await.unwrap_err();
        let first = reports.iter().find_map(|report| match &report.outcome {
            CheckOutcome::Failed(error) => Some(error.to_string()),
            _ => None,
        });
        assert_eq!(first.unwrap(), verdict.to_string(), "the first failure is the verdict");
        let name = |report: &CheckReport| match report.outcome {
            CheckOutcome::Passed => None,
            CheckOutcome::Failed(_) => Some(report.check.clone()),
            CheckOutcome::NotRun => Some(format!("({})", report.check)),
        };
        reports.iter().filter_map(name).collect()
    }

    #[tokio::test]
    async fn every_failure_is_reported() {
        let hs256 = r#"{"alg":"HS256"}"#;
        let good = r#"{"iss":"https://i.example","aud":"api","exp":9999999999,"tenant":"t","own":1}"#;
        assert_eq!(failed(&token(hs256, good)).await, ["signature"]);
        let all = r#"{"iss":"https://j.example","aud":"b","exp":1,"nbf":9999999999,"cnf":{},"iat":9999999999}"#;
        let claims = ["iss", "aud", "exp", "nbf", "iat", "cnf", "tenant", "own check"];
        assert_eq!(failed(&token(hs256, all)).await, [&["signature"][..], &claims].concat());
        assert_eq!(
            failed(&token(r#"{"alg":"RS256","typ":"x"}"#, all)).await,
            [&["typ", "alg", "(key)", "(signature)"][..], &claims].concat()
        );
        assert_eq!(failed(&token(r#"{"alg":"HS256","crit":[]}"#, good)).await.first().unwrap(), "header");
        assert_eq!(failed(&token(hs256, r#"{"sub":7}"#)).await[..3], ["signature", "payload", "(iss)"]);
        assert_eq!(failed("opaque").await, ["form"]);
        assert_eq!(failed("a.b.c.d.e").await, ["form"]);
        assert_eq!(failed(&"x".repeat(16_385)).await, ["size"]);
    }

    #[tokio::test]
    async fn values_are_short_and_stay_out_of_debug() {
        let long = token(r#"{"alg":"HS256"}"#, &format!(r#"{{"iss":"marker{}"}}"#, "é".repeat(1_000)));
        let reports = verifier().diagnose(&Credential::bearer(&long)).await;
        let issuer = reports.iter().find(|report| report.check == "iss").unwrap();
        assert_eq!(issuer.expected, r#""https://i.example""#);
        assert!(issuer.unverified_actual.starts_with(r#""markeré"#), "{}", issuer.unverified_actual);
        assert_eq!(issuer.unverified_actual.chars().count(), MAX_CHARS + 1);
        assert!(!format!("{reports:?}").contains("marker"));
    }

    #[test]
    fn comparison_has_names_and_dates_in_ascii() {
        let now = r#"{"iss":"https://j.example\u202e","aud":["x"],"exp":"soon","sub":"secret"}"#;
        let compared =
            verifier().compare(&Credential::bearer(&token(r#"{"alg":"HS256","kid":"k\u001b"}"#, now))).unwrap();
        assert_eq!(
            compared.expected,
            r#"iss "https://i.example"; aud "api"; exp in the future (leeway 5 s); nbf in the past (leeway 5 s), or absent; iat in the past (leeway 5 s), or absent"#
        );
        assert_eq!(
            compared.unverified_actual,
            r#"kid "k\u001b"; iss "https://j.example\u202e"; aud ["x"]; exp "soon"; nbf absent; iat absent"#
        );
        assert!(!format!("{compared:?}").contains("j.example"));
        assert_eq!(
            compared.relation,
            "kid present; iss differs; aud has 1 names, none of them accepted; exp of another type; nbf absent; iat absent"
        );
        for (issuer, expected) in [
            ("https://i.example", "accepted"),
            ("https://i.example/", "differs in the slash at the end"),
            ("HTTPS://i.example", "differs in upper and lower case"),
            ("https://j.example", "differs"),
        ] {
            assert_eq!(relation(r#""https://k.example" or "https://i.example""#, &quoted(issuer)), expected);
        }
        for rule in [crate::dangerous::any_issuer().about(), Audience::not_issued().about()] {
            assert_eq!(relation(rule.expected(), &quoted("https://i.example")), "present, and a rule decides");
        }
        assert_eq!(relation(r#""api""#, r#"["a","api"]"#), "accepted");
        assert_eq!(relation(r#""api""#, "7"), "of another type");
        let odd = token(r#"{"alg":"HS256"}"#, "{\"iss\":\"\u{202e}\u{1b}é\"}");
        let compared = verifier().compare(&Credential::bearer(&odd)).unwrap();
        assert!(compared.unverified_actual.is_ascii(), "{}", compared.unverified_actual);
        assert_eq!(verifier().compare(&Credential::bearer("opaque")), None);
    }
}
