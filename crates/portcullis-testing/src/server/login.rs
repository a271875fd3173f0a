//! Logins for pages on this machine: authorization code with PKCE (RFC 6749 §4.1, RFC 7636), and CORS.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::loopback::is_loopback;
use serde_json::{Value, json};

use crate::issuer::TestIssuer;
use crate::server::introspection::form;
use crate::server::site::{Answer, RequestHead};

/// How long a code may be redeemed (RFC 6749 §4.1.2 recommends at most ten minutes).
const LIFETIME_OF_CODES: Duration = Duration::from_secs(60);
/// More codes than one page needs. Then the oldest are forgotten.
const CODES_MAX: usize = 100;

/// Who is logged in, and the codes that are not redeemed yet.
pub(super) struct Login {
    subject: String,
    scopes: Vec<String>,
    codes: HashMap<String, Code>,
}

struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    scope: String,
    issued: Instant,
}

impl Login {
    pub(super) fn new(subject: &str, scopes: &str) -> Self {
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        Self { subject: subject.to_owned(), scopes, codes: HashMap::new() }
    }

    /// Adds what the metadata says about logins (RFC 8414 §2).
    pub(super) fn describe(&self, metadata: &mut Value) {
        metadata["code_challenge_methods_supported"] = json!(["S256"]);
        metadata["grant_types_supported"] = json!(["authorization_code"]);
        metadata["scopes_supported"] = json!(self.scopes);
        metadata["token_endpoint_auth_methods_supported"] = json!(["none"]);
    }

    /// Answers the authorization endpoint. Each login succeeds at once.
    pub(super) fn authorize(&mut self, request: &RequestHead, issuer: &TestIssuer) -> Answer {
        let query = form(request.target.split_once('?').map_or("", |(_, query)| query).as_bytes());
        let Some(redirect_uri) = the_only(&query, "redirect_uri").filter(|uri| is_page_of_this_machine(uri)) else {
            // Without an address that may be trusted, the error is shown here (RFC 6749 §4.1.2.1).
            return refused(400, "invalid_request", "redirect_uri is not one URL of this machine, without a fragment");
        };
        let given = |name| the_only(&query, name).filter(|value| !value.is_empty());
        let mut back = match (given("response_type"), given("client_id"), given("code_challenge")) {
            (Some(kind), _, _) if kind != "code" => vec![("error", "unsupported_response_type".to_owned())],
            (Some(_), Some(client_id), Some(challenge))
                if given("code_challenge_method").is_some_and(|method| method == "S256") && is_sha256(challenge) =>
            {
                let asked = given("scope").map_or("", String::as_str);
                let code = Code {
                    client_id: client_id.clone(),
                    redirect_uri: redirect_uri.clone(),
                    challenge: challenge.clone(),
                    scope: self.granted(asked),
                    issued: Instant::now(),
                };
                vec![("code", self.keep(code))]
            }
            _ => vec![("error", "invalid_request".to_owned())],
        };
        back.extend(given("state").map(|state| ("state", state.clone())));
        // RFC 9207.
        back.push(("iss", issuer.url().to_owned()));
        let back: Vec<_> = back.into_iter().map(|(name, value)| format!("{name}={}", encoded(&value))).collect();
        let separator = if redirect_uri.contains('?') { '&' } else { '?' };
        let location = format!("{redirect_uri}{separator}{}", back.join("&"));
        let headers = vec![
            ("location".to_owned(), location),
            ("cache-control".to_owned(), "no-store".to_owned()),
            ("content-type".to_owned(), "text/plain".to_owned()),
        ];
        Answer { status: 302, headers, body: Vec::new() }
    }

    /// Answers the token endpoint. A code is redeemed once, by its client.
    pub(super) fn token(&mut self, request: &RequestHead, issuer: &TestIssuer) -> Answer {
        if request.method != "POST" {
            return refused(405, "invalid_request", "the method is not POST");
        }
        let form = form(&request.body);
        let given = |name| the_only(&form, name).map(String::as_str).unwrap_or_default();
        if given("grant_type") != "authorization_code" {
            return refused(400, "unsupported_grant_type", "grant_type is not authorization_code");
        }
        // The code is used up, also if an error follows.
        let code = self.codes.remove(given("code")).filter(|code| code.issued.elapsed() < LIFETIME_OF_CODES);
        let Some(code) = code else { return refused(400, "invalid_grant", "the code is unknown, used or expired") };
        if code.client_id != given("client_id") || code.redirect_uri != given("redirect_uri") {
            return refused(
                400,
                "invalid_grant",
                "client_id or redirect_uri is another than in the authorization request",
            );
        }
        if URL_SAFE_NO_PAD.encode(digest(&SHA256, given("code_verifier").as_bytes())) != code.challenge {
            return refused(400, "invalid_grant", "code_verifier does not fit code_challenge");
        }
        let token = issuer.token().subject(&self.subject).scope(&code.scope).claim("client_id", code.client_id).sign();
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": code.scope});
        json_answer(200, &body)
    }

    /// The scopes that a client asks for, as far as there are such.
    fn granted(&self, asked: &str) -> String {
        let granted = asked.split_whitespace().filter(|scope| self.scopes.iter().any(|other| other == scope));
        granted.collect::<Vec<_>>().join(" ")
    }

    #[allow(clippy::expect_used, reason = "a test cannot continue without random bytes")]
    fn keep(&mut self, code: Code) -> String {
        if self.codes.len() >= CODES_MAX {
            let oldest = self.codes.iter().min_by_key(|(_, code)| code.issued).map(|(name, _)| name.clone());
            oldest.map(|name| self.codes.remove(&name));
        }
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the operating system provides random bytes");
        let name = URL_SAFE_NO_PAD.encode(bytes);
        self.codes.insert(name.clone(), code);
        name
    }
}

/// Answers a request of a page on another machine: 403, so that only pages of this machine use the logins.
pub(super) fn foreign_page(request: &RequestHead) -> Option<Answer> {
    let origin = request.header("origin")?;
    (!is_page_of_this_machine(origin))
        .then(|| refused(403, "invalid_request", "only pages of this machine may use this server"))
}

/// Answers a CORS preflight.
pub(super) fn preflight() -> Answer {
    let headers = vec![
        ("access-control-allow-methods".to_owned(), "GET, POST".to_owned()),
        ("access-control-allow-headers".to_owned(), "authorization, content-type, x-requested-with".to_owned()),
    ];
    Answer { status: 204, headers, body: Vec::new() }
}

/// Lets the page that asks read the answer.
pub(super) fn allow_page(request: &RequestHead, answer: &mut Answer) {
    if let Some(origin) = request.header("origin") {
        answer.headers.push(("access-control-allow-origin".to_owned(), origin.to_owned()));
    }
    answer.headers.push(("vary".to_owned(), "origin".to_owned()));
}

/// Whether the URL is that of a page on this machine.
fn is_page_of_this_machine(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\#<>@".contains(&byte));
    matches!(scheme, "http" | "https") && is_plain && is_loopback(host)
}

/// Whether the text is a SHA-256 hash in base64url.
fn is_sha256(challenge: &str) -> bool {
    URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
}

/// A parameter may appear only once (RFC 6749 §3.1).
fn the_only<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a String> {
    let mut values = parameters.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    json_answer(status, &json!({"error": error, "error_description": description}))
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ];
    Answer { status, headers, body: body.to_string().into_bytes() }
}

/// Writes a text for a query.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    /// RFC 7636, appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const PAGE: &str = "http://127.0.0.1:3010/docs/oauth2-redirect.html";

    fn get(query: &str) -> RequestHead {
        head("GET", &format!("/authorize?{query}"), b"")
    }

    fn head(method: &str, target: &str, body: &[u8]) -> RequestHead {
        RequestHead { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: body.to_vec() }
    }

    fn query(changed: &str, value: &str) -> String {
        let members = [
            ("response_type", "code"),
            ("client_id", "docs"),
            ("redirect_uri", PAGE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "read write:all openid"),
            ("state", "a b&c"),
        ];
        let members =
            members.map(|(name, known)| format!("{name}={}", encoded(if name == changed { value } else { known })));
        members.join("&")
    }

    fn login() -> (Login, TestIssuer) {
        (Login::new("alice", "openid read"), TestIssuer::new())
    }

    /// Where the browser is sent, as a form.
    fn location(answer: &Answer) -> Vec<(String, String)> {
        assert_eq!(answer.status, 302);
        let (_, location) = answer.headers.iter().find(|(name, _)| name == "location").unwrap();
        let (page, query) = location.split_once('?').unwrap();
        assert_eq!(page, PAGE);
        form(query.as_bytes())
    }

    fn redeem(login: &mut Login, issuer: &TestIssuer, code: &str, changed: &str, value: &str) -> (u16, Value) {
        let members = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "docs"),
            ("redirect_uri", PAGE),
            ("code_verifier", VERIFIER),
        ];
        let members =
            members.map(|(name, known)| format!("{name}={}", encoded(if name == changed { value } else { known })));
        let answer = login.token(&head("POST", "/token", members.join("&").as_bytes()), issuer);
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    #[tokio::test]
    async fn code_is_redeemed_once_with_its_verifier() {
        let (mut login, issuer) = login();
        let back = location(&login.authorize(&get(&query("", "")), &issuer));
        let value = |name: &str| the_only(&back, name).unwrap().clone();
        assert_eq!((value("state"), value("iss")), ("a b&c".to_owned(), "https://issuer.test/".to_owned()));
        let (status, body) = redeem(&mut login, &issuer, &value("code"), "", "");
        assert_eq!((status, &body["scope"], &body["token_type"]), (200, &json!("read openid"), &json!("Bearer")));
        let caller = issuer.gate().verify(body["access_token"].as_str().unwrap()).await.unwrap();
        assert_eq!(caller.subject(), Some("alice"));
        let (status, body) = redeem(&mut login, &issuer, &value("code"), "", "");
        assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    }

    #[test]
    fn wrong_redemption_uses_the_code_up() {
        let (mut login, issuer) = login();
        for (changed, value, error) in [
            ("code_verifier", "another", "invalid_grant"),
            ("code_verifier", "", "invalid_grant"),
            ("code_verifier", CHALLENGE, "invalid_grant"),
            ("client_id", "other", "invalid_grant"),
            ("redirect_uri", "http://127.0.0.1:3010/", "invalid_grant"),
        ] {
            let back = location(&login.authorize(&get(&query("", "")), &issuer));
            let code = the_only(&back, "code").unwrap();
            let (status, body) = redeem(&mut login, &issuer, code, changed, value);
            assert_eq!((status, &body["error"]), (400, &json!(error)), "{changed}={value}");
            assert_eq!(redeem(&mut login, &issuer, code, "", "").0, 400, "{changed}={value}");
        }
        assert_eq!(redeem(&mut login, &issuer, "", "grant_type", "password").1["error"], "unsupported_grant_type");
        assert_eq!(login.token(&head("GET", "/token", b""), &issuer).status, 405);
    }

    #[test]
    fn only_pages_of_this_machine_are_sent_back() {
        let (mut login, issuer) = login();
        for page in [
            "",
            "https://evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://evil.example#@127.0.0.1/",
            "http://127.0.0.1:3010/#here",
            "javascript:alert(1)",
            "//127.0.0.1/",
        ] {
            assert_eq!(login.authorize(&get(&query("redirect_uri", page)), &issuer).status, 400, "{page}");
        }
        let twice = format!("{}&redirect_uri={}", query("", ""), encoded(PAGE));
        assert_eq!(login.authorize(&get(&twice), &issuer).status, 400);
        assert!(login.codes.is_empty());
    }

    #[test]
    fn only_s256_is_accepted() {
        let (mut login, issuer) = login();
        for (changed, value, error) in [
            ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "short", "invalid_request"),
            ("client_id", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
        ] {
            let back = location(&login.authorize(&get(&query(changed, value)), &issuer));
            assert_eq!(the_only(&back, "error").unwrap(), error, "{changed}={value}");
            assert_eq!(the_only(&back, "state").unwrap(), "a b&c");
        }
        assert!(login.codes.is_empty());
    }

    #[test]
    fn pages_of_other_machines_are_refused() {
        let from = |origin: &str| RequestHead { headers: vec![("origin".to_owned(), origin.to_owned())], ..get("") };
        for origin in ["http://127.0.0.1:3010", "http://localhost", "https://[::1]:8443"] {
            assert!(foreign_page(&from(origin)).is_none(), "{origin}");
        }
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
            assert_eq!(foreign_page(&from(origin)).unwrap().status, 403, "{origin}");
        }
        assert!(foreign_page(&get("")).is_none());
    }

    #[test]
    fn number_of_codes_is_bounded() {
        let (mut login, issuer) = login();
        for _ in 0..(CODES_MAX + 5) {
            let _ = login.authorize(&get(&query("", "")), &issuer);
        }
        assert_eq!(login.codes.len(), CODES_MAX);
    }
}
