//! The introspection endpoint: what it knows about opaque tokens, and which client may ask (RFC 7662, RFC 9701).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis::jose::Algorithm;
use portcullis::keys::VerifyingKey;
use serde_json::{Map, Value, json};

use crate::issuer::TestIssuer;
use crate::server::site::RequestHead;

/// The media type of signed answers.
const SIGNED: &str = "application/token-introspection+jwt";

pub(super) struct Introspection {
    client_id: String,
    secret: String,
    /// The key of client assertions.
    key: Option<Arc<VerifyingKey>>,
    used_assertions: HashSet<String>,
    tokens: HashMap<String, Known>,
}

/// What the endpoint says about a token.
enum Known {
    Active(Map<String, Value>),
    Answer(Vec<u8>),
    Revoked,
}

/// An answer: status, content type and body.
pub(super) struct Introspected(pub(super) u16, pub(super) &'static str, pub(super) Vec<u8>);

impl Introspection {
    pub(super) fn of_client(client_id: &str, secret: &str) -> Self {
        let (client_id, secret) = (client_id.to_owned(), secret.to_owned());
        Self { client_id, secret, key: None, used_assertions: HashSet::new(), tokens: HashMap::new() }
    }

    pub(super) fn set_client(&mut self, client_id: &str, secret: &str) {
        (self.client_id, self.secret) = (client_id.to_owned(), secret.to_owned());
    }

    pub(super) fn set_client_key(&mut self, key: Arc<VerifyingKey>) {
        self.key = Some(key);
    }

    pub(super) fn add(&mut self, claims: Map<String, Value>) -> String {
        self.know(Known::Active(claims))
    }

    pub(super) fn add_answer(&mut self, answer: Vec<u8>) -> String {
        self.know(Known::Answer(answer))
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.insert(token.to_owned(), Known::Revoked);
    }

    #[allow(clippy::expect_used, reason = "a test cannot continue without random bytes")]
    fn know(&mut self, known: Known) -> String {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the operating system provides random bytes");
        let token = URL_SAFE_NO_PAD.encode(bytes);
        self.tokens.insert(token.clone(), known);
        token
    }

    /// Answers a request. Signed answers are signed by the first key of `issuer`.
    pub(super) fn answer(&mut self, request: &RequestHead, issuer: &TestIssuer) -> Introspected {
        const JSON: &str = "application/json";
        let refused = |status, error| Introspected(status, JSON, json!({"error": error}).to_string().into_bytes());
        if request.method != "POST" {
            return refused(405, "invalid_request");
        }
        let form = form(&request.body);
        if !self.is_authenticated(request, &form, issuer.url()) {
            return refused(401, "invalid_client");
        }
        let Some(token) = value(&form, "token") else { return refused(400, "invalid_request") };
        let answer = match self.tokens.get(token) {
            Some(Known::Active(claims)) if !is_expired(claims) => {
                let mut answer = claims.clone();
                answer.insert("active".to_owned(), true.into());
                Value::Object(answer).to_string().into_bytes()
            }
            Some(Known::Answer(answer)) => answer.clone(),
            Some(Known::Active(_) | Known::Revoked) | None => br#"{"active":false}"#.to_vec(),
        };
        if request.header("accept").is_none_or(|accept| accept != SIGNED) {
            return Introspected(200, JSON, answer);
        }
        // An answer that is not JSON is sent as it is, because a test wants that.
        let jwt = serde_json::from_slice::<Value>(&answer).map(|answer| {
            let jwt = issuer.token().header("typ", "token-introspection+jwt");
            let jwt = jwt.without("sub").without("exp").without("jti").audience(&self.client_id);
            jwt.claim("token_introspection", answer).sign().into_bytes()
        });
        Introspected(200, SIGNED, jwt.unwrap_or(answer))
    }

    fn is_authenticated(&mut self, request: &RequestHead, form: &[(String, String)], issuer: &str) -> bool {
        if let Some(field) = request.header("authorization") {
            return basic(field) == Some((self.client_id.clone(), self.secret.clone()));
        }
        if value(form, "client_id") != Some(&self.client_id) {
            return false;
        }
        match value(form, "client_assertion") {
            Some(assertion) => self.is_good_assertion(assertion, issuer),
            None => value(form, "client_secret") == Some(&self.secret),
        }
    }

    /// Checks an assertion (RFC 7523 §3). Each is accepted once.
    fn is_good_assertion(&mut self, assertion: &str, issuer: &str) -> bool {
        let read = || {
            let (message, signature) = assertion.rsplit_once('.')?;
            let (header, claims) = message.split_once('.')?;
            let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
            let (header, claims) = (json(header)?, json(claims)?);
            let algorithm = Algorithm::from_name(header.get("alg")?.as_str()?)?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            self.key.as_ref()?.verify(algorithm, message.as_bytes(), &signature).ok()?;
            let is = |name: &str, expected: &str| claims.get(name).and_then(Value::as_str) == Some(expected);
            let is_good = is("iss", &self.client_id) && is("sub", &self.client_id) && is("aud", issuer);
            let is_current = claims.get("exp")?.as_i64()? > now();
            (is_good && is_current).then(|| claims.get("jti")?.as_str().map(str::to_owned))?
        };
        match read() {
            Some(identifier) => self.used_assertions.insert(identifier),
            None => false,
        }
    }
}

fn is_expired(claims: &Map<String, Value>) -> bool {
    claims.get("exp").and_then(Value::as_i64).is_some_and(|expires_at| expires_at <= now())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a String> {
    form.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// Reads the credentials of RFC 6749 §2.3.1.
fn basic(field: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(field.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

/// Reads `application/x-www-form-urlencoded`.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(name, value)| Some((form_decoded(name)?, form_decoded(value)?))).collect()
}

fn form_decoded(text: &str) -> Option<String> {
    let (mut decoded, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form(b"a=b+c&d%26=%C3%A9%2B&e="), [pair("a", "b c"), pair("d&", "\u{e9}+"), pair("e", "")]);
        assert_eq!(basic("Basic YSUzQWI6YyslMjUlQzMlQTklMkI="), Some(("a:b".to_owned(), "c %\u{e9}+".to_owned())));
        assert_eq!(basic("Bearer abc"), None);
    }
}
