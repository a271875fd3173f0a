//! A person logs in: the authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636), by a browser without a screen.

use std::collections::BTreeMap;

use crate::http::{self, Answer};
use crate::introspection;
use crate::scenarios::Live;
use crate::{API, assert_bad_token};

const CALLBACK: &str = "http://127.0.0.1/callback";
const CLIENT: &str = "app";

/// From RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn token_of_a_person_is_accepted(live: &Live) {
    let services = introspection::serve(live, &[]);
    for format in ["ES256", "opaque"] {
        let resource = format!("{API}/?alg={format}");
        let code = log_in(live, "alice", &resource);
        let tokens = exchange(live, &code, &resource, VERIFIER);
        assert_eq!(tokens.status, 200, "{tokens:?}");
        let (tokens, named) =
            (tokens.json(), |tokens: &serde_json::Value, name: &str| tokens[name].as_str().unwrap().to_owned());
        let access_token = named(&tokens, "access_token");

        let claims = services.get("/api/private", Some(&access_token));
        assert_eq!(claims.status, 200, "{claims:?}");
        let claims = claims.json();
        assert_eq!((&claims["sub"], &claims["client_id"]), (&"alice".into(), &CLIENT.into()));
        let greeting = services.get("/api/greeting", Some(&access_token)).json();
        assert_eq!(greeting["greeting"], "hello, alice");
        assert_eq!(services.get("/api/private-scoped", Some(&access_token)).status, 200);

        // The ID token of the same answer is for the client.
        assert_bad_token(&services.get("/api/private", Some(&named(&tokens, "id_token"))), "wrong_audience");

        // A stolen code is of no use without the verifier, and the same code gives no second token.
        for (code, verifier) in [(&log_in(live, "alice", &resource), CHALLENGE), (&code, VERIFIER)] {
            let refused = exchange(live, code, &resource, verifier);
            assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_grant".into()), "{refused:?}");
        }
    }
}

fn exchange(live: &Live, code: &str, resource: &str, verifier: &str) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", CALLBACK),
        ("resource", resource),
    ];
    http::post_form(&live.provider.endpoint("token_endpoint"), &form).unwrap()
}

/// Logs in and consents with the forms of the provider. Returns the code.
fn log_in(live: &Live, name: &str, resource: &str) -> String {
    let question = http::form_encoded(&[
        ("client_id", CLIENT),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("redirect_uri", CALLBACK),
        ("resource", resource),
        ("response_type", "code"),
        ("scope", "openid read:messages"),
        ("state", "a state"),
    ]);
    let mut browser = Browser::default();
    let start = format!("{}?{question}", live.provider.endpoint("authorization_endpoint"));
    let mut at = browser.go_to(start);
    for form in [&[("prompt", "login"), ("login", name), ("password", "any")][..], &[("prompt", "consent")]] {
        let answer = browser.ask(&at, Some(form));
        at = browser.follow(&at, answer);
    }
    let query = at.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?')).expect("the callback");
    let members: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    assert_eq!(members["state"].replace('+', "%20"), "a%20state");
    // Mix-up defense (RFC 9207).
    assert_eq!(members["iss"], http::encode(live.provider.issuer()).replace("%2E", "."));
    members["code"].to_owned()
}

/// Keeps cookies by name, and ignores their paths.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Opens a page, and returns where it is in the end.
    fn go_to(&mut self, url: String) -> String {
        let answer = self.ask(&url, None);
        self.follow(&url, answer)
    }

    /// Follows redirects to the next page, or to the callback.
    fn follow(&mut self, from: &str, mut answer: Answer) -> String {
        let origin = from.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let mut url = from.to_owned();
        while answer.status == 303 {
            let location = answer.all("location")[0];
            url = if location.starts_with('/') { format!("{origin}{location}") } else { location.to_owned() };
            if url.starts_with(CALLBACK) {
                return url;
            }
            answer = self.ask(&url, None);
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        url
    }

    /// Posts a form, or gets a page.
    fn ask(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [("cookie", cookies.as_str())];
        let answer = match form {
            Some(form) => http::post_form_with(url, &headers, form),
            None => http::get_url_with(url, &headers),
        };
        let answer = answer.unwrap();
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
            self.cookies.retain(|_, value| !value.is_empty());
        }
        answer
    }
}
