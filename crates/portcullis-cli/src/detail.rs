//! What the verdict on a refused token adds to its reason: what was expected, and what the token has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::error::InvalidToken;
use portcullis::jose::AlgorithmSet;
use portcullis::{Audience, JwtVerifier};
use serde_json::value::RawValue;

use crate::pasted;

/// What one verifier of a run accepts.
#[derive(Debug)]
pub(crate) struct Expected {
    issuers: Vec<String>,
    audience: Audience,
    algorithms: AlgorithmSet,
    types: Vec<String>,
    leeway_seconds: u64,
}

impl Expected {
    /// Returns what `verifier` accepts.
    pub(crate) fn of(verifier: &JwtVerifier) -> Self {
        Self {
            issuers: portcullis::Verifier::issuers(verifier),
            audience: verifier.audience().clone(),
            algorithms: verifier.algorithms(),
            types: verifier.token_types().to_vec(),
            leeway_seconds: verifier.leeway().as_secs(),
        }
    }
}

/// Explains `error`, for which `token` was refused at the date `at` (the default is now): what was expected, what the token
/// has, what the verifier says about it (`explanation`), and what to do. The parts of the token itself are not repeated.
pub(crate) fn detail(
    token: &str,
    error: &InvalidToken,
    explanation: Option<&'static str>,
    expected: &[Expected],
    at: Option<i64>,
) -> String {
    let facts =
        Facts { token, header: members(token, 0), claims: members(token, 1), expected, now: at.unwrap_or_else(now) };
    let mut text = error.to_string();
    if let Some(fact) = facts.about(error) {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {fact}");
    }
    // The verifier also says when a text holds more than the token. The advice says it in detail.
    if let Some(explanation) = explanation.filter(|_| pasted::additions(token).is_empty()) {
        let _ = write!(text, "; {explanation}");
    }
    for advice in facts.advice(error) {
        let _ = write!(text, "; {advice}");
    }
    text
}

/// Members or claims by name, as JSON. They are read even if one has a wrong type.
type Unverified = BTreeMap<String, Box<RawValue>>;

/// Reads the part with this number of the token.
fn members(token: &str, part: usize) -> Option<Unverified> {
    let part = token.split('.').nth(part)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

struct Facts<'a> {
    token: &'a str,
    header: Option<Unverified>,
    claims: Option<Unverified>,
    expected: &'a [Expected],
    now: i64,
}

impl Facts<'_> {
    /// Returns what was expected and what the token has, for the check that failed.
    fn about(&self, error: &InvalidToken) -> Option<String> {
        use InvalidToken as E;
        let of_issuer = self.of_issuer();
        match error {
            E::NotCompactJws => Some(match self.token.split('.').count() {
                _ if self.token.is_empty() => "the token is empty".to_owned(),
                1 => "there is no dot, so it is an opaque token, or not a token".to_owned(),
                parts => format!("there are {parts} parts"),
            }),
            E::TooLarge { .. } => Some(format!("the token has {} bytes", self.token.len())),
            E::WrongType => {
                let types = of_issuer.map(|expected| list(&expected.types));
                Some(both(&types.unwrap_or_default(), &format!("typ {}", self.member("typ"))))
            }
            E::AlgorithmNotAllowed => {
                let allowed = of_issuer.map(|expected| expected.algorithms.to_string());
                Some(both(&allowed.unwrap_or_default(), &format!("alg {}", self.member("alg"))))
            }
            E::UnknownKey | E::AmbiguousKey | E::BadSignature => {
                let key = format!("the token has kid {} and alg {}", self.member("kid"), self.member("alg"));
                Some(key + &self.other_issuer().unwrap_or_default())
            }
            E::MissingClaim { .. } => {
                let names = self.names()?;
                Some(format!("the token has {}", if names.is_empty() { "no claim" } else { &names }))
            }
            E::InvalidClaim { claim } => Some(format!("the token has {}", self.claim(claim)?)),
            E::Expired => self.time("exp", of_issuer),
            E::NotYetValid => self.time("nbf", of_issuer),
            E::IssuedInFuture => self.time("iat", of_issuer),
            E::WrongIssuer => {
                let issuers: Vec<_> = self.expected.iter().flat_map(|expected| expected.issuers.clone()).collect();
                Some(both(&list(&issuers), &self.claim("iss")?))
            }
            E::WrongAudience => {
                let Some((claim, accepted)) = of_issuer?.audience.accepted() else {
                    return Some(both("a token without aud", &self.claim("aud")?));
                };
                Some(both(&list(accepted), &self.claim(claim)?))
            }
            E::WrongParty => Some(format!("the token has azp {}", self.claim("azp")?)),
            E::WrongTenant => Some(format!("the token has tid {}", self.claim("tid")?)),
            _ => None,
        }
    }

    /// Returns what to do about it.
    fn advice(&self, error: &InvalidToken) -> Vec<String> {
        let mut advice = Vec::new();
        let additions = pasted::additions(self.token);
        if !additions.is_empty() {
            advice.push(format!("remove {}", additions.join(", ")));
        }
        if matches!(error, InvalidToken::WrongIssuer) && self.differs_by_a_slash() {
            advice.push("they differ only by the slash at the end: write the issuer as the token has it".to_owned());
        }
        if let Some(kind) = self.other_kind() {
            advice.push(format!("it looks like {kind}; send the access token"));
        }
        advice
    }

    /// Returns the verifier for the token's issuer, or the only one.
    fn of_issuer(&self) -> Option<&Expected> {
        let issuer = self.text("iss");
        let fits = |expected: &&Expected| issuer.as_ref().is_some_and(|issuer| expected.issuers.contains(issuer));
        match self.expected {
            [only] => Some(only),
            several => several.iter().find(fits),
        }
    }

    fn time(&self, name: &str, expected: Option<&Expected>) -> Option<String> {
        let date: f64 = serde_json::from_str(self.claims.as_ref()?.get(name)?.get()).ok()?;
        // The conversion saturates.
        let date = date.floor() as i64;
        let seconds = self.now.saturating_sub(date);
        let (distance, side) = (seconds.unsigned_abs(), if seconds < 0 { "from now" } else { "ago" });
        let leeway = expected.map_or(String::new(), |expected| format!(", leeway {}", expected.leeway_seconds));
        Some(format!("{name} is {distance} seconds {side} ({name} {date}, now {}{leeway})", self.now))
    }

    /// Returns the member of the header as JSON.
    fn member(&self, name: &str) -> String {
        let value = self.header.as_ref().and_then(|header| header.get(name));
        value.map_or_else(|| "(absent)".to_owned(), |value| short(value.get()))
    }

    /// Returns the claim as JSON.
    fn claim(&self, name: &str) -> Option<String> {
        let value = self.claims.as_ref()?.get(name);
        Some(value.map_or_else(|| format!("no {name}"), |value| format!("{name} {}", short(value.get()))))
    }

    /// Returns the claim if it is a string.
    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.claims.as_ref()?.get(name)?.get()).ok()
    }

    fn names(&self) -> Option<String> {
        let names: Vec<_> = self.claims.as_ref()?.keys().map(String::as_str).collect();
        Some(short(&names.join(", ")))
    }

    /// Returns the issuer that the token names, if none of the verifiers accepts it: usually that is why its key is unknown.
    fn other_issuer(&self) -> Option<String> {
        let issuers: Vec<_> = self.expected.iter().flat_map(|expected| expected.issuers.clone()).collect();
        let is_other = !issuers.is_empty() && self.text("iss").is_some_and(|issuer| !issuers.contains(&issuer));
        Some(format!(", and {}, where {} is expected", self.claim("iss").filter(|_| is_other)?, list(&issuers)))
    }

    fn differs_by_a_slash(&self) -> bool {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let Some(issuer) = self.text("iss").map(|issuer| trimmed(&issuer)) else { return false };
        self.expected.iter().flat_map(|expected| &expected.issuers).any(|known| trimmed(known) == issuer)
    }

    /// Returns the kind of token, if it is not an access token by its usual marks.
    fn other_kind(&self) -> Option<&'static str> {
        let claims = self.claims.as_ref()?;
        let text = |name: &str| self.text(name).unwrap_or_default();
        let is_id_token = text("token_use") == "id"
            || text("typ").eq_ignore_ascii_case("ID")
            || ["nonce", "at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name));
        if is_id_token {
            return Some("an ID token, which is for the client that signed the user in");
        }
        if ["Refresh", "Offline"].contains(&text("typ").as_str()) || text("token_use") == "refresh" {
            return Some("a refresh token, which is for the identity provider");
        }
        claims.contains_key("events").then_some("a logout or event token")
    }
}

fn both(expected: &str, actual: &str) -> String {
    if expected.is_empty() {
        return format!("the token has {actual}");
    }
    format!("expected {expected}, the token has {actual}")
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| serde_json::Value::from(name.as_str()).to_string()).collect();
    names.join(" or ")
}

/// The longest value of a token that is shown, in characters.
const MAX_CHARS: usize = 200;

fn short(text: &str) -> String {
    let text = text.replace(['\r', '\n', '\t'], "");
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Returns the seconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
